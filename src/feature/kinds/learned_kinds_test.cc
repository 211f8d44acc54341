#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_reader.h"
#include "feature/plan/learned_items_testing.h"
#include "feature/state/logged_state.h"

// The kinds that read what retrievers learned, by hand-computed values.
namespace fourfold {
namespace {

class LearnedKindsTest : public ::testing::Test {
 protected:
  LearnedKindsTest() {
    items_->items = {"a", "b", "c", "d"};
    GivenItems::Neighbours& map = items_->neighbours["near"];
    map.items = {{1, 2}, {0, 2}, {}, {0}};
    map.scores = {{0.5F, 0.25F}, {0.5F, 2.0F}, {}, {-1.0F}};
    items_->vectors["vectors"].of_item = {{1, 0}, {0, 1}, {-1, 0}, {}};
  }

  void Act(std::string_view item, std::int64_t time_ms, std::string type = "click") {
    LoggedEvent logged;
    logged.position = next_++;
    logged.known_time_ms = time_ms;
    logged.event.kind = EventKind::kInteraction;
    logged.event.id = StrCat("e", logged.position);
    logged.event.event_time_ms = time_ms;
    logged.event.user = "u";
    logged.event.item = item;
    logged.event.type = std::move(type);
    log_.push_back(logged);
  }

  // Of the candidates a, b, c, d and e, which nobody knows.
  std::vector<float> Read(const std::string& kind, std::vector<Field> parameters) {
    parameters.push_back({"retriever", std::string(kind == "covisit" ? "near" : "vectors")});
    const auto plan = FeaturePlan::Compile({{"f", kind, std::move(parameters)}});
    EXPECT_TRUE(plan.ok()) << plan.status();
    LoggedState state(&(*plan)->schema());
    for (const LoggedEvent& logged : log_) state.Add(logged);
    FeatureRequest request;
    request.user = "u";
    request.now_ms = request.at.as_of_ms = request.at.known_at_ms = 1000;
    for (const char* item : {"a", "b", "c", "d", "e"}) request.candidates.push_back({item, {}, 0});
    request.learned = items_;
    FeatureTable table;
    const absl::Status status = ReadFeatures(**plan, state, request, &table);
    EXPECT_TRUE(status.ok()) << status;
    return table.columns[0];
  }
  static std::vector<float> OrMinus9(std::vector<float> values) {
    for (float& value : values) value = std::isnan(value) ? -9 : value;
    return values;
  }

  const std::shared_ptr<GivenItems> items_ = std::make_shared<GivenItems>();
  std::vector<LoggedEvent> log_;
  Position next_ = 0;
};

FieldValue Text(const char* text) { return std::string(text); }

TEST_F(LearnedKindsTest, CovisitAddsTheScoresOfRecentItemsThatHaveTheCandidateAsNeighbour) {
  Act("a", 100);
  Act("d", 200);
  Act("b", 300);
  Act("b", 400);  // an item counts once
  Act("unknown", 500);
  EXPECT_EQ(Read("covisit", {}), (std::vector<float>{-0.5F, 0.5F, 2.25F, 0, 0}));
  EXPECT_EQ(Read("covisit", {{"of", Text("max")}}), (std::vector<float>{0.5F, 0.5F, 2, 0, 0}));
  EXPECT_EQ(Read("covisit", {{"of", Text("count")}}), (std::vector<float>{2, 1, 2, 0, 0}));
  // Places: unknown 1, b 1/2, d 1/4, a 1/8.
  EXPECT_EQ(Read("covisit", {{"decay", 0.5}}),
            (std::vector<float>{0.25F - 0.25F, 0.0625F, 1.03125F, 0, 0}));
  EXPECT_EQ(Read("covisit", {{"decay", 0.5}, {"of", Text("count")}}),
            (std::vector<float>{0.75F, 0.125F, 0.625F, 0, 0}));
  // The newest three actions are on two items.
  EXPECT_EQ(Read("covisit", {{"actions", 3.0}}), (std::vector<float>{0.5F, 0, 2, 0, 0}));
  EXPECT_EQ(Read("covisit", {{"window", Text("700ms")}}), (std::vector<float>{0.5F, 0, 2, 0, 0}));
}

TEST_F(LearnedKindsTest, CovisitHasNoValueWithoutAnActionOfItsTypes) {
  Act("b", 300, "look");
  EXPECT_EQ(OrMinus9(Read("covisit", {{"types", std::vector<std::string>{"click"}}})),
            (std::vector<float>{-9, -9, -9, -9, -9}));
  EXPECT_EQ(Read("covisit", {{"types", std::vector<std::string>{"look"}}}),
            (std::vector<float>{0.5F, 0, 2, 0, 0}));
}

TEST_F(LearnedKindsTest, SimilarityComparesWithTheMeanOfWhatIsKnown) {
  Act("a", 100);
  Act("d", 200);  // without a vector
  Act("b", 300);
  Act("unknown", 400);
  const auto half = static_cast<float>(0.5 / std::sqrt(0.5));
  EXPECT_EQ(OrMinus9(Read("similarity", {})), (std::vector<float>{half, half, -half, -9, -9}));
  EXPECT_EQ(OrMinus9(Read("similarity", {{"of", Text("dot")}})),
            (std::vector<float>{0.5F, 0.5F, -0.5F, -9, -9}));
  // b weighs 1/2, a 1/8: the mean is (.2, .8).
  const std::vector<float> faded =
      OrMinus9(Read("similarity", {{"of", Text("dot")}, {"decay", 0.5}}));
  EXPECT_FLOAT_EQ(faded[0], 0.2F);
  EXPECT_FLOAT_EQ(faded[1], 0.8F);
  EXPECT_FLOAT_EQ(faded[2], -0.2F);
}

TEST_F(LearnedKindsTest, SimilarityHasNoValueWhereNothingIsKnown) {
  const std::vector<float> none = {-9, -9, -9, -9, -9};
  EXPECT_EQ(OrMinus9(Read("similarity", {})), none);
  Act("d", 100);
  EXPECT_EQ(OrMinus9(Read("similarity", {})), none);
  // A mean of length 0 has no direction, but an inner product.
  Act("a", 200);
  Act("c", 200);
  EXPECT_EQ(OrMinus9(Read("similarity", {})), none);
  EXPECT_EQ(OrMinus9(Read("similarity", {{"of", Text("dot")}})),
            (std::vector<float>{0, 0, 0, -9, -9}));
}

TEST_F(LearnedKindsTest, ARetrieverThatLearnedNothingSaysNothing) {
  Act("a", 100);
  items_->neighbours.clear();
  items_->vectors.clear();
  const std::vector<float> none = {-9, -9, -9, -9, -9};
  EXPECT_EQ(OrMinus9(Read("covisit", {})), none);
  EXPECT_EQ(OrMinus9(Read("similarity", {})), none);
}

TEST_F(LearnedKindsTest, ARequestMustBringWhatWasLearned) {
  const auto plan = FeaturePlan::Compile({{"f", "covisit", {{"retriever", Text("near")}}}}).value();
  EXPECT_TRUE(plan->reads_learned());
  const LoggedState state(&plan->schema());
  FeatureTable table;
  EXPECT_EQ(ReadFeatures(*plan, state, FeatureRequest(), &table).code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fourfold
