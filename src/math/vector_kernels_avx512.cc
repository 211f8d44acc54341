#include "math/vector_kernels_avx512.h"

#include <algorithm>

#include "math/avx512.h"
#include "math/relaxed.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

constexpr std::size_t kWide = 2 * kVectorLanes;

FOURFOLD_AVX512 FOURFOLD_HOGWILD __m512 Product(const float* a, const float* b) {
  return _mm512_mul_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b));
}

FOURFOLD_AVX512 FOURFOLD_HOGWILD __m512 ProductOf(const float* a, const float* b,
                                                  std::size_t length) {
  const __mmask16 lanes = static_cast<__mmask16>((1u << std::min(length, kWide)) - 1);
  return _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, a), _mm512_maskz_loadu_ps(lanes, b));
}

// Two partial sums of sixteen are the four of eight with AVX2.
FOURFOLD_AVX512 FOURFOLD_HOGWILD float Dot(const float* a, const float* b, std::size_t length) {
  __m512 sum0 = _mm512_setzero_ps(), sum1 = sum0;
  std::size_t i = 0;
  for (; i + kVectorSums <= length; i += kVectorSums) {
    sum0 = _mm512_add_ps(sum0, Product(a + i, b + i));
    sum1 = _mm512_add_ps(sum1, Product(a + i + kWide, b + i + kWide));
  }
  // What is past the end is read as 0, which changes no sum: none is -0.
  sum0 = _mm512_add_ps(sum0, ProductOf(a + i, b + i, length - i));
  if (i + kWide < length) {
    sum1 = _mm512_add_ps(sum1, ProductOf(a + i + kWide, b + i + kWide, length - i - kWide));
  }
  const __m256 low = _mm256_add_ps(_mm512_castps512_ps256(sum0), _mm512_extractf32x8_ps(sum0, 1));
  const __m256 high = _mm256_add_ps(_mm512_castps512_ps256(sum1), _mm512_extractf32x8_ps(sum1, 1));
  const __m256 lanes = _mm256_add_ps(low, high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

FOURFOLD_AVX512 FOURFOLD_HOGWILD void AddScaled(float factor, const float* x, float* sum,
                                                std::size_t length) {
  const __m512 factors = _mm512_set1_ps(factor);
  std::size_t i = 0;
  for (; i + kWide <= length; i += kWide) {
    const __m512 scaled = _mm512_mul_ps(factors, _mm512_loadu_ps(x + i));
    _mm512_storeu_ps(sum + i, _mm512_add_ps(_mm512_loadu_ps(sum + i), scaled));
  }
  if (i == length) return;
  const __m256 scaled = _mm256_mul_ps(_mm512_castps512_ps256(factors), _mm256_loadu_ps(x + i));
  _mm256_storeu_ps(sum + i, _mm256_add_ps(_mm256_loadu_ps(sum + i), scaled));
}

FOURFOLD_AVX512 FOURFOLD_HOGWILD void Exchange(float factor, const float* hidden, float* target,
                                               float* gradient, std::size_t length) {
  const __m512 factors = _mm512_set1_ps(factor);
  std::size_t i = 0;
  for (; i + kWide <= length; i += kWide) {
    const __m512 before = _mm512_loadu_ps(target + i);
    _mm512_storeu_ps(gradient + i,
                     _mm512_add_ps(_mm512_loadu_ps(gradient + i), _mm512_mul_ps(factors, before)));
    _mm512_storeu_ps(target + i,
                     _mm512_add_ps(before, _mm512_mul_ps(factors, _mm512_loadu_ps(hidden + i))));
  }
  if (i == length) return;
  const __m256 half = _mm512_castps512_ps256(factors), before = _mm256_loadu_ps(target + i);
  _mm256_storeu_ps(gradient + i,
                   _mm256_add_ps(_mm256_loadu_ps(gradient + i), _mm256_mul_ps(half, before)));
  _mm256_storeu_ps(target + i,
                   _mm256_add_ps(before, _mm256_mul_ps(half, _mm256_loadu_ps(hidden + i))));
}

FOURFOLD_AVX512 FOURFOLD_HOGWILD std::int32_t DotCodes(const std::int16_t* a, const std::int8_t* b,
                                                       std::size_t length) {
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i < length; i += kCodeLanes) {
    const __m512i wide =
        _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i)));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(wide, _mm512_loadu_si512(a + i)));
  }
  return _mm512_reduce_add_epi32(sum);
}

constexpr VectorKernels kAvx512 = {"avx512", Dot, AddScaled, Exchange, DotCodes};

}  // namespace

const VectorKernels* Avx512VectorKernels() { return HasAvx512() ? &kAvx512 : nullptr; }

#else

const VectorKernels* Avx512VectorKernels() { return nullptr; }

#endif

}  // namespace fourfold
