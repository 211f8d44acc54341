#pragma once

#include <cstddef>

#include "math/avx2.h"

// Sums over columns, in one order with AVX2 and with AVX-512. Only source files of gradient kernels
// include it.
#if defined(__x86_64__)
namespace fourfold {

FOURFOLD_AVX2_INLINE float Sum(Lanes x) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

// Adds the sums over columns of gradient and of gradient * normalised.
FOURFOLD_AVX2_INLINE void AddNormSums(const float* normalised, const float* gradient,
                                      float* gain_gradient, float* shift_gradient, std::size_t rows,
                                      std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    Lanes sum = _mm256_setzero_ps(), product = _mm256_setzero_ps();
    for (std::size_t i = r * columns; i < (r + 1) * columns; i += 8) {
      const Lanes value = _mm256_load_ps(gradient + i);
      sum = _mm256_add_ps(sum, value);
      product = _mm256_fmadd_ps(value, _mm256_load_ps(normalised + i), product);
    }
    gain_gradient[r] += Sum(product);
    shift_gradient[r] += Sum(sum);
  }
}

}  // namespace fourfold
#endif
