#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_vector.h"
#include "math/random.h"
#include "offline/retrieval/embedding/item_graph.h"

namespace fourfold {

// Draws from a fixed distribution in constant time (Walker's alias method, as Vose builds it). 8
// bytes a choice.
class AliasTable {
 public:
  // Weights are finite and not below 0, at least one above 0; at most 2^32 of them.
  explicit AliasTable(std::span<const float> weights);
  std::uint32_t Draw(Random* random) const { return Settle(Toss(random)); }

  struct Slot {
    float keep = 1;           // the chance that a draw of this slot means its own choice
    std::uint32_t other = 0;  // else it means this one
  };
  // A draw in two steps, with time between them for the slot to come from memory.
  struct Tossed {
    std::uint32_t slot = 0;
    float unit = 0;
  };
  Tossed Toss(Random* random) const { return TossFrom(slots_, random); }
  std::uint32_t Settle(Tossed tossed) const { return SettleFrom(slots_, tossed); }

  static Tossed TossFrom(std::span<const Slot> slots, Random* random) {
    const std::uint32_t slot = random->Below(static_cast<std::uint32_t>(slots.size()));
    __builtin_prefetch(&slots[slot]);
    return {slot, random->Unit()};
  }
  static std::uint32_t SettleFrom(std::span<const Slot> slots, Tossed tossed) {
    const Slot& slot = slots[tossed.slot];
    return tossed.unit < slot.keep ? tossed.slot : slot.other;
  }
  // Builds into `slots`, which is as long as `weights`.
  static void Fill(std::span<const float> weights, std::span<Slot> slots);

 private:
  AlignedVector<Slot> slots_;
};

// Walks over a graph: the next item is drawn in proportion to the weights of the edges. At a dead
// end, an item without an edge that leads on, the walk ends.
class RandomWalker {
 public:
  // The graph outlives it.
  explicit RandomWalker(const ItemGraph& graph);
  // At most `length` items, `start` first.
  void Walk(std::uint32_t start, int length, Random* random,
            std::vector<std::uint32_t>* walk) const;
  // One walk from each start, each with random numbers of its own: what Walk gives one after the
  // other. They take their steps together, so that each has the others' time to wait for memory.
  void WalkTogether(std::span<const std::uint32_t> starts, int length, std::span<Random> randoms,
                    std::vector<std::vector<std::uint32_t>>* walks) const;
  std::size_t dead_ends() const { return dead_ends_; }  // of the items that some edge leads to

 private:
  struct Edges {
    std::size_t begin = 0, count = 0;
  };
  Edges EdgesOf(std::uint32_t item) const {
    return {graph_->begin[item], graph_->begin[item + 1] - graph_->begin[item]};
  }
  std::span<const AliasTable::Slot> SlotsOf(Edges edges) const {
    return std::span(slots_).subspan(edges.begin, edges.count);
  }

  const ItemGraph* graph_;
  AlignedVector<AliasTable::Slot> slots_;  // parallel to the graph's edges
  std::size_t dead_ends_ = 0;
};

// How much weight goes in and out of each item.
std::vector<float> ItemStrengths(const ItemGraph& graph);

}  // namespace fourfold
