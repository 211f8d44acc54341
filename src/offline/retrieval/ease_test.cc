#include "offline/retrieval/ease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace fourfold {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Each user's distinct items; an item stands twice in a history where it is listed twice.
TrainingActions ActionsOf(const std::vector<std::vector<std::uint32_t>>& users, std::size_t items) {
  TrainingActions actions;
  actions.items = items;
  actions.user_begin = {0};
  for (std::uint32_t user = 0; user < users.size(); ++user) {
    for (const std::uint32_t item : users[user]) {
      actions.user.push_back(user);
      actions.item.push_back(item);
      actions.event_time_ms.push_back(static_cast<std::int64_t>(actions.item.size()));
      actions.tie_group.push_back(static_cast<std::uint32_t>(actions.item.size()));
    }
    actions.user_begin.push_back(actions.item.size());
  }
  return actions;
}

RetrieverSpec SpecOf(double regularization, int neighbours = 0) {
  RetrieverSpec spec;
  spec.name = "ease";
  spec.kind = RetrieverSpec::Kind::kEase;
  spec.regularization = regularization;
  spec.neighbours = neighbours;
  return spec;
}

ItemToItemMap Train(const TrainingActions& actions, const RetrieverSpec& spec, int threads = 2) {
  auto map = TrainEase(actions, spec, threads);
  EXPECT_TRUE(map.ok()) << map.status();
  return *std::move(map);
}

// B as a full matrix, by the map's rows.
std::vector<std::vector<double>> Dense(const ItemToItemMap& map) {
  std::vector<std::vector<double>> dense(map.items(), std::vector<double>(map.items(), 0.0));
  for (std::uint32_t item = 0; item < map.items(); ++item) {
    for (std::size_t n = 0; n < map.NeighboursOf(item).size(); ++n) {
      dense[item][map.NeighboursOf(item)[n]] = static_cast<double>(map.ScoresOf(item)[n]);
    }
  }
  return dense;
}

TEST(EaseTest, IsTheClosedFormByHand) {
  // X'X + I = [[3, 1], [1, 2]], its inverse 1/5 [[2, -1], [-1, 3]].
  const ItemToItemMap map = Train(ActionsOf({{0, 1}, {0}}, 2), SpecOf(1));
  ASSERT_THAT(map.NeighboursOf(0), ElementsAre(1));
  EXPECT_FLOAT_EQ(map.ScoresOf(0)[0], 1.0F / 3);
  ASSERT_THAT(map.NeighboursOf(1), ElementsAre(0));
  EXPECT_FLOAT_EQ(map.ScoresOf(1)[0], 1.0F / 2);
}

TEST(EaseTest, CountsAnItemOncePerUser) {
  const ItemToItemMap once = Train(ActionsOf({{0, 1}, {0}}, 2), SpecOf(1));
  const ItemToItemMap twice = Train(ActionsOf({{0, 1, 0, 0}, {0, 0}}, 2), SpecOf(1));
  EXPECT_EQ(Dense(once), Dense(twice));
}

TEST(EaseTest, AnItemNobodyActedOnHasNoNeighbours) {
  const ItemToItemMap map = Train(ActionsOf({{0, 2}, {0}}, 3), SpecOf(1));
  EXPECT_THAT(map.NeighboursOf(1), IsEmpty());
  EXPECT_THAT(map.NeighboursOf(0), ElementsAre(2));
}

TEST(EaseTest, KeepsTheLargestWithoutTheirSign) {
  std::mt19937 random(3);
  std::vector<std::vector<std::uint32_t>> users;
  for (int user = 0; user < 60; ++user) {
    std::set<std::uint32_t> items;
    for (int i = 0; i < 6; ++i) items.insert(static_cast<std::uint32_t>(random() % 12));
    users.emplace_back(items.begin(), items.end());
  }
  const TrainingActions actions = ActionsOf(users, 12);
  const ItemToItemMap all = Train(actions, SpecOf(2));
  const ItemToItemMap some = Train(actions, SpecOf(2, 4));
  for (std::uint32_t item = 0; item < 12; ++item) {
    ASSERT_EQ(some.NeighboursOf(item).size(), 4u);
    double smallest_kept = 1e9, negatives = 0;
    for (const float score : some.ScoresOf(item)) {
      smallest_kept = std::min(smallest_kept, std::abs(static_cast<double>(score)));
      negatives += score < 0;
    }
    std::size_t larger = 0;
    for (const float score : all.ScoresOf(item)) {
      larger += std::abs(static_cast<double>(score)) >= smallest_kept;
    }
    EXPECT_EQ(larger, 4u) << item << ", of them below 0: " << negatives;
  }
}

TEST(EaseTest, OfTooManyItemsThoseOfTheMostUsersTakePart) {
  // Item 3 has three users, 1 has two, the others have one: 0 stands first among those.
  const TrainingActions actions = ActionsOf({{3, 1, 0}, {3, 1, 2}, {3}}, 4);
  const auto map = TrainEase(actions, SpecOf(1), 1, /*items_max=*/3);
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->NeighboursOf(2), IsEmpty());
  for (const std::uint32_t item : {0u, 1u, 3u}) {
    EXPECT_EQ(map->NeighboursOf(item).size(), 2u) << item;
    EXPECT_THAT(map->NeighboursOf(item), testing::Not(testing::Contains(2u))) << item;
  }
}

TEST(EaseTest, EndsWhenCalledOff) {
  const auto map = TrainEase(ActionsOf({{0, 1}, {0}}, 2), SpecOf(1), 1, TrainingLimits().ease_items,
                             [] { return true; });
  EXPECT_EQ(map.status().code(), absl::StatusCode::kCancelled);
}

// The minimum of |X - XB|^2 + regularization |B|^2 with a diagonal of zeros: everywhere off the
// diagonal the gradient (X'X + regularization I) B - X'X is 0.
TEST(EaseTest, TheGradientIsZeroOffTheDiagonalOnRandomActions) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    std::mt19937 random(seed);
    const std::size_t items = 5 + random() % 40;
    std::vector<std::vector<std::uint32_t>> users(80);
    std::vector<std::vector<double>> gram(items, std::vector<double>(items, 0.0));
    for (auto& user : users) {
      std::set<std::uint32_t> chosen;
      for (int i = 0; i < 5; ++i) chosen.insert(static_cast<std::uint32_t>(random() % items));
      user.assign(chosen.begin(), chosen.end());
      for (const std::uint32_t i : user) {
        for (const std::uint32_t j : user) gram[i][j] += 1;
      }
    }
    const double regularization = 7;
    const auto weights = Dense(Train(ActionsOf(users, items), SpecOf(regularization)));
    for (std::size_t i = 0; i < items; ++i) {
      EXPECT_EQ(weights[i][i], 0);
      for (std::size_t j = 0; j < items; ++j) {
        if (i == j || gram[i][i] == 0 || gram[j][j] == 0) continue;
        double gradient = regularization * weights[i][j] - gram[i][j];
        for (std::size_t k = 0; k < items; ++k) gradient += gram[i][k] * weights[k][j];
        EXPECT_NEAR(gradient, 0, 1e-4) << seed << ": " << i << " " << j;
      }
    }
  }
}

}  // namespace
}  // namespace fourfold
