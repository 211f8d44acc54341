#pragma once

#include "math/vector_kernels.h"

namespace fourfold {

// For processors with AVX-512 (F, BW, DQ and VL); null on all others.
const VectorKernels* Avx512VectorKernels();

}  // namespace fourfold
