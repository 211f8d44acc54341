#include "math/vector_kernels_avx2.h"

#include "math/avx2.h"
#include "math/relaxed.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

FOURFOLD_AVX2 FOURFOLD_HOGWILD __m256 Product(const float* a, const float* b) {
  return _mm256_mul_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b));
}

// Each sum has a name, since the elements of an array would be kept in memory.
FOURFOLD_AVX2 FOURFOLD_HOGWILD float Dot(const float* a, const float* b, std::size_t length) {
  __m256 sum0 = _mm256_setzero_ps(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  std::size_t i = 0;
  for (; i + kVectorSums <= length; i += kVectorSums) {
    sum0 = _mm256_add_ps(sum0, Product(a + i, b + i));
    sum1 = _mm256_add_ps(sum1, Product(a + i + 8, b + i + 8));
    sum2 = _mm256_add_ps(sum2, Product(a + i + 16, b + i + 16));
    sum3 = _mm256_add_ps(sum3, Product(a + i + 24, b + i + 24));
  }
  if (i < length) sum0 = _mm256_add_ps(sum0, Product(a + i, b + i));
  if (i + 8 < length) sum1 = _mm256_add_ps(sum1, Product(a + i + 8, b + i + 8));
  if (i + 16 < length) sum2 = _mm256_add_ps(sum2, Product(a + i + 16, b + i + 16));
  const __m256 lanes = _mm256_add_ps(_mm256_add_ps(sum0, sum1), _mm256_add_ps(sum2, sum3));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

FOURFOLD_AVX2 FOURFOLD_HOGWILD void AddScaled(float factor, const float* x, float* sum,
                                              std::size_t length) {
  const __m256 factors = _mm256_set1_ps(factor);
  for (std::size_t i = 0; i < length; i += kVectorLanes) {
    const __m256 scaled = _mm256_mul_ps(factors, _mm256_loadu_ps(x + i));
    _mm256_storeu_ps(sum + i, _mm256_add_ps(_mm256_loadu_ps(sum + i), scaled));
  }
}

FOURFOLD_AVX2 FOURFOLD_HOGWILD void Exchange(float factor, const float* hidden, float* target,
                                             float* gradient, std::size_t length) {
  const __m256 factors = _mm256_set1_ps(factor);
  for (std::size_t i = 0; i < length; i += kVectorLanes) {
    const __m256 before = _mm256_loadu_ps(target + i);
    _mm256_storeu_ps(gradient + i,
                     _mm256_add_ps(_mm256_loadu_ps(gradient + i), _mm256_mul_ps(factors, before)));
    _mm256_storeu_ps(target + i,
                     _mm256_add_ps(before, _mm256_mul_ps(factors, _mm256_loadu_ps(hidden + i))));
  }
}

FOURFOLD_AVX2 FOURFOLD_HOGWILD __m256i CodeProduct(const std::int16_t* a, const std::int8_t* b) {
  const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)));
  return _mm256_madd_epi16(wide, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)));
}

FOURFOLD_AVX2 FOURFOLD_HOGWILD std::int32_t DotCodes(const std::int16_t* a, const std::int8_t* b,
                                                     std::size_t length) {
  __m256i even = _mm256_setzero_si256(), odd = even;
  for (std::size_t i = 0; i < length; i += kCodeLanes) {
    even = _mm256_add_epi32(even, CodeProduct(a + i, b + i));
    odd = _mm256_add_epi32(odd, CodeProduct(a + i + 16, b + i + 16));
  }
  const __m256i lanes = _mm256_add_epi32(even, odd);
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
}

constexpr VectorKernels kAvx2 = {"avx2", Dot, AddScaled, Exchange, DotCodes};

}  // namespace

const VectorKernels* Avx2VectorKernels() { return HasAvx2() ? &kAvx2 : nullptr; }

#else

const VectorKernels* Avx2VectorKernels() { return nullptr; }

#endif

}  // namespace fourfold
