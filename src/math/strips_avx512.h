#pragma once

#include "math/avx512.h"
#include "math/strip_kernels.h"

// How vectors lie in two neighbouring strips: 24 columns are one and a half, 48 are three. Only
// source files of kernels with AVX-512 include it.
#if defined(__x86_64__)
namespace fourfold {

inline constexpr std::size_t kStripHalf = 8;  // columns of half a vector
inline constexpr int kHalvesOfStrip = static_cast<int>(kStripColumns / kStripHalf);

// Vector v of a row of kHalves halves, which begins at `row` in each of the strips.
template <int kHalves>
FOURFOLD_AVX512_INLINE WideLanes LoadStrips(const float* const* strips, std::size_t row, int v) {
  const int half = 2 * v, strip = half / kHalvesOfStrip;
  const float* const from = strips[strip] + row + kStripHalf * (half % kHalvesOfStrip);
  if (half + 1 == kHalves) return LoadWide<true>(from);
  if ((half + 1) / kHalvesOfStrip == strip) return LoadWide<false>(from);
  return _mm512_insertf32x8(LoadWide<true>(from), _mm256_loadu_ps(strips[1] + row), 1);
}

template <int kHalves>
FOURFOLD_AVX512_INLINE void StoreStrips(float* const* strips, std::size_t row, int v,
                                        WideLanes lanes) {
  const int half = 2 * v, strip = half / kHalvesOfStrip;
  float* const to = strips[strip] + row + kStripHalf * (half % kHalvesOfStrip);
  if (half + 1 == kHalves) {
    StoreWide<true>(to, lanes);
  } else if ((half + 1) / kHalvesOfStrip == strip) {
    StoreWide<false>(to, lanes);
  } else {
    StoreWide<true>(to, lanes);
    _mm256_storeu_ps(strips[1] + row, _mm512_extractf32x8_ps(lanes, 1));
  }
}

}  // namespace fourfold
#endif
