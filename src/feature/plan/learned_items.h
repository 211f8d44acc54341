#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fourfold {

// Of each item its nearest ones, as a retriever learned them. Immutable; thread-safe.
class ItemNeighbours {
 public:
  virtual ~ItemNeighbours() = default;
  // Each item at most once.
  virtual std::span<const std::uint32_t> NeighboursOf(std::uint32_t item) const = 0;
  virtual std::span<const float> ScoresOf(std::uint32_t item) const = 0;  // parallel to them
};

// Of each item a vector, as a retriever learned them. Immutable; thread-safe.
class ItemVectors {
 public:
  virtual ~ItemVectors() = default;
  // All of one size; empty for an item without one.
  virtual std::span<const float> VectorOf(std::uint32_t item) const = 0;
};

// What the retrievers of one servable learned, as far as features read it. It comes with the
// request and not with the plan, so that servables whose features are the same share their state,
// each request reads what its own servable learned, and a training row what was learned of the time
// before it. Immutable; thread-safe.
class LearnedItems {
 public:
  static constexpr std::uint32_t kUnknown = 0xffffffffu;

  virtual ~LearnedItems() = default;
  // The number of an item for the two below; kUnknown for one that was not there to be learned of.
  virtual std::uint32_t Find(std::string_view item) const = 0;
  // Null where no retriever of this name has them.
  virtual const ItemNeighbours* FindNeighbours(std::string_view retriever) const = 0;
  virtual const ItemVectors* FindVectors(std::string_view retriever) const = 0;
};

// What of them a feature reads.
struct LearnedRead {
  enum class What : std::uint8_t { kNeighbours, kVectors } what = What::kNeighbours;
  std::string retriever;
};
// For messages.
inline std::string_view NameOf(LearnedRead::What what) {
  return what == LearnedRead::What::kNeighbours ? "item-to-item map" : "embeddings";
}

}  // namespace fourfold
