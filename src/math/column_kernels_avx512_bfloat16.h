#pragma once

#include "math/column_kernels.h"

namespace fourfold {

// For processors whose AVX-512 multiplies bfloat16, too; null on all others. What has float32
// factors is as with AVX-512.
const ColumnKernels* Avx512Bfloat16ColumnKernels();

}  // namespace fourfold
