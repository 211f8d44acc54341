#include "online/pipeline/pipeline.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "online/ranking/best_first_selector.h"
#include "online/retrieval/bound_servable.h"

namespace fourfold {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ListRetriever final : public Retriever {
 public:
  ListRetriever(std::string name, std::vector<ItemIndex> items, absl::Status status = {})
      : Retriever({std::move(name), {}, {Column::kCandidates}, OnFailure::kSkipStage}),
        items_(std::move(items)),
        status_(std::move(status)) {}
  absl::Status Retrieve(const Query&, RetrievalScratch*, CandidateSink* sink) const override {
    double score = 1;
    for (const ItemIndex item : items_) {
      if (!sink->Add(item, score)) break;
      score /= 2;
    }
    return status_;
  }

 private:
  const std::vector<ItemIndex> items_;
  const absl::Status status_;
};

class OddFilter final : public Filter {
 public:
  OddFilter() : Filter({"odd", {}, {Column::kDropped}, OnFailure::kFailRequest}) {}
  void Mark(const Query&, std::span<const ItemIndex> items, DropMask* drop) const override {
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i] % 2 == 1) drop->Drop(i);
    }
  }
  std::string Reason(const Query&, ItemIndex) const override { return "is odd"; }
};

// Scores by item: higher numbers first, but a value that is no number for item 4.
class NumberScorer final : public Scorer {
 public:
  explicit NumberScorer(absl::Status status = {})
      : Scorer({"number", {Column::kCandidates}, {Column::kScore}, OnFailure::kSkipStage}),
        status_(std::move(status)) {}
  absl::Status Score(const Query&, const CandidateTable& candidates, RankingScratch*,
                     std::span<double> scores) const override {
    for (Row row = 0; row < candidates.size(); ++row) {
      const ItemIndex item = candidates.items()[row];
      scores[row] = item == 4 ? std::numeric_limits<double>::quiet_NaN() : item;
    }
    return status_;
  }

 private:
  const absl::Status status_;
};

class TieColumns final : public Hydrator {
 public:
  TieColumns() : Hydrator({"ties", {}, {Column::kTieOrder}, OnFailure::kFailRequest}) {}
};

class BrokenHydrator final : public Hydrator {
 public:
  explicit BrokenHydrator(OnFailure on_failure)
      : Hydrator({"broken", {}, {Column::kHistory}, on_failure}) {}
  absl::Status Resolve(const Query&, QueryColumns*) const override { return Internal("no disk"); }
};

class PipelineTest : public ::testing::Test {
 protected:
  PipelineTest() {
    for (int i = 0; i < 10; ++i) catalogue_.Put("item-" + std::to_string(i), {});
    bound_ = *BoundServable::Bind(nullptr, &catalogue_);
    blend_.weights = {{"one", 1}, {"two", 1}};
  }

  absl::Status Run(PipelineBuilder* builder, int limit) {
    auto built = builder->Build();
    if (!built.ok()) return built.status();
    Query query;
    query.limit = limit;
    query.servable = bound_.get();
    query.blend = &blend_;
    state_.Start(query);
    const Catalogue::ReadLock lock(catalogue_);
    state_.query.catalogue = &lock;
    const absl::Status status = (*built)->Run(&state_);
    slate_.clear();
    for (const Row row : state_.slate) slate_.push_back(state_.candidates.items()[row]);
    return status;
  }

  Catalogue catalogue_{Catalogue::Membership::kDeclared};
  std::unique_ptr<const BoundServable> bound_;
  BlendSpec blend_;
  RequestState state_;
  std::vector<ItemIndex> slate_;
};

