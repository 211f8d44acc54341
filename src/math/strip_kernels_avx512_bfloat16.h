#pragma once

#include "math/strip_kernels.h"

namespace fourfold {

// For processors whose AVX-512 multiplies bfloat16, too; null on all others. What has float32
// factors is as with AVX-512.
const StripKernels* Avx512Bfloat16StripKernels();

}  // namespace fourfold
