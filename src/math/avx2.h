#pragma once

// What kernels with AVX2 and FMA share. Only their source files include it.
#if defined(__x86_64__)
#include <immintrin.h>

#define FOURFOLD_AVX2 __attribute__((target("avx2,fma")))
#define FOURFOLD_AVX2_INLINE __attribute__((target("avx2,fma"), always_inline)) inline

namespace fourfold {

using Lanes = __m256;

inline bool HasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

}  // namespace fourfold
#endif
