#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "offline/ranking/adam.h"

namespace fourfold {

// A table of vectors of which a step of training touches a few rows: their gradients and moments.
// Private to the training of TransAct. Not thread-safe.
class SparseRows {
 public:
  // `values`, [rows, dimension], must outlive it.
  SparseRows(std::vector<float>* values, std::size_t dimension)
      : values_(*values),
        dimension_(dimension),
        gradients_(values->size()),
        first_(values->size()),
        second_(values->size()),
        is_touched_(values->size() / dimension) {}

  // Adds factor * gradient to that of the row.
  void Add(std::size_t row, const float* gradient, float factor = 1);
  // What was added.
  double SumOfSquares() const;
  // Takes the step with the rows that were touched, and clears their gradients. Others stay as they
  // are, moments included.
  void Take(const AdamStep& adam);

  std::vector<float>& gradients() { return gradients_; }
  std::vector<float>& first() { return first_; }
  std::vector<float>& second() { return second_; }

 private:
  std::vector<float>& values_;
  const std::size_t dimension_;
  std::vector<float> gradients_, first_, second_;
  std::vector<std::uint32_t> touched_;
  std::vector<std::uint8_t> is_touched_;
};

}  // namespace fourfold
