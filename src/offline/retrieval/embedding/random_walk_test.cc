#include "offline/retrieval/embedding/random_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace fourfold {
namespace {

using testing::ElementsAre;

TEST(AliasTableTest, DrawsInProportionToTheWeights) {
  const std::vector<float> weights = {5, 0, 1, 0.5F, 3.5F};
  const AliasTable table(weights);
  Random random(11);
  std::vector<int> drawn(weights.size());
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) ++drawn[table.Draw(&random)];
  EXPECT_EQ(drawn[1], 0);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double share = static_cast<double>(weights[i]) / 10;
    const double deviation = std::sqrt(kDraws * share * (1 - share));
    EXPECT_NEAR(drawn[i], kDraws * share, 4 * deviation + 1e-9) << i;
  }
}

TEST(RandomWalkTest, FollowsTheWeightsAndEndsAtADeadEnd) {
  // 0 leads to 1 with 3/4 and to 2 with 1/4; 1 leads back; 2 is a dead end; 3 stands alone.
  const ItemGraph graph = MakeItemGraph({{0, 1, 3}, {0, 2, 1}, {1, 0, 1}}, 4);
  const RandomWalker walker(graph);
  EXPECT_EQ(walker.dead_ends(), 1u);
  Random random(3);
  std::vector<std::uint32_t> walk;
  int to_one = 0;
  constexpr int kWalks = 20'000;
  for (int i = 0; i < kWalks; ++i) {
    walker.Walk(0, 3, &random, &walk);
    if (walk[1] == 1) {
      ++to_one;
      EXPECT_THAT(walk, ElementsAre(0, 1, 0));
    } else {
      EXPECT_THAT(walk, ElementsAre(0, 2));
    }
  }
  EXPECT_NEAR(to_one, kWalks * 0.75, 4 * std::sqrt(kWalks * 0.75 * 0.25));
  walker.Walk(3, 5, &random, &walk);
  EXPECT_THAT(walk, ElementsAre(3));
}

TEST(RandomWalkTest, WalksTogetherAreThoseOneAfterTheOther) {
  constexpr std::uint32_t kItems = 40;
  Random random(5);
  std::vector<WeightedEdge> edges;  // one item in four is a dead end
  for (std::uint32_t edge = 0; edge < 120; ++edge) {
    const std::uint32_t from = random.Below(kItems);
    if (from % 4 != 0) edges.push_back({from, random.Below(kItems), 0.1F + random.Unit()});
  }
  const ItemGraph graph = MakeItemGraph(std::move(edges), kItems);
  const RandomWalker walker(graph);
  std::vector<std::vector<std::uint32_t>> together;
  std::size_t ended_early = 0;
  for (const std::size_t count : {16u, 3u, 0u, 40u}) {
    std::vector<std::uint32_t> starts;
    std::vector<Random> randoms;
    for (std::uint32_t i = 0; i < count; ++i) {
      starts.push_back(random.Below(kItems));
      randoms.emplace_back(9, i, count);
    }
    std::vector<Random> alone = randoms;
    walker.WalkTogether(starts, 6, randoms, &together);
    ASSERT_EQ(together.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<std::uint32_t> walk;
      walker.Walk(starts[i], 6, &alone[i], &walk);
      EXPECT_EQ(together[i], walk);
      EXPECT_EQ(randoms[i].Next(), alone[i].Next()) << "more or fewer numbers drawn";
      ended_early += walk.size() < 6;
    }
  }
  EXPECT_GT(ended_early, 0u);
}

TEST(RandomWalkTest, StrengthIsWhatGoesInAndOut) {
  EXPECT_THAT(ItemStrengths(MakeItemGraph({{0, 1, 3}, {0, 2, 1}, {1, 0, 1}}, 3)),
              ElementsAre(5, 4, 1));
}

}  // namespace
}  // namespace fourfold
