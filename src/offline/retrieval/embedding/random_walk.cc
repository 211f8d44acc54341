#include "offline/retrieval/embedding/random_walk.h"

#include "base/check.h"

namespace fourfold {

AliasTable::AliasTable(std::span<const float> weights) : slots_(weights.size()) {
  Fill(weights, slots_);
}

void AliasTable::Fill(std::span<const float> weights, std::span<Slot> slots) {
  double sum = 0;
  for (const float weight : weights) sum += static_cast<double>(weight);
  FOURFOLD_CHECK(sum > 0);
  const double scale = static_cast<double>(weights.size()) / sum;
  thread_local std::vector<double> share;
  thread_local std::vector<std::uint32_t> small, large;
  share.clear();
  small.clear();
  large.clear();
  for (std::uint32_t i = 0; i < weights.size(); ++i) {
    share.push_back(static_cast<double>(weights[i]) * scale);
    (share[i] < 1 ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const std::uint32_t poor = small.back(), rich = large.back();
    small.pop_back();
    slots[poor] = {static_cast<float>(share[poor]), rich};
    share[rich] -= 1 - share[poor];
    if (share[rich] < 1) {
      large.pop_back();
      small.push_back(rich);
    }
  }
  for (const auto* rest : {&small, &large}) {
    for (const std::uint32_t i : *rest) slots[i] = {1, i};
  }
}

RandomWalker::RandomWalker(const ItemGraph& graph) : graph_(&graph), slots_(graph.edges()) {
  std::vector<bool> is_reached(graph.items());
  for (const std::uint32_t target : graph.to) is_reached[target] = true;
  for (std::uint32_t item = 0; item < graph.items(); ++item) {
    const std::size_t begin = graph.begin[item], edges = graph.begin[item + 1] - begin;
    if (edges > 0) {
      AliasTable::Fill(std::span(graph.weight).subspan(begin, edges),
                       std::span(slots_).subspan(begin, edges));
    } else if (is_reached[item]) {
      ++dead_ends_;
    }
  }
}

void RandomWalker::Walk(std::uint32_t start, int length, Random* random,
                        std::vector<std::uint32_t>* walk) const {
  walk->clear();
  walk->push_back(start);
  for (std::uint32_t item = start; static_cast<int>(walk->size()) < length;) {
    const Edges edges = EdgesOf(item);
    if (edges.count == 0) return;
    const auto slots = SlotsOf(edges);
    const auto edge = AliasTable::SettleFrom(slots, AliasTable::TossFrom(slots, random));
    item = graph_->to[edges.begin + edge];
    walk->push_back(item);
  }
}

void RandomWalker::WalkTogether(std::span<const std::uint32_t> starts, int length,
                                std::span<Random> randoms,
                                std::vector<std::vector<std::uint32_t>>* walks) const {
  struct Walker {
    std::size_t walk = 0;
    Edges edges;
    AliasTable::Tossed tossed;
  };
  thread_local std::vector<Walker> walkers;
  walks->resize(starts.size());
  walkers.clear();
  for (std::size_t walk = 0; walk < starts.size(); ++walk) {
    (*walks)[walk].assign(1, starts[walk]);
    __builtin_prefetch(&graph_->begin[starts[walk]]);
    walkers.push_back({walk, {}, {}});
  }
  for (int step = 1; step < length; ++step) {
    std::size_t going_on = 0;
    for (Walker walker : walkers) {
      walker.edges = EdgesOf((*walks)[walker.walk].back());
      if (walker.edges.count == 0) continue;
      walker.tossed = AliasTable::TossFrom(SlotsOf(walker.edges), &randoms[walker.walk]);
      __builtin_prefetch(&graph_->to[walker.edges.begin + walker.tossed.slot]);
      walkers[going_on++] = walker;
    }
    walkers.resize(going_on);
    for (const Walker& walker : walkers) {
      const auto edge = AliasTable::SettleFrom(SlotsOf(walker.edges), walker.tossed);
      const std::uint32_t item = graph_->to[walker.edges.begin + edge];
      __builtin_prefetch(&graph_->begin[item]);
      (*walks)[walker.walk].push_back(item);
    }
  }
}

std::vector<float> ItemStrengths(const ItemGraph& graph) {
  std::vector<float> strengths(graph.items());
  for (std::uint32_t item = 0; item < graph.items(); ++item) {
    for (std::size_t edge = graph.begin[item]; edge < graph.begin[item + 1]; ++edge) {
      strengths[item] += graph.weight[edge];
      strengths[graph.to[edge]] += graph.weight[edge];
    }
  }
  return strengths;
}

}  // namespace fourfold
