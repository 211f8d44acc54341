#pragma once

#include "math/gradient_kernels.h"

namespace fourfold {

// For processors with AVX-512 (F, BW, DQ and VL); null on all others. What a step of training
// spends its time with is its own, the rest AVX2's; the same bits as with AVX2.
const GradientKernels* Avx512GradientKernels();

}  // namespace fourfold
