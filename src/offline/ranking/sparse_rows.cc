#include "offline/ranking/sparse_rows.h"

#include <algorithm>

namespace fourfold {

void SparseRows::Add(std::size_t row, const float* gradient, float factor) {
  if (!is_touched_[row]) {
    is_touched_[row] = 1;
    touched_.push_back(static_cast<std::uint32_t>(row));
  }
  float* const sum = gradients_.data() + row * dimension_;
  for (std::size_t d = 0; d < dimension_; ++d) sum[d] += factor * gradient[d];
}

double SparseRows::SumOfSquares() const {
  double squares = 0;
  for (const std::uint32_t row : touched_) {
    for (const float gradient : std::span(gradients_).subspan(row * dimension_, dimension_)) {
      squares += double{gradient} * double{gradient};
    }
  }
  return squares;
}

void SparseRows::Take(const AdamStep& adam) {
  for (const std::uint32_t row : touched_) {
    const auto of_row = [&](std::vector<float>& table) {
      return std::span(table).subspan(row * dimension_, dimension_);
    };
    adam.Take(of_row(gradients_), of_row(values_), of_row(first_), of_row(second_));
    std::fill_n(gradients_.data() + row * dimension_, dimension_, 0.0F);
    is_touched_[row] = 0;
  }
  touched_.clear();
}

}  // namespace fourfold
