#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "math/random.h"
#include "offline/retrieval/embedding/item_graph.h"

namespace fourfold {

// Draws from a fixed distribution in constant time (Walker's alias method, as Vose builds it). 8
// bytes a choice.
class AliasTable {
 public:
  // Weights are finite and not below 0, at least one above 0; at most 2^32 of them.
  explicit AliasTable(std::span<const float> weights);
  std::uint32_t Draw(Random* random) const { return DrawFrom(slots_, random); }

  struct Slot {
    float keep = 1;           // the chance that a draw of this slot means its own choice
    std::uint32_t other = 0;  // else it means this one
  };
  static std::uint32_t DrawFrom(std::span<const Slot> slots, Random* random) {
    const std::uint32_t slot = random->Below(static_cast<std::uint32_t>(slots.size()));
    return random->Unit() < slots[slot].keep ? slot : slots[slot].other;
  }
  // Builds into `slots`, which is as long as `weights`.
  static void Fill(std::span<const float> weights, std::span<Slot> slots);

 private:
  std::vector<Slot> slots_;
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
  std::size_t dead_ends() const { return dead_ends_; }  // of the items that some edge leads to

 private:
  const ItemGraph* graph_;
  std::vector<AliasTable::Slot> slots_;  // parallel to the graph's edges
  std::size_t dead_ends_ = 0;
};

// How much weight goes in and out of each item.
std::vector<float> ItemStrengths(const ItemGraph& graph);

}  // namespace fourfold
