#include "offline/evaluation/shown_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace fourfold {
namespace {

using ::testing::HasSubstr;

TEST(ShownListsTest, ValuesAreThoseByHandAndTiesStayAsShown) {
  ShownLists lists;
  lists.row_end = {4, 6, 9};
  lists.user = {7, 7, 9};
  lists.label = {0, 0, 1, 1, 0, 0, 1, 0, 0};
  const std::vector<ShownListMethod> methods = {
      {"as shown", {0, 0, 0, 0, 0, 0, 0, 0, 0}},
      // First request: rows 2 1 3 0, hits at 1 and 3. Third: rows 1 0 2, hit at 2.
      {"scored", {0, 2, 3, 2, 5, 5, 1, 4, 1}}};
  ShownListOptions options;
  options.metrics = {{MetricKind::kReciprocalRank, 1000},
                     {MetricKind::kSuccess, 1},
                     {MetricKind::kSuccess, 3},
                     {MetricKind::kNdcg, 10}};
  const auto result = EvaluateShownLists(lists, methods, options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->requests, 2u);
  EXPECT_EQ(result->requests_left_out, 1u);
  EXPECT_EQ(result->rows, 9u);
  const ShownListResult::Method& shown = result->methods[0];
  const ShownListResult::Method& scored = result->methods[1];
  EXPECT_NEAR(shown.values[0].mean, (1.0 / 3 + 1) / 2, 1e-12);
  EXPECT_NEAR(scored.values[0].mean, (1 + 1.0 / 2) / 2, 1e-12);
  EXPECT_NEAR(shown.values[1].mean, 0.5, 1e-12);
  EXPECT_NEAR(scored.values[2].mean, 1, 1e-12);
  const double ideal = 1 + 1 / std::log2(3);
  EXPECT_NEAR(shown.values[3].mean, ((1 / std::log2(4) + 1 / std::log2(5)) / ideal + 1) / 2, 1e-12);
  EXPECT_NEAR(scored.values[3].mean, ((1 + 1 / std::log2(4)) / ideal + 1 / std::log2(3)) / 2,
              1e-12);
  EXPECT_NEAR(scored.differences[0].mean, (1 - 1.0 / 3 + 0.5 - 1) / 2, 1e-12);
  EXPECT_EQ(shown.differences[0], (Interval{0, 0, 0}));
  // Positives 3, 2, 1 against 0, 2, 5, 5, 4, 1: 3 wins 3; 2 wins 2 and a half; 1 wins 1 and a half.
  EXPECT_NEAR(scored.auc.mean, (3 + 2.5 + 1.5) / 18, 1e-12);
  EXPECT_NEAR(shown.auc.mean, 0.5, 1e-12);
  EXPECT_NEAR(scored.auc_difference.mean, (3 + 2.5 + 1.5) / 18 - 0.5, 1e-12);
  EXPECT_EQ(scored.by_request.size(), 2u * 4);
}

// Users with many rows each: drawing whole users is wider than drawing rows would be, and the twin
// is the definition of AUC over all pairs.
TEST(ShownListsTest, AucDrawsWholeUsers) {
  std::mt19937_64 random(3);
  ShownLists lists;
  ShownListMethod good{"good", {}};
  ShownListMethod none{"none", {}};
  for (std::uint32_t user = 0; user < 30; ++user) {
    const float lean = static_cast<float>(random() % 3);
    for (int row = 0; row < 20; ++row) {
      lists.user.push_back(user * 1'000);
      const float label = random() % 4 < static_cast<std::uint64_t>(lean) + 1 ? 1 : 0;
      lists.label.push_back(label);
      lists.row_end.push_back(static_cast<std::uint32_t>(lists.label.size()));
      good.scores.push_back(lean + static_cast<float>(random() % 3));
      none.scores.push_back(0);
    }
  }
  ShownListOptions options;
  options.bootstrap.resamples = 300;
  const auto result = EvaluateShownLists(lists, std::vector{none, good}, options);
  ASSERT_TRUE(result.ok()) << result.status();
  double won = 0;
  double pairs = 0;
  for (std::size_t a = 0; a < lists.label.size(); ++a) {
    for (std::size_t b = 0; b < lists.label.size(); ++b) {
      if (lists.label[a] <= 0 || lists.label[b] > 0) continue;
      ++pairs;
      won += good.scores[a] > good.scores[b] ? 1 : good.scores[a] == good.scores[b] ? 0.5 : 0;
    }
  }
  const Interval auc = result->methods[1].auc;
  EXPECT_NEAR(auc.mean, won / pairs, 1e-12);
  EXPECT_LT(auc.low, auc.mean);
  EXPECT_GT(auc.high, auc.mean);
  EXPECT_EQ(result->methods[0].auc, (Interval{0.5, 0.5, 0.5}));
  EXPECT_NEAR(result->methods[1].auc_difference.low, auc.low - 0.5, 1e-12);
  for (std::uint32_t i = 0; i < lists.user.size(); ++i) lists.user[i] = i;
  const auto by_row = EvaluateShownLists(lists, std::vector{none, good}, options);
  const Interval narrow = by_row->methods[1].auc;
  EXPECT_GT(auc.high - auc.low, 1.2 * (narrow.high - narrow.low));
}

TEST(ShownListsTest, WhatDoesNotFitIsToldByName) {
  ShownLists lists;
  lists.row_end = {2};
  lists.user = {1};
  lists.label = {0, 1};
  const auto error = [](const ShownLists& input, std::vector<ShownListMethod> methods) {
    return std::string(EvaluateShownLists(input, methods).status().message());
  };
  EXPECT_THAT(error(lists, {}), HasSubstr("no method"));
  EXPECT_THAT(error(lists, {{"m", {1}}}), HasSubstr("method m: 1 scores for 2 rows"));
  EXPECT_THAT(error(lists, {{"m", {1, std::numeric_limits<float>::quiet_NaN()}}}),
              HasSubstr("method m: a score is NaN"));
  ShownLists nothing = lists;
  nothing.label = {0, 0};
  EXPECT_THAT(error(nothing, {{"m", {1, 2}}}), HasSubstr("no request has a relevant row"));
  nothing.row_end = {2, 2};
  EXPECT_THAT(error(nothing, {{"m", {1, 2}}}), HasSubstr("a request has no rows"));
}

}  // namespace
}  // namespace fourfold
