#pragma once

#include "math/column_kernels.h"

namespace fourfold {

// For processors with AVX2 and FMA; null on all others.
const ColumnKernels* Avx2ColumnKernels();

}  // namespace fourfold
