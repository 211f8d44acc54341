#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fourfold {

struct Neighbour {
  std::uint32_t item = 0;  // index into the servable's vocabulary
  float score = 0;
};

// For each item its nearest items, best first; ties by smaller index. Compressed rows: offsets
// [items + 1], neighbours [n], scores [n]. Immutable; thread-safe.
//
// On disk a safetensors file with tensors "offsets" I64 [items+1], "neighbours" U32 [n],
// "scores" F32 [n], opened by mapping it into memory.
class ItemToItemMap {
 public:
  // Rows must be sorted as said above, name each item at most once and only items below
  // rows.size(), with finite scores.
  static ItemToItemMap FromRows(const std::vector<std::vector<Neighbour>>& rows);
  // Checks every offset, index, score and the order: a map that opens never reads out of bounds.
  // DataLoss, naming the file and the item, for anything else.
  static absl::StatusOr<ItemToItemMap> Open(const std::string& path);
  absl::Status Save(const std::string& path) const;

  std::uint32_t items() const;
  std::span<const std::uint32_t> NeighboursOf(std::uint32_t item) const;
  std::span<const float> ScoresOf(std::uint32_t item) const;  // parallel to NeighboursOf

  ItemToItemMap(ItemToItemMap&&) noexcept;
  ItemToItemMap& operator=(ItemToItemMap&&) noexcept;
  ~ItemToItemMap();

 private:
  struct Storage;
  explicit ItemToItemMap(std::unique_ptr<Storage> storage);
  std::unique_ptr<Storage> storage_;
};

}  // namespace fourfold
