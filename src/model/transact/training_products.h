#pragma once

#include <cstddef>

#include "math/aligned_floats.h"
#include "math/bfloat16.h"
#include "math/column_kernels.h"
#include "math/gradient_kernels.h"

namespace fourfold {

// The products of a step of training, in one precision: in bfloat16 both factors of each are
// rounded where they are multiplied, forwards and backwards. What they are made of and what becomes
// of them is float32 in both.
class TrainingProducts {
 public:
  TrainingProducts(const ColumnKernels& kernels, const GradientKernels& gradient_kernels,
                   Precision precision)
      : multiply_(precision == Precision::kBfloat16 ? kernels.multiply_bfloat16 : kernels.multiply),
        gradient_kernels_(gradient_kernels),
        precision_(precision) {}

  // c = a b + bias, as ColumnKernels::multiply.
  void Multiply(StridedMatrix a, const float* b, std::size_t b_stride, const float* bias, float* c,
                std::size_t c_stride, std::size_t rows, std::size_t depth,
                std::size_t columns) const {
    multiply_(a, b, b_stride, bias, c, c_stride, rows, depth, columns);
  }
  // c += a b, as GradientKernels::accumulate.
  void Add(StridedMatrix a, const float* b, std::size_t b_stride, float* c, std::size_t c_stride,
           std::size_t rows, std::size_t depth, std::size_t columns) const;
  // c += a x^T, of x [columns, depth] whose rows are x_stride apart. Of columns that are no
  // multiple of kColumnLanes c has the rest, too, which stays. Takes memory of `transposed`.
  void AddTransposed(StridedMatrix a, const float* x, std::size_t x_stride, float* c,
                     std::size_t c_stride, std::size_t rows, std::size_t depth, std::size_t columns,
                     AlignedFloats* transposed) const;

 private:
  decltype(ColumnKernels::multiply) const multiply_;
  const GradientKernels& gradient_kernels_;
  const Precision precision_;
};

}  // namespace fourfold
