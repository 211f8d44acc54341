#pragma once

#include "math/strip_kernels.h"

namespace fourfold {

// For processors with AVX2 and FMA; null on all others.
const StripKernels* Avx2StripKernels();

}  // namespace fourfold
