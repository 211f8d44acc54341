#pragma once

#include <cstddef>

#include "math/column_kernels.h"
#include "math/strip_kernels.h"

namespace fourfold {

// Factors rounded to bfloat16 and held as float32, for processors that have no instruction for the
// product: kernels multiply them as any others. Results lie in memory of the calling thread, which
// stops growing; each lasts until the same function is called again.

// Of ColumnKernels and GradientKernels: the same matrices. Rows of b have
// PaddedColumns(columns) elements that follow each other, the last ones 0.
struct RoundedFactors {
  StridedMatrix a;
  const float* b = nullptr;
};
RoundedFactors RoundFactors(StridedMatrix a, StridedMatrix b, std::size_t rows, std::size_t depth,
                            std::size_t columns);

// Of StripKernels: the panels of some rows of a weight in bfloat16 as PackedMatrix::Panel would
// give them, and rows of one strip or more, `step` floats apart, which then follow each other.
const float* WidenPanels(const PackedMatrix& weight, std::size_t row, std::size_t rows,
                         std::size_t begin, std::size_t size);
const float* RoundStrips(const float* x, std::size_t step, std::size_t strips, std::size_t rows);

}  // namespace fourfold
