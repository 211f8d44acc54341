#pragma once

#include "math/vector_kernels.h"

namespace fourfold {

// For processors with AVX2 and FMA; null on all others.
const VectorKernels* Avx2VectorKernels();

}  // namespace fourfold
