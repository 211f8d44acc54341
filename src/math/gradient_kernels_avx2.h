#pragma once

#include "math/gradient_kernels.h"

namespace fourfold {

// For processors with AVX2 and FMA; null on all others.
const GradientKernels* Avx2GradientKernels();

}  // namespace fourfold
