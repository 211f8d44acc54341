#pragma once

#include <cstddef>
#include <cstdint>

#include "math/column_kernels.h"
#include "math/dropout_random.h"
#include "math/kernel_set.h"

namespace fourfold {

// What learning needs beside ColumnKernels: gradients, and dropout (Srivastava et al., 2014).
// Matrices as there, but with rows that follow each other: the stride is the number of columns.
//
// `kept` says which elements dropout keeps: bit j % 8 of byte j / 8 for element j, counted through
// the whole matrix. Null keeps all. Gradients are named after what they are gradients by.
struct GradientKernels {
  const char* name;

  // c[r][j] += sum over k of a(r, k) b[k][j]. c may begin anywhere.
  void (*accumulate)(StridedMatrix a, const float* b, std::size_t b_stride, float* c,
                     std::size_t c_stride, std::size_t rows, std::size_t depth,
                     std::size_t columns);
  // The same of a and b rounded to bfloat16, as of ColumnKernels::multiply_bfloat16. One of the
  // steps of b is 1. `columns` need be no multiple of kColumnLanes: what lies past them in the last
  // vector of c is written, too, but stays, except in rows where a is not finite.
  void (*accumulate_bfloat16)(StridedMatrix a, StridedMatrix b, float* c, std::size_t c_stride,
                              std::size_t rows, std::size_t depth, std::size_t columns);
  // y[j][r] = x[r][j], with y_stride at least PaddedColumns(rows); the padding becomes 0.
  void (*transpose)(const float* x, std::size_t x_stride, float* y, std::size_t y_stride,
                    std::size_t rows, std::size_t columns);
  // Draws bits that are 0 with probability threshold / 65536, each set of kernels the same ones.
  // `bytes` is a multiple of 4.
  void (*draw)(DropoutRandom* random, std::uint16_t threshold, std::uint8_t* kept,
               std::size_t bytes);
  // y = x * scale where kept, else 0. y may be x.
  void (*keep)(const float* x, const std::uint8_t* kept, float scale, float* y,
               std::size_t elements);
  // Of ColumnKernels::rectify and dropout after it, whose result is y: gradient *= scale where y is
  // above 0, else 0.
  void (*rectify_gradient)(const float* y, float scale, float* gradient, std::size_t elements);
  // add_and_normalise of ColumnKernels with dropout of y + bias, which keeps what its gradient
  // needs: normalised[r][j] before gain and shift, and scales[j] = 1 / the standard deviation.
  void (*add_and_normalise)(const float* y, const float* bias, const std::uint8_t* kept,
                            float scale, const float* gain, const float* shift, float* x,
                            float* normalised, float* scales, std::size_t rows,
                            std::size_t columns);
  // `gradient` by the result becomes that by the sum that was normalised. Adds to those by gain
  // and shift.
  void (*normalise_gradient)(const float* normalised, const float* scales, const float* gain,
                             float* gradient, float* gain_gradient, float* shift_gradient,
                             std::size_t rows, std::size_t columns);
  // Columns of p are softmax to the base 2 of logits, and then go through dropout: `gradient` by
  // the result becomes that by the logits.
  void (*soften_gradient)(const float* p, const std::uint8_t* kept, float scale, float* gradient,
                          std::size_t rows, std::size_t columns);
  // y[r][j] = gain[r] x[r][j] + shift[r].
  void (*scale_rows)(const float* x, const float* gain, const float* shift, float* y,
                     std::size_t rows, std::size_t columns);
  // sums[r] += sum over j of x[r][j].
  void (*add_row_sums)(const float* x, float* sums, std::size_t rows, std::size_t columns);
  // y += x.
  void (*add)(const float* x, float* y, std::size_t elements);
};

// The plain twin.
const GradientKernels& PlainGradientKernels();
// The fastest that may be used (kernel_set.h).
const GradientKernels& FastGradientKernels();
// All that this processor runs, the plain twin first.
KernelSets<GradientKernels> GradientKernelSets();

}  // namespace fourfold
