#pragma once

#include <cstddef>

#include "math/kernel_set.h"

namespace fourfold {

// Arithmetic on matrices of float32 whose columns are independent of each other: tokens of a
// sequence, users of a batch. Row r of a matrix begins at r * stride; strides and the number of
// columns are multiples of kColumnLanes, and the memory of a matrix begins at a multiple of 32
// bytes. Rows that are written overlap nothing that is read, unless said otherwise.
//
// The plain kernels differ from the others in rounding, which fused multiply-add spares these.
inline constexpr std::size_t kColumnLanes = 8;

// A factor of a product in any layout: element (r, c) is data[r * row_step + c * column_step].
struct StridedMatrix {
  const float* data = nullptr;
  std::size_t row_step = 0;
  std::size_t column_step = 1;
};

struct ColumnKernels {
  const char* name;

  // c[r][j] = bias[r] + sum over k of a(r, k) b[k][j], for r < rows and k < depth. Without a bias
  // (null) the sum alone.
  void (*multiply)(StridedMatrix a, const float* b, std::size_t b_stride, const float* bias,
                   float* c, std::size_t c_stride, std::size_t rows, std::size_t depth,
                   std::size_t columns);
  // The same of a and b rounded to bfloat16; the sums are float32. An instruction for that takes
  // denormal numbers for 0, whatever the thread's mode is.
  void (*multiply_bfloat16)(StridedMatrix a, const float* b, std::size_t b_stride,
                            const float* bias, float* c, std::size_t c_stride, std::size_t rows,
                            std::size_t depth, std::size_t columns);
  // Of each column of logits[r][j] + row_addends[r]: powers[r][j] = 2^(that - the column's largest)
  // and sums[j] their sum, which lies from 1 to `rows`. row_addends may be null, powers may be
  // logits. At least one row.
  void (*soften)(const float* logits, const float* row_addends, float* powers, float* sums,
                 std::size_t stride, std::size_t rows, std::size_t columns);
  // y[r][j] = x[r][j] * factors[j].
  void (*scale_columns)(const float* x, const float* factors, float* y, std::size_t stride,
                        std::size_t rows, std::size_t columns);
  // x[r][j] /= divisors[j].
  void (*divide_columns)(float* x, const float* divisors, std::size_t stride, std::size_t rows,
                         std::size_t columns);
  // x[.][j] = gain * (z - mean z) / sqrt(variance z + 1e-5) + shift, with z[r] = x[r][j] + y[r][j]
  // + bias[r]: layer normalisation of a residual connection (Ba et al., 2016).
  void (*add_and_normalise)(const float* y, const float* bias, const float* gain,
                            const float* shift, float* x, std::size_t stride, std::size_t rows,
                            std::size_t columns);
  // x = max(x, 0).
  void (*rectify)(float* x, std::size_t stride, std::size_t rows, std::size_t columns);
  // maxima[r] = the largest of x[r][j]; not a number where one of them is none.
  void (*row_maxima)(const float* x, float* maxima, std::size_t stride, std::size_t rows,
                     std::size_t columns);
  // y[j] = 2^(x[j] - subtrahend); 0 where that is below 2^-126.
  void (*exp2)(const float* x, float subtrahend, float* y, std::size_t columns);
};

// The plain twin.
const ColumnKernels& PlainColumnKernels();
// The fastest that may be used (kernel_set.h).
const ColumnKernels& FastColumnKernels();
// All that this processor runs, the plain twin first.
KernelSets<ColumnKernels> ColumnKernelSets();

constexpr std::size_t PaddedColumns(std::size_t columns) {
  return (columns + kColumnLanes - 1) / kColumnLanes * kColumnLanes;
}

}  // namespace fourfold
