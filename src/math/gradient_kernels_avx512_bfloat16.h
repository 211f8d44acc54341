#pragma once

#include "math/gradient_kernels.h"

namespace fourfold {

// For processors whose AVX-512 multiplies bfloat16, too; null on all others. What has float32
// factors is as with AVX-512.
const GradientKernels* Avx512Bfloat16GradientKernels();

}  // namespace fourfold
