#pragma once

// What kernels with AVX-512 share. Only their source files include it.
#if defined(__x86_64__)
#include <immintrin.h>

#define FOURFOLD_AVX512_TARGET "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"
#define FOURFOLD_AVX512 __attribute__((target(FOURFOLD_AVX512_TARGET)))
#define FOURFOLD_AVX512_INLINE __attribute__((target(FOURFOLD_AVX512_TARGET), always_inline)) inline

namespace fourfold {

using WideLanes = __m512;

inline bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

// Columns come in eights, so that the last vector of a row may be half a one; its upper lanes are 0
// then and are not written.
template <bool kIsHalf>
FOURFOLD_AVX512_INLINE WideLanes LoadWide(const float* x) {
  if constexpr (kIsHalf) return _mm512_zextps256_ps512(_mm256_loadu_ps(x));
  return _mm512_loadu_ps(x);
}

template <bool kIsHalf>
FOURFOLD_AVX512_INLINE void StoreWide(float* y, WideLanes lanes) {
  if constexpr (kIsHalf) {
    _mm256_storeu_ps(y, _mm512_castps512_ps256(lanes));
  } else {
    _mm512_storeu_ps(y, lanes);
  }
}

}  // namespace fourfold
#endif
