#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace fourfold {

// Learned vectors of what stands in a row as a code: a whole number from 0 to below kCodesMax that
// stands for a text. Code c has row c modulo rows(), so that there is one for texts that training
// never met, too.
struct CodeTable {
  static constexpr std::size_t kCodesMax = std::size_t{1} << 24;

  std::size_t dimension = 0;
  std::vector<float> vectors;  // [rows, dimension]

  std::size_t rows() const { return dimension == 0 ? 0 : vectors.size() / dimension; }
  bool IsWhole() const { return vectors.size() == rows() * dimension; }
  // None for NaN, which is no code, nor where there are no rows.
  std::optional<std::size_t> RowOf(float code) const;
  std::span<const float> VectorOf(std::size_t row) const {
    return std::span(vectors).subspan(row * dimension, dimension);
  }
  // vector = the mean over the codes, zeros where there are none; returns how many there are.
  std::size_t FillMean(std::span<const float> codes, std::span<float> vector) const;
};

}  // namespace fourfold
