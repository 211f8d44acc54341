#pragma once

#include "math/column_kernels.h"

namespace fourfold {

// For processors with AVX-512 (F, BW, DQ and VL); null on all others. Every element is made by the
// same operations in the same order as with AVX2, so that both give the same bits.
const ColumnKernels* Avx512ColumnKernels();

}  // namespace fourfold
