#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "index/item_to_item_map.h"

namespace fourfold {

// Sums for the items that one row touches, over all items. Not thread-safe.
class SparseSums {
 public:
  explicit SparseSums(std::size_t items) : sums_(items, 0.0) {}

  // Values are never below 0; what underflowed to 0 adds nothing.
  void Add(std::uint32_t item, double value) {
    if (!(value > 0)) return;
    if (sums_[item] == 0) touched_.push_back(item);
    sums_[item] += value;
  }
  // Hands over the sums, in no particular order, each multiplied by scale(item); empty afterwards.
  template <typename Scale>
  std::vector<Neighbour> Take(const Scale& scale) {
    std::vector<Neighbour> row;
    row.reserve(touched_.size());
    for (const std::uint32_t item : touched_) {
      row.push_back({item, static_cast<float>(sums_[item] * scale(item))});
      sums_[item] = 0;
    }
    touched_.clear();
    return row;
  }

 private:
  std::vector<double> sums_;
  std::vector<std::uint32_t> touched_;
};

// The map's order.
bool StandsBefore(const Neighbour& a, const Neighbour& b);

// Keeps the best `limit` (0: all) with a finite score above 0, in the map's order.
void KeepBest(std::size_t limit, std::vector<Neighbour>* row);

// The map whose row of each item is what `row_of` makes of it, KeepBest applied. Rows are made on
// several threads (0: one per processor); each alone by one of them, so that the sums of a row are
// added in one order whatever their number. `sums` comes and must be left empty.
using RowFunction = std::function<std::vector<Neighbour>(std::uint32_t item, SparseSums* sums)>;
ItemToItemMap BuildItemToItemMap(std::size_t items, int neighbours, int threads,
                                 const RowFunction& row_of);

}  // namespace fourfold
