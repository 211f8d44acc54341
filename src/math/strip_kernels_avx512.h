#pragma once

#include "math/strip_kernels.h"

namespace fourfold {

// For processors with AVX-512 (F, BW, DQ and VL); null on all others. The same bits as with AVX2.
const StripKernels* Avx512StripKernels();

}  // namespace fourfold
