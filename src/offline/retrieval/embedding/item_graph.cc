#include "offline/retrieval/embedding/item_graph.h"

#include <algorithm>
#include <utility>

namespace fourfold {
namespace {

// Edges are merged whenever so many have come in since the last time, or as many as were left.
constexpr std::size_t kEdgesBetweenMerges = 4 << 20;

std::uint64_t KeyOf(const WeightedEdge& edge) { return std::uint64_t{edge.from} << 32 | edge.to; }

// Sums what has the same ends, in the order in which it came.
void Merge(std::vector<WeightedEdge>* edges) {
  std::stable_sort(edges->begin(), edges->end(), [](const WeightedEdge& a, const WeightedEdge& b) {
    return KeyOf(a) < KeyOf(b);
  });
  std::size_t kept = 0;
  for (const WeightedEdge& edge : *edges) {
    if (kept > 0 && KeyOf((*edges)[kept - 1]) == KeyOf(edge)) {
      (*edges)[kept - 1].weight += edge.weight;
    } else {
      (*edges)[kept++] = edge;
    }
  }
  edges->resize(kept);
}

// Takes the edges of sessions and keeps them merged.
class EdgeCollector {
 public:
  void Add(std::uint32_t from, std::uint32_t to, float weight) {
    if (from == to) return;
    edges_.push_back({from, to, weight});
    if (edges_.size() < merge_at_) return;
    Merge(&edges_);
    merge_at_ = std::max(2 * edges_.size(), edges_.size() + kEdgesBetweenMerges);
  }
  std::vector<WeightedEdge> Take() { return std::move(edges_); }

 private:
  std::vector<WeightedEdge> edges_;
  std::size_t merge_at_ = kEdgesBetweenMerges;
};

using Step = std::span<const std::uint32_t>;  // rows of the actions

void AddBetween(const TrainingActions& actions, Step before, Step after, EdgeCollector* edges) {
  const float weight = 1.0F / static_cast<float>(before.size() * after.size());
  for (const std::uint32_t from : before) {
    for (const std::uint32_t to : after) edges->Add(actions.item[from], actions.item[to], weight);
  }
}

void AddWithin(const TrainingActions& actions, Step step, EdgeCollector* edges) {
  const float weight = 1.0F / static_cast<float>(std::max<std::size_t>(step.size(), 2) - 1);
  for (const std::uint32_t from : step) {
    for (const std::uint32_t to : step) {
      if (from != to) edges->Add(actions.item[from], actions.item[to], weight);
    }
  }
}

bool InOneStep(const TrainingActions& actions, std::uint32_t row, std::uint32_t next) {
  return actions.tie_group[row] != 0 && actions.tie_group[row] == actions.tie_group[next];
}

// The end of the session that begins at `begin`.
std::size_t EndOfSession(const TrainingActions& actions, const RetrieverSpec& spec,
                         std::size_t begin, std::size_t end) {
  const std::vector<std::int64_t>& time = actions.event_time_ms;
  std::size_t row = begin + 1;
  while (row < end &&
         (spec.session_window_ms == 0 || time[row] - time[begin] < spec.session_window_ms) &&
         (spec.session_gap_ms == 0 || time[row] - time[row - 1] <= spec.session_gap_ms)) {
    ++row;
  }
  return row;
}

void AddSession(const TrainingActions& actions, const RetrieverSpec& spec, std::size_t begin,
                std::size_t end, std::vector<std::uint32_t>* rows, EdgeCollector* edges) {
  rows->clear();
  for (std::size_t row = begin; row < end; ++row) {
    const auto number = static_cast<std::uint32_t>(row);
    const bool left_at_once =
        row + 1 < end && !InOneStep(actions, number, number + 1) &&
        actions.event_time_ms[row + 1] - actions.event_time_ms[row] < spec.least_dwell_ms;
    if (!left_at_once) rows->push_back(number);
  }
  Step before;
  for (std::size_t first = 0; first < rows->size();) {
    std::size_t last = first + 1;
    while (last < rows->size() && InOneStep(actions, (*rows)[first], (*rows)[last])) ++last;
    const Step step(rows->data() + first, last - first);
    if (!before.empty()) AddBetween(actions, before, step, edges);
    if (spec.within_tie_group) AddWithin(actions, step, edges);
    before = step;
    first = last;
  }
}

}  // namespace

ItemGraph MakeItemGraph(std::vector<WeightedEdge> edges, std::size_t items) {
  std::erase_if(edges, [](const WeightedEdge& edge) { return edge.from == edge.to; });
  Merge(&edges);
  ItemGraph graph;
  graph.begin.assign(items + 1, 0);
  graph.to.reserve(edges.size());
  graph.weight.reserve(edges.size());
  for (const WeightedEdge& edge : edges) {
    ++graph.begin[edge.from + 1];
    graph.to.push_back(edge.to);
    graph.weight.push_back(edge.weight);
  }
  for (std::size_t item = 0; item < items; ++item) graph.begin[item + 1] += graph.begin[item];
  return graph;
}

std::vector<WeightedEdge> EdgesOf(const ItemGraph& graph) {
  std::vector<WeightedEdge> edges;
  edges.reserve(graph.edges());
  for (std::uint32_t item = 0; item < graph.items(); ++item) {
    for (std::size_t edge = graph.begin[item]; edge < graph.begin[item + 1]; ++edge) {
      edges.push_back({item, graph.to[edge], graph.weight[edge]});
    }
  }
  return edges;
}

ItemGraph BuildSessionGraph(const TrainingActions& actions, const RetrieverSpec& spec) {
  EdgeCollector edges;
  std::vector<std::uint32_t> rows;
  for (std::size_t user = 0; user < actions.users(); ++user) {
    const std::size_t begin = actions.user_begin[user], end = actions.user_begin[user + 1];
    if (spec.user_actions_max > 0 &&
        end - begin > static_cast<std::size_t>(spec.user_actions_max)) {
      continue;
    }
    for (std::size_t first = begin; first < end;) {
      const std::size_t last = EndOfSession(actions, spec, first, end);
      AddSession(actions, spec, first, last, &rows, &edges);
      first = last;
    }
  }
  return MakeItemGraph(edges.Take(), actions.items);
}

}  // namespace fourfold
