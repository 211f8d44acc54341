#include "model/transact/training_products.h"

namespace fourfold {

void TrainingProducts::Add(StridedMatrix a, const float* b, std::size_t b_stride, float* c,
                           std::size_t c_stride, std::size_t rows, std::size_t depth,
                           std::size_t columns) const {
  if (precision_ == Precision::kBfloat16) {
    gradient_kernels_.accumulate_bfloat16(a, {b, b_stride, 1}, c, c_stride, rows, depth, columns);
  } else {
    gradient_kernels_.accumulate(a, b, b_stride, c, c_stride, rows, depth, columns);
  }
}

void TrainingProducts::AddTransposed(StridedMatrix a, const float* x, std::size_t x_stride,
                                     float* c, std::size_t c_stride, std::size_t rows,
                                     std::size_t depth, std::size_t columns,
                                     AlignedFloats* transposed) const {
  if (precision_ == Precision::kBfloat16) {
    gradient_kernels_.accumulate_bfloat16(a, {x, 1, x_stride}, c, c_stride, rows, depth, columns);
    return;
  }
  const std::size_t padded = PaddedColumns(columns);
  transposed->Reserve(depth * padded);
  gradient_kernels_.transpose(x, x_stride, transposed->data(), padded, columns, depth);
  gradient_kernels_.accumulate(a, transposed->data(), padded, c, c_stride, rows, depth, padded);
}

}  // namespace fourfold