TEST_F(PipelineTest, EveryCandidateKeepsWhereItCameFromAndWhatDroppedIt) {
  PipelineBuilder builder;
  builder.Retrieve(std::make_unique<ListRetriever>("one", std::vector<ItemIndex>{2, 3}));
  builder.Retrieve(std::make_unique<ListRetriever>("two", std::vector<ItemIndex>{3, 6, 2}));
  builder.Hydrate(std::make_unique<TieColumns>());
  builder.Filter(std::make_unique<OddFilter>());
  builder.Score(std::make_unique<NumberScorer>());
  builder.Select(std::make_unique<BestFirstSelector>());
  ASSERT_TRUE(Run(&builder, 5).ok());
  EXPECT_THAT(slate_, ElementsAre(6, 2));
  EXPECT_THAT(state_.candidates.items(), ElementsAre(2, 3, 6));
  EXPECT_EQ(state_.candidates.retrieved_by(0), 3u);
  EXPECT_EQ(state_.candidates.retrieved_by(2), 2u);
  EXPECT_EQ(state_.candidates.dropped_by(1), 1);
  ASSERT_THAT(state_.candidates.list(1), SizeIs(3));
  EXPECT_EQ(state_.candidates.list(1)[2].row, 0u);
  EXPECT_EQ(state_.candidates.list(1)[2].score, 0.25);
}

TEST_F(PipelineTest, FillGoesThroughTheSameFiltersUntilTheSlateIsFull) {
  PipelineBuilder builder;
  builder.Retrieve(std::make_unique<ListRetriever>("one", std::vector<ItemIndex>{2}));
  builder.Hydrate(std::make_unique<TieColumns>());
  builder.Filter(std::make_unique<OddFilter>());
  builder.Score(std::make_unique<NumberScorer>());
  builder.Select(std::make_unique<BestFirstSelector>());
  builder.Fill(
      std::make_unique<ListRetriever>("fill", std::vector<ItemIndex>{1, 2, 8, 3, 0, 6, 4}));
  ASSERT_TRUE(Run(&builder, 4).ok());
  EXPECT_THAT(slate_, ElementsAre(2, 8, 0, 6));
  EXPECT_EQ(state_.candidates.retrieved_by(state_.slate[1]), 0u);
}

TEST_F(PipelineTest, RetrieverThatFailsHalfWayLeavesNothingBehind) {
  PipelineBuilder builder;
  builder.Retrieve(std::make_unique<ListRetriever>("one", std::vector<ItemIndex>{2}));
  builder.Retrieve(
      std::make_unique<ListRetriever>("two", std::vector<ItemIndex>{2, 6}, Internal("half-way")));
  builder.Hydrate(std::make_unique<TieColumns>());
  builder.Score(std::make_unique<NumberScorer>());
  builder.Select(std::make_unique<BestFirstSelector>());
  ASSERT_TRUE(Run(&builder, 5).ok());
  EXPECT_THAT(slate_, ElementsAre(2));
  EXPECT_EQ(state_.candidates.retrieved_by(0), 1u);
  EXPECT_EQ(state_.candidates.RowOf(6), CandidateTable::kNoRow);
  ASSERT_THAT(state_.degraded, SizeIs(1));
  EXPECT_EQ(state_.degraded[0].stage, "two");
  EXPECT_EQ(state_.degraded[0].reason, "half-way");
}

TEST_F(PipelineTest, RetrieverWithoutWeightIsNotAsked) {
  blend_.weights = {{"one", 1}, {"two", 0}};
  PipelineBuilder builder;
  builder.Retrieve(std::make_unique<ListRetriever>("one", std::vector<ItemIndex>{2}));
  builder.Retrieve(std::make_unique<ListRetriever>("two", std::vector<ItemIndex>{6}));
  builder.Hydrate(std::make_unique<TieColumns>());
  builder.Score(std::make_unique<NumberScorer>());
  builder.Select(std::make_unique<BestFirstSelector>());
  ASSERT_TRUE(Run(&builder, 5).ok());
  EXPECT_THAT(slate_, ElementsAre(2));
}

TEST_F(PipelineTest, ScoreThatIsNoNumberSinksToTheBottom) {
  PipelineBuilder builder;
  builder.Retrieve(std::make_unique<ListRetriever>("one", std::vector<ItemIndex>{4, 0, 8}));
  builder.Hydrate(std::make_unique<TieColumns>());
  builder.Score(std::make_unique<NumberScorer>());
  builder.Select(std::make_unique<BestFirstSelector>());
  ASSERT_TRUE(Run(&builder, 5).ok());
  EXPECT_THAT(slate_, ElementsAre(8, 0, 4));
}

