#include "offline/evaluation/tie_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/digest.h"
#include "base/strings.h"

namespace fourfold {
namespace {

TEST(TieRuleTest, MorePopularItemGoesFirstAmongEqualScores) {
  const std::vector<std::string> items = {"a", "b", "c", "d"};
  const std::vector<float> popularity = {1, 7, 3, 5};
  const std::vector<std::uint32_t> order = TieOrder(popularity, items);
  EXPECT_EQ(order, (std::vector<std::uint32_t>{3, 0, 2, 1}));
  const std::vector<float> scores = {0.5f, 0.5f, 0.9f, 0.5f};
  EXPECT_EQ(RankByScore(scores, order, {}, 4), (std::vector<std::uint32_t>{2, 1, 3, 0}));
}

TEST(TieRuleTest, EquallyPopularItemsStandInAPermutationFixedByTheSeed) {
  std::vector<std::string> items;
  for (int i = 0; i < 100; ++i) items.push_back(StrCat("item", i));
  const std::vector<float> popularity(items.size(), 2);
  const std::vector<std::uint32_t> order = TieOrder(popularity, items, 11);
  EXPECT_EQ(order, TieOrder(popularity, items, 11));
  EXPECT_NE(order, TieOrder(popularity, items, 12));
  for (std::size_t a = 0; a < items.size(); ++a) {
    for (std::size_t b = 0; b < items.size(); ++b) {
      EXPECT_EQ(order[a] < order[b], StableHash(items[a], 11) < StableHash(items[b], 11));
    }
  }
}

TEST(TieRuleTest, OrderDoesNotDependOnHowItemsAreNumbered) {
  const std::vector<std::string> items = {"x", "y", "z"};
  const std::vector<std::string> renumbered = {"z", "x", "y"};
  const std::vector<float> popularity(3, 0);
  const auto order = TieOrder(popularity, items);
  const auto other = TieOrder(popularity, renumbered);
  EXPECT_EQ(order[0], other[1]);
  EXPECT_EQ(order[1], other[2]);
  EXPECT_EQ(order[2], other[0]);
}

TEST(TieRuleTest, ExcludedItemsAreLeftOutAndTheLimitHolds) {
  const std::vector<float> scores = {4, 3, 2, 1};
  const std::vector<std::uint32_t> order = {0, 1, 2, 3};
  const std::vector<std::uint32_t> excluded = {0, 2};
  EXPECT_EQ(RankByScore(scores, order, excluded, 1), (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(RankByScore(scores, order, excluded, 9), (std::vector<std::uint32_t>{1, 3}));
}

TEST(TieRuleTest, RanksAsPickingTheBestAgainAndAgain) {
  std::mt19937 random(3);
  for (int round = 0; round < 100; ++round) {
    std::vector<float> scores(40);
    for (float& score : scores) score = static_cast<float>(random() % 6);
    std::vector<std::uint32_t> order(40);
    for (std::uint32_t i = 0; i < 40; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    std::vector<std::uint32_t> picked;
    while (picked.size() < 15) {
      std::uint32_t best = 40;
      for (std::uint32_t item = 0; item < 40; ++item) {
        if (std::find(picked.begin(), picked.end(), item) != picked.end()) continue;
        if (best == 40 || scores[item] > scores[best] ||
            (scores[item] == scores[best] && order[item] < order[best])) {
          best = item;
        }
      }
      picked.push_back(best);
    }
    EXPECT_EQ(RankByScore(scores, order, {}, 15), picked);
  }
}

}  // namespace
}  // namespace fourfold
