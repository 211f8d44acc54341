#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "offline/retrieval/training_actions.h"
#include "servable/servable.h"

namespace fourfold {

// Items, and how often users went from one straight to another: a weighted directed graph as
// compressed rows. The edges of item i are [begin[i], begin[i + 1]), by rising target; none leads
// to the item itself.
struct ItemGraph {
  std::vector<std::size_t> begin = {0};  // [items + 1]
  std::vector<std::uint32_t> to;
  std::vector<float> weight;  // above 0

  std::size_t items() const { return begin.size() - 1; }
  std::size_t edges() const { return to.size(); }
  std::span<const std::uint32_t> TargetsOf(std::uint32_t item) const {
    return {to.data() + begin[item], begin[item + 1] - begin[item]};
  }
};

struct WeightedEdge {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  float weight = 0;
};

// Edges of the same two items are added up; those of an item to itself are left out.
ItemGraph MakeItemGraph(std::vector<WeightedEdge> edges, std::size_t items);
std::vector<WeightedEdge> EdgesOf(const ItemGraph& graph);

// The session graph of EGES (Wang et al., "Billion-scale Commodity Embedding for E-commerce
// Recommendation in Alibaba", KDD 2018), as the spec says:
// - Users with more than user_actions_max actions count as noise and are left out.
// - A session ends session_window after its first action, or with a pause of more than session_gap;
//   without either it is all that the user did.
// - An action that the session's next one follows in less than least_dwell is left out.
// - A step is an action, or the actions of one tie group, which have no order among them. Each step
//   gives the next one a weight of 1, shared equally among the pairs of their items. With
//   within_tie_group, each member of a step gives the others a weight of 1, shared alike.
ItemGraph BuildSessionGraph(const TrainingActions& actions, const RetrieverSpec& spec);

}  // namespace fourfold
