#include "simulation/alias_table.h"

#include <numeric>

#include "base/check.h"

namespace fourfold::simulation {

AliasTable::AliasTable(std::span<const double> weights) : cells_(weights.size()) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  FOURFOLD_CHECK(!weights.empty() && sum > 0);
  std::vector<double> share(weights.size());  // of an even cell
  std::vector<std::uint32_t> poor;
  std::vector<std::uint32_t> rich;
  for (std::uint32_t i = 0; i < weights.size(); ++i) {
    share[i] = weights[i] / sum * static_cast<double>(weights.size());
    (share[i] < 1 ? poor : rich).push_back(i);
  }
  while (!poor.empty() && !rich.empty()) {
    const std::uint32_t cell = poor.back();
    const std::uint32_t donor = rich.back();
    poor.pop_back();
    cells_[cell] = {static_cast<std::uint32_t>(share[cell] * 0x1p32), donor};
    share[donor] -= 1 - share[cell];
    if (share[donor] < 1) {
      rich.pop_back();
      poor.push_back(donor);
    }
  }
  // What is left is full but for rounding; it is its own alias, so `keep` does not matter.
  for (const auto* rest : {&poor, &rich}) {
    for (const std::uint32_t cell : *rest) cells_[cell] = {0, cell};
  }
}

}  // namespace fourfold::simulation
