#include "index/hnsw_links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numbers>
#include <set>
#include <vector>

#include "math/random.h"

namespace fourfold {
namespace {

constexpr std::size_t kDimension = 8;

std::vector<const float*> RowsOf(const std::vector<float>& vectors) {
  std::vector<const float*> rows;
  for (std::size_t i = 0; i < vectors.size(); i += kDimension) rows.push_back(&vectors[i]);
  return rows;
}

// Points of a circle, a node's neighbours being those before and after it.
std::vector<float> Ring(std::size_t count) {
  std::vector<float> vectors(count * kDimension);
  for (std::size_t i = 0; i < count; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(count);
    vectors[i * kDimension] = static_cast<float>(std::cos(angle));
    vectors[i * kDimension + 1] = static_cast<float>(std::sin(angle));
  }
  return vectors;
}

std::vector<float> RandomVectors(std::size_t count) {
  Random random(3);
  std::vector<float> vectors(count * kDimension);
  for (std::size_t i = 0; i < count; ++i) {
    float* const vector = vectors.data() + i * kDimension;
    float square = 0;
    for (std::size_t d = 0; d < kDimension; ++d) {
      vector[d] = random.Unit() - 0.5F;
      square += vector[d] * vector[d];
    }
    for (std::size_t d = 0; d < kDimension; ++d) vector[d] /= std::sqrt(square);
  }
  return vectors;
}

std::vector<std::uint32_t> LowestLinksOf(const HnswLinks& made, std::size_t links,
                                         std::uint32_t node) {
  const auto begin = made.lowest.begin() + static_cast<std::ptrdiff_t>(node * 2 * links);
  return {begin, std::find(begin, begin + static_cast<std::ptrdiff_t>(2 * links), kNoLink)};
}

// Every node stands on a level at least, has no link twice and none to itself or past the nodes.
void ExpectSound(const HnswLinks& made, std::size_t nodes, std::size_t links) {
  ASSERT_EQ(made.levels.size(), nodes);
  ASSERT_EQ(made.lowest.size(), nodes * 2 * links);
  EXPECT_EQ(made.levels[made.entry], *std::max_element(made.levels.begin(), made.levels.end()));
  std::size_t row = 0;
  for (std::uint32_t node = 0; node < nodes; ++node) {
    ASSERT_GE(made.levels[node], 1);
    const auto lowest = LowestLinksOf(made, links, node);
    const std::set<std::uint32_t> once(lowest.begin(), lowest.end());
    EXPECT_EQ(once.size(), lowest.size()) << node;
    EXPECT_FALSE(once.contains(node));
    EXPECT_LT(once.empty() ? 0 : *once.rbegin(), nodes);
    for (std::size_t level = 1; level < made.levels[node]; ++level, ++row) {
      for (std::size_t i = 0; i < links && made.upper[row * links + i] != kNoLink; ++i) {
        const std::uint32_t link = made.upper[row * links + i];
        ASSERT_LT(link, nodes);
        EXPECT_NE(link, node);
        EXPECT_GT(made.levels[link], level);
      }
    }
  }
  EXPECT_EQ(made.upper.size(), row * links);
}

TEST(HnswLinksTest, OnACircleEachNodeIsLinkedToTheNextOnEitherSide) {
  constexpr std::uint32_t kNodes = 400;
  constexpr std::size_t kLinks = 2;
  const std::vector<float> vectors = Ring(kNodes);
  const HnswLinks made = BuildHnswLinks(RowsOf(vectors), kDimension,
                                        {.links = kLinks, .build_width = 60, .threads = 1});
  ExpectSound(made, kNodes, kLinks);
  for (std::uint32_t node = 0; node < kNodes; ++node) {
    const auto links = LowestLinksOf(made, kLinks, node);
    EXPECT_THAT(links, testing::IsSupersetOf({(node + 1) % kNodes, (node + kNodes - 1) % kNodes}))
        << node;
  }
}

// Of three in a row, the far end stands in the shadow of the middle one. By one thread they are
// always linked in the same order, an end last.
TEST(HnswLinksTest, WhatStandsInAShadowIsNotLinked) {
  std::vector<float> row(3 * kDimension);
  for (std::size_t i = 0; i < 3; ++i) {
    row[i * kDimension] = std::cos(0.1F * static_cast<float>(i));
    row[i * kDimension + 1] = std::sin(0.1F * static_cast<float>(i));
  }
  const HnswLinks made =
      BuildHnswLinks(RowsOf(row), kDimension, {.links = 2, .build_width = 10, .threads = 1});
  EXPECT_THAT(LowestLinksOf(made, 2, 0), testing::ElementsAre(1));
  EXPECT_THAT(LowestLinksOf(made, 2, 1), testing::UnorderedElementsAre(0, 2));
  EXPECT_THAT(LowestLinksOf(made, 2, 2), testing::ElementsAre(1));
}

TEST(HnswLinksTest, WhatStandsInNoShadowIsLinked) {
  std::vector<float> star(4 * kDimension);
  for (std::size_t i = 0; i < 4; ++i) star[i * kDimension + i] = 1;
  const HnswLinks made =
      BuildHnswLinks(RowsOf(star), kDimension, {.links = 2, .build_width = 10, .threads = 1});
  for (std::uint32_t node = 0; node < 4; ++node) {
    EXPECT_EQ(LowestLinksOf(made, 2, node).size(), 3u) << node;
  }
}

// How many nodes one comes by from the entry on the lowest level.
std::size_t ReachedFromEntry(const HnswLinks& made, std::size_t links) {
  std::vector<bool> is_reached(made.levels.size());
  std::vector<std::uint32_t> open = {made.entry};
  is_reached[made.entry] = true;
  for (std::size_t i = 0; i < open.size(); ++i) {
    for (const std::uint32_t link : LowestLinksOf(made, links, open[i])) {
      if (!is_reached[link]) open.push_back(link);
      is_reached[link] = true;
    }
  }
  return open.size();
}

TEST(HnswLinksTest, OneThreadGivesTheSameLinksEachTime) {
  const std::vector<float> vectors = RandomVectors(3'000);
  const HnswLinkOptions options = {.links = 4, .build_width = 20, .threads = 1};
  const HnswLinks once = BuildHnswLinks(RowsOf(vectors), kDimension, options);
  const HnswLinks again = BuildHnswLinks(RowsOf(vectors), kDimension, options);
  ExpectSound(once, 3'000, 4);
  EXPECT_EQ(once.levels, again.levels);
  EXPECT_EQ(once.lowest, again.lowest);
  EXPECT_EQ(once.upper, again.upper);
  EXPECT_EQ(once.entry, again.entry);
}

TEST(HnswLinksTest, NearlyEveryNodeIsReachedHoweverManyThreads) {
  constexpr std::uint32_t kNodes = 3'000;
  const std::vector<float> vectors = RandomVectors(kNodes);
  for (const int threads : {1, 4}) {
    const HnswLinks made = BuildHnswLinks(RowsOf(vectors), kDimension,
                                          {.links = 6, .build_width = 30, .threads = threads});
    ExpectSound(made, kNodes, 6);
    EXPECT_GE(ReachedFromEntry(made, 6), kNodes - 3) << threads;
  }
}

TEST(HnswLinksTest, HasNoNodesWhenCalledOff) {
  const std::vector<float> vectors = RandomVectors(2'000);
  std::atomic<int> asked = 0;
  const HnswLinks made = BuildHnswLinks(
      RowsOf(vectors), kDimension, {.threads = 2, .is_cancelled = [&] { return ++asked >= 3; }});
  EXPECT_TRUE(made.levels.empty());
  EXPECT_GE(asked, 3);
  EXPECT_LE(asked, 4);
}

TEST(HnswLinksTest, OfNothingAndOfOneNode) {
  EXPECT_TRUE(BuildHnswLinks({}, kDimension, {}).levels.empty());
  const std::vector<float> one = RandomVectors(1);
  ExpectSound(BuildHnswLinks(RowsOf(one), kDimension, {}), 1, 16);
}

}  // namespace
}  // namespace fourfold
