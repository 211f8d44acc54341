#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/status/status.h"

namespace fourfold {

// A symmetric matrix of which the lower triangle counts: element (row, column), row >= column,
// stands at [row + column * size].
struct SymmetricMatrix {
  explicit SymmetricMatrix(std::size_t rows) : size(rows), values(rows * rows, 0.0F) {}

  float& at(std::size_t row, std::size_t column) {
    return row >= column ? values[row + column * size] : values[column + row * size];
  }
  float at(std::size_t row, std::size_t column) const {
    return row >= column ? values[row + column * size] : values[column + row * size];
  }

  std::size_t size;
  std::vector<float> values;  // 4 size^2 bytes
};

// Turns a positive definite matrix into its inverse, in place: Cholesky by LAPACK (spotrf, strtri,
// slauum), size^3 multiplications in float32. On several threads (0: one per processor); another
// number of them, or another processor, may change the last digits. FailedPrecondition when the
// matrix is not positive definite to float32's precision; it is spoilt then. One call at a time has
// the threads it asks for. size is at most 46,340 (LAPACK counts in 32 bits).
//
// A large matrix is worked on in blocks of `block_rows` rows (0: chosen so that a step takes less
// than a second), with is_cancelled (empty: never) asked before each step; Cancelled once it says
// so, with the matrix spoilt.
absl::Status Invert(SymmetricMatrix* matrix, int threads,
                    const std::function<bool()>& is_cancelled = {}, std::size_t block_rows = 0);

}  // namespace fourfold
