#include "offline/evaluation/embedding_evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/strings.h"

namespace fourfold {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint32_t kItems = 300, kGroups = 10, kUsers = 400;

// Users who stay within one group of items (item % kGroups), or go anywhere.
InteractionTable TableOf(bool in_groups) {
  std::mt19937 random(3);
  InteractionTable table;
  table.types = {"click"};
  for (std::uint32_t item = 0; item < kItems; ++item) table.items.push_back(StrCat("item", item));
  table.user_begin = {0};
  for (std::uint32_t user = 0; user < kUsers; ++user) {
    table.users.push_back(StrCat("user", user));
    for (int step = 0; step < 12; ++step) {
      const auto any = static_cast<std::uint32_t>(random() % kItems);
      table.item.push_back(in_groups ? any / kGroups * kGroups + user % kGroups : any);
      table.type.push_back(0);
      table.event_time_ms.push_back(step);
      table.tie_group.push_back(0);
    }
    table.user_begin.push_back(table.item.size());
  }
  return table;
}

std::vector<SideField> Groups() {
  std::vector<std::vector<std::string>> values;
  for (std::uint32_t item = 0; item < kItems; ++item) {
    values.push_back({StrCat("group", item % kGroups)});
  }
  return {MakeSideField("group", values)};
}

EmbeddingExamOptions OptionsOf(std::span<const SideField> fields) {
  EmbeddingExamOptions options;
  options.spec.name = "eges";
  options.spec.kind = RetrieverSpec::Kind::kEges;
  options.spec.dimension = 16;
  options.spec.learning_rate = 0.1;
  options.spec.side_fields = {"group"};
  options.fields = fields;
  options.threads = 1;
  options.bootstrap.resamples = 50;
  return options;
}

std::vector<std::string> MethodsOf(const EmbeddingExam& exam) {
  std::vector<std::string> methods;
  for (const EmbeddingExamRow& row : exam.rows) methods.push_back(row.method);
  return methods;
}

TEST(LinkPredictionTest, HiddenEdgesWithinGroupsAreFound) {
  const std::vector<SideField> fields = Groups();
  const auto exam = PredictLinks(TableOf(true), OptionsOf(fields));
  ASSERT_TRUE(exam.ok()) << exam.status();
  EXPECT_THAT(MethodsOf(*exam), ElementsAre("degrees", "BGE", "GES", "EGES"));
  EXPECT_THAT(exam->metrics, ElementsAre("AUC", "AUC degree-matched"));
  for (std::size_t row = 1; row < 4; ++row) {
    EXPECT_GT(exam->rows[row].metrics[0].mean, 0.9) << exam->rows[row].method;
    EXPECT_GT(exam->rows[row].metrics[1].mean, 0.9) << exam->rows[row].method;
  }
  // Popularity does not tell the groups apart; what is hidden even lowers its own ends' degrees.
  EXPECT_LT(exam->rows[0].metrics[1].mean, 0.55);
}

TEST(LinkPredictionTest, EdgesByChanceAreNotFound) {
  const auto exam = PredictLinks(TableOf(false), OptionsOf({}));
  ASSERT_TRUE(exam.ok()) << exam.status();
  EXPECT_THAT(MethodsOf(*exam), ElementsAre("degrees", "BGE"));
  EXPECT_NEAR(exam->rows[1].metrics[1].mean, 0.5, 0.06);
}

TEST(LinkPredictionTest, AShareOfTheEdgesIsHidden) {
  EmbeddingExamOptions options = OptionsOf({});
  options.hidden_share = 0.25;
  options.spec.walks_per_item = 1;
  const auto exam = PredictLinks(TableOf(false), options);
  ASSERT_TRUE(exam.ok()) << exam.status();
  // 4,400 steps, few of them the same.
  EXPECT_NEAR(static_cast<double>(exam->questions), 4270 * 0.25, 120);
  options.hidden_share = 1;
  EXPECT_EQ(PredictLinks(TableOf(false), options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(LinkPredictionTest, ValidationHidesAShareOfWhatTheTestLeavesToTraining) {
  EmbeddingExamOptions options = OptionsOf({});
  options.spec.walks_per_item = 1;
  const auto test = PredictLinks(TableOf(false), options);
  options.on_validation = true;
  const auto validation = PredictLinks(TableOf(false), options);
  ASSERT_TRUE(test.ok() && validation.ok()) << validation.status();
  // A third of the two thirds that stay.
  EXPECT_NEAR(static_cast<double>(validation->questions),
              static_cast<double>(test->questions) * 2 / 3, 120);
  options.on_validation = false;
  options.seed = 2;
  const auto other = PredictLinks(TableOf(false), options);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_NE(other->rows[0].metrics[0].mean, test->rows[0].metrics[0].mean);
}

TEST(ColdItemsTest, ItemsThatTrainingNeverSawAreFoundByTheirSideFields) {
  const std::vector<SideField> fields = Groups();
  EmbeddingExamOptions options = OptionsOf(fields);
  options.hidden_share = 0.1;
  const auto exam = RankColdItems(TableOf(true), options);
  ASSERT_TRUE(exam.ok()) << exam.status();
  EXPECT_THAT(MethodsOf(*exam), ElementsAre("chance", "attribute overlap", "GES", "EGES"));
  EXPECT_THAT(exam->metrics, ElementsAre("MRR", "Success@10", "rank/all"));
  EXPECT_NEAR(exam->rows[0].metrics[2].mean, 0.5, 0.05);
  for (std::size_t row = 1; row < 4; ++row) {
    EXPECT_LT(exam->rows[row].metrics[2].mean, 0.15) << exam->rows[row].method;
  }
  const auto without = RankColdItems(TableOf(true), OptionsOf({}));
  EXPECT_EQ(without.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(MessageOf(without.status())), HasSubstr("side_fields"));
}

// Each group is two items, whose users go from one to the other and back: where one is hidden, the
// other stays without an edge, and asks all the same.
TEST(ColdItemsTest, AnItemThatStaysWithoutAnEdgeAsksByItsSideFields) {
  InteractionTable table = TableOf(true);
  std::vector<std::vector<std::string>> values;
  for (std::uint32_t item = 0; item < kItems; ++item) values.push_back({StrCat("pair", item / 2)});
  for (std::size_t user = 0; user < kUsers; ++user) {
    for (std::size_t row = table.user_begin[user]; row < table.user_begin[user + 1]; ++row) {
      table.item[row] = static_cast<std::uint32_t>(2 * (user % (kItems / 2)) + row % 2);
    }
  }
  const std::vector<SideField> fields = {MakeSideField("group", values)};
  const auto exam = RankColdItems(table, OptionsOf(fields));
  ASSERT_TRUE(exam.ok()) << exam.status();
  // Of the two of a pair one is hidden and the other stays with a chance of 4/9.
  EXPECT_NEAR(static_cast<double>(exam->questions), 150 * 4.0 / 9, 20);
}

}  // namespace
}  // namespace fourfold
