#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "simulation/draws.h"

namespace fourfold::simulation {

// Draws i with a probability in proportion to weights[i], in constant time (Walker, 1977; Vose,
// 1991). Immutable.
class AliasTable {
 public:
  // At least one weight; each at least 0, their sum above 0.
  explicit AliasTable(std::span<const double> weights);

  std::uint32_t Draw(Draws* draws) const {
    const std::uint64_t bits = draws->Bits();
    const auto cell = static_cast<std::uint32_t>(((bits >> 32) * cells_.size()) >> 32);
    const Cell& chosen = cells_[cell];
    return static_cast<std::uint32_t>(bits) < chosen.keep ? cell : chosen.alias;
  }
  std::size_t size() const { return cells_.size(); }

 private:
  struct Cell {
    std::uint32_t keep = 0;  // of 2^32: how often the cell stands for itself
    std::uint32_t alias = 0;
  };
  std::vector<Cell> cells_;
};

}  // namespace fourfold::simulation
