#pragma once

#include <cstdint>

#include "math/avx512.h"

// What kernels with AVX-512's instruction for products of bfloat16 share. Only their source files
// include it. A pair is two elements that follow each other in the depth of a product, the first in
// the lower half: the instruction adds both of their products to a float32.
#if defined(__x86_64__)

#define FOURFOLD_AVX512_BFLOAT16_TARGET FOURFOLD_AVX512_TARGET ",avx512bf16"
#define FOURFOLD_AVX512_BFLOAT16 __attribute__((target(FOURFOLD_AVX512_BFLOAT16_TARGET)))
#define FOURFOLD_AVX512_BFLOAT16_INLINE \
  __attribute__((target(FOURFOLD_AVX512_BFLOAT16_TARGET), always_inline)) inline

namespace fourfold {

using WidePairs = __m512i;

inline bool HasAvx512Bfloat16() { return HasAvx512() && __builtin_cpu_supports("avx512bf16"); }

// The pairs of an upper and a lower row.
FOURFOLD_AVX512_BFLOAT16_INLINE WidePairs PairsOf(WideLanes first, WideLanes second) {
  const auto halves = (__m512i)_mm512_cvtne2ps_pbh(second, first);
  const __m512i places = _mm512_set_epi32(
      0x1f000f, 0x1e000e, 0x1d000d, 0x1c000c, 0x1b000b, 0x1a000a, 0x190009, 0x180008, 0x170007,
      0x160006, 0x150005, 0x140004, 0x130003, 0x120002, 0x110001, 0x100000);
  // Lane i takes what stands at i in each half.
  return _mm512_permutexvar_epi16(places, halves);
}

FOURFOLD_AVX512_BFLOAT16_INLINE WideLanes AddProducts(WidePairs a, WidePairs b, WideLanes sum) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

FOURFOLD_AVX512_BFLOAT16_INLINE WidePairs LoadPairs(const std::uint32_t* pairs) {
  return _mm512_loadu_si512(pairs);
}

FOURFOLD_AVX512_BFLOAT16_INLINE void StorePairs(std::uint32_t* to, WidePairs pairs) {
  _mm512_storeu_si512(to, pairs);
}

}  // namespace fourfold
#endif