TEST_F(PipelineTest, ScorerThatFailsLeavesTheTieRule) {
  PipelineBuilder builder;
  builder.Retrieve(std::make_unique<ListRetriever>("one", std::vector<ItemIndex>{0, 8}));
  builder.Hydrate(std::make_unique<TieColumns>());
  builder.Score(std::make_unique<NumberScorer>(Internal("no weights")));
  builder.Select(std::make_unique<BestFirstSelector>());
  ASSERT_TRUE(Run(&builder, 5).ok());
  EXPECT_THAT(slate_, SizeIs(2));
  EXPECT_EQ(state_.candidates.score(1), 0);
  EXPECT_THAT(state_.degraded, SizeIs(1));
}

TEST_F(PipelineTest, SecondScorerThatFailsLeavesTheScoresOfTheFirst) {
  class Destroyer final : public Scorer {
   public:
    Destroyer() : Scorer({"destroyer", {}, {Column::kScore}, OnFailure::kSkipStage}) {}
    absl::Status Score(const Query&, const CandidateTable&, RankingScratch*,
                       std::span<double> scores) const override {
      std::fill(scores.begin(), scores.end(), -1.0);
      return Internal("no state");
    }
  };
  PipelineBuilder builder;
  builder.Retrieve(std::make_unique<ListRetriever>("one", std::vector<ItemIndex>{2, 8}));
  builder.Hydrate(std::make_unique<TieColumns>());
  builder.Score(std::make_unique<NumberScorer>());
  builder.Score(std::make_unique<Destroyer>());
  builder.Select(std::make_unique<BestFirstSelector>());
  ASSERT_TRUE(Run(&builder, 5).ok());
  EXPECT_EQ(state_.candidates.score(0), 2);
  EXPECT_EQ(state_.candidates.score(1), 8);
  EXPECT_THAT(state_.degraded, SizeIs(1));
}

TEST_F(PipelineTest, StageFailsTheRequestOnlyIfItSaysSo) {
  for (const OnFailure on_failure : {OnFailure::kSkipStage, OnFailure::kFailRequest}) {
    PipelineBuilder builder;
    builder.Hydrate(std::make_unique<BrokenHydrator>(on_failure));
    builder.Hydrate(std::make_unique<TieColumns>());
    builder.Score(std::make_unique<NumberScorer>());
    builder.Select(std::make_unique<BestFirstSelector>());
    EXPECT_EQ(Run(&builder, 5).ok(), on_failure == OnFailure::kSkipStage);
  }
}

TEST_F(PipelineTest, ReadingAColumnThatNobodyWroteIsRefused) {
  PipelineBuilder builder;
  builder.Score(std::make_unique<NumberScorer>());
  builder.Select(std::make_unique<BestFirstSelector>());  // reads kTieOrder
  const absl::Status status = builder.Build().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.ToString(), HasSubstr("best_first"));
}

TEST_F(PipelineTest, TwoStagesOfOneNameAreRefused) {
  PipelineBuilder builder;
  builder.Retrieve(std::make_unique<ListRetriever>("one", std::vector<ItemIndex>{}));
  builder.Retrieve(std::make_unique<ListRetriever>("one", std::vector<ItemIndex>{}));
  EXPECT_THAT(builder.Build().status().ToString(), HasSubstr("two stages are named one"));
}

TEST_F(PipelineTest, WritingAColumnOfAnotherKindIsRefused) {
  class Meddler final : public Scorer {
   public:
    Meddler() : Scorer({"meddler", {}, {Column::kDropped}, OnFailure::kSkipStage}) {}
    absl::Status Score(const Query&, const CandidateTable&, RankingScratch*,
                       std::span<double>) const override {
      return absl::OkStatus();
    }
  };
  PipelineBuilder builder;
  builder.Score(std::make_unique<Meddler>());
  EXPECT_THAT(builder.Build().status().ToString(), HasSubstr("meddler"));
}

TEST(ItemMarksTest, ResetForgetsEverything) {
  ItemMarks marks;
  marks.Reset(4);
  marks.Add(1, 2);
  marks.Add(1, 4);
  EXPECT_EQ(marks.Get(1), 6u);
  EXPECT_EQ(marks.Get(2), 0u);
  marks.Reset(6);
  EXPECT_EQ(marks.Get(1), 0u);
  EXPECT_EQ(marks.Get(5), 0u);
}

}  // namespace
}  // namespace fourfold
