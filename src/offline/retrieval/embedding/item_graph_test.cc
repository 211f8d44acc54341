#include "offline/retrieval/embedding/item_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>
#include <vector>

namespace fourfold {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

struct Act {
  std::uint32_t user;
  std::uint32_t item;
  std::int64_t time_ms;
  std::uint32_t tie_group = 0;
};

// `acts` stand by user and time.
TrainingActions ActionsOf(const std::vector<Act>& acts, std::size_t items) {
  TrainingActions actions;
  actions.items = items;
  actions.user_begin = {0};
  for (const Act& act : acts) {
    while (actions.user_begin.size() <= act.user) actions.user_begin.push_back(actions.rows());
    actions.user.push_back(act.user);
    actions.item.push_back(act.item);
    actions.event_time_ms.push_back(act.time_ms);
    actions.tie_group.push_back(act.tie_group);
  }
  actions.user_begin.push_back(actions.rows());
  return actions;
}

RetrieverSpec SpecOf() {
  RetrieverSpec spec;
  spec.kind = RetrieverSpec::Kind::kEges;
  spec.session_window_ms = 0;
  return spec;
}

using Edges = std::map<std::pair<std::uint32_t, std::uint32_t>, float>;

Edges EdgesAsMap(const ItemGraph& graph) {
  Edges edges;
  for (const WeightedEdge& edge : EdgesOf(graph)) edges[{edge.from, edge.to}] = edge.weight;
  return edges;
}

Edges Build(const std::vector<Act>& acts, const RetrieverSpec& spec) {
  return EdgesAsMap(BuildSessionGraph(ActionsOf(acts, 9), spec));
}

TEST(ItemGraphTest, CountsTransitionsOfAllUsersInTheirDirection) {
  const auto edges =
      Build({{0, 1, 1}, {0, 2, 2}, {0, 3, 3}, {1, 1, 1}, {1, 2, 2}, {1, 1, 3}}, SpecOf());
  EXPECT_THAT(edges, ElementsAre(Pair(Pair(1, 2), 2), Pair(Pair(2, 1), 1), Pair(Pair(2, 3), 1)));
}

TEST(ItemGraphTest, NoItemLeadsToItself) {
  EXPECT_THAT(Build({{0, 1, 1}, {0, 1, 2}}, SpecOf()), IsEmpty());
}

TEST(ItemGraphTest, ASessionEndsAfterItsWindow) {
  RetrieverSpec spec = SpecOf();
  spec.session_window_ms = 10;
  EXPECT_THAT(Build({{0, 1, 100}, {0, 2, 109}, {0, 3, 110}, {0, 4, 119}}, spec),
              ElementsAre(Pair(Pair(1, 2), 1), Pair(Pair(3, 4), 1)));
}

TEST(ItemGraphTest, ASessionEndsWithALongPause) {
  RetrieverSpec spec = SpecOf();
  spec.session_gap_ms = 10;
  EXPECT_THAT(Build({{0, 1, 100}, {0, 2, 110}, {0, 3, 120}, {0, 4, 131}}, spec),
              ElementsAre(Pair(Pair(1, 2), 1), Pair(Pair(2, 3), 1)));
}

TEST(ItemGraphTest, AnActionLeftAtOnceIsNoise) {
  RetrieverSpec spec = SpecOf();
  spec.least_dwell_ms = 5;
  EXPECT_THAT(Build({{0, 1, 100}, {0, 2, 110}, {0, 3, 114}, {0, 4, 130}}, spec),
              ElementsAre(Pair(Pair(1, 3), 1), Pair(Pair(3, 4), 1)));
}

TEST(ItemGraphTest, AUserWithTooManyActionsIsNoise) {
  RetrieverSpec spec = SpecOf();
  spec.user_actions_max = 2;
  EXPECT_THAT(Build({{0, 1, 1}, {0, 2, 2}, {0, 3, 3}, {1, 4, 1}, {1, 5, 2}}, spec),
              ElementsAre(Pair(Pair(4, 5), 1)));
}

TEST(ItemGraphTest, ABasketSharesItsWeightAndHasNoOrderWithin) {
  const std::vector<Act> acts = {{0, 1, 1}, {0, 2, 2, 7}, {0, 3, 2, 7}, {0, 4, 3}};
  EXPECT_THAT(Build(acts, SpecOf()), ElementsAre(Pair(Pair(1, 2), 0.5), Pair(Pair(1, 3), 0.5),
                                                 Pair(Pair(2, 4), 0.5), Pair(Pair(3, 4), 0.5)));
  RetrieverSpec spec = SpecOf();
  spec.within_tie_group = true;
  spec.session_gap_ms = 1;
  const auto within = Build({{0, 1, 1, 7}, {0, 2, 1, 7}, {0, 3, 1, 7}, {0, 4, 9}}, spec);
  EXPECT_EQ(within.size(), 6u);
  for (const auto& [ends, weight] : within) EXPECT_EQ(weight, 0.5);
}

TEST(ItemGraphTest, MergingManyEdgesIsAddingThemUp) {
  std::mt19937 random(5);
  std::vector<WeightedEdge> edges;
  Edges expected;
  for (int i = 0; i < 5000; ++i) {
    const WeightedEdge edge{static_cast<std::uint32_t>(random() % 20),
                            static_cast<std::uint32_t>(random() % 20), 1};
    edges.push_back(edge);
    if (edge.from != edge.to) expected[{edge.from, edge.to}] += 1;
  }
  EXPECT_EQ(EdgesAsMap(MakeItemGraph(edges, 20)), expected);
}

}  // namespace
}  // namespace fourfold
