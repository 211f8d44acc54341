#include "model/transact/code_table.h"

#include <algorithm>

namespace fourfold {

std::optional<std::size_t> CodeTable::RowOf(float code) const {
  if (!(code >= 0 && code < static_cast<float>(kCodesMax)) || vectors.empty()) return std::nullopt;
  return static_cast<std::size_t>(code) % rows();
}

std::size_t CodeTable::FillMean(std::span<const float> codes, std::span<float> vector) const {
  std::fill(vector.begin(), vector.end(), 0.0F);
  std::size_t count = 0;
  for (const float code : codes) {
    const std::optional<std::size_t> row = RowOf(code);
    if (!row.has_value()) continue;
    const std::span<const float> of_code = VectorOf(*row);
    for (std::size_t d = 0; d < dimension; ++d) vector[d] += of_code[d];
    ++count;
  }
  if (count > 1) {
    for (float& value : vector) value /= static_cast<float>(count);
  }
  return count;
}

}  // namespace fourfold
