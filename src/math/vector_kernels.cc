#include "math/vector_kernels.h"

#include "math/relaxed.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fourfold {
namespace {

constexpr std::size_t kSums = 32;

float PlainDot(const float* a, const float* b, std::size_t length) {
  float sums[kSums] = {};
  for (std::size_t i = 0; i < length; ++i) {
    sums[i % kSums] += LoadRelaxed(a[i]) * LoadRelaxed(b[i]);
  }
  float lanes[kVectorLanes];
  for (std::size_t i = 0; i < kVectorLanes; ++i) {
    lanes[i] = (sums[i] + sums[i + 8]) + (sums[i + 16] + sums[i + 24]);
  }
  for (std::size_t half = kVectorLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

void PlainAddScaled(float factor, const float* x, float* sum, std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) {
    StoreRelaxed(LoadRelaxed(sum[i]) + factor * LoadRelaxed(x[i]), &sum[i]);
  }
}

void PlainExchange(float factor, const float* hidden, float* target, float* gradient,
                   std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) {
    const float before = LoadRelaxed(target[i]);
    gradient[i] += factor * before;
    StoreRelaxed(before + factor * hidden[i], &target[i]);
  }
}

std::int32_t PlainDotCodes(const std::int16_t* a, const std::int8_t* b, std::size_t length) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < length; ++i) sum += std::int32_t{a[i]} * std::int32_t{b[i]};
  return sum;
}

constexpr VectorKernels kPlain = {"plain", PlainDot, PlainAddScaled, PlainExchange, PlainDotCodes};

#if defined(__x86_64__)

// The language has no atomic access to eight elements at once, so the thread sanitizer would call
// Hogwild's accesses, which the header allows, races. Each aligned element of 4 bytes is read and
// written whole on x86. The attribute covers these functions alone.
#if defined(__clang__)
#define FOURFOLD_AVX2 __attribute__((target("avx2"), no_sanitize("thread")))
#else
#define FOURFOLD_AVX2 __attribute__((target("avx2")))
#endif

FOURFOLD_AVX2 __m256 Avx2Product(const float* a, const float* b) {
  return _mm256_mul_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b));
}

// Each sum has a name, since the elements of an array would be kept in memory.
FOURFOLD_AVX2 float Avx2Dot(const float* a, const float* b, std::size_t length) {
  __m256 sum0 = _mm256_setzero_ps(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  std::size_t i = 0;
  for (; i + kSums <= length; i += kSums) {
    sum0 = _mm256_add_ps(sum0, Avx2Product(a + i, b + i));
    sum1 = _mm256_add_ps(sum1, Avx2Product(a + i + 8, b + i + 8));
    sum2 = _mm256_add_ps(sum2, Avx2Product(a + i + 16, b + i + 16));
    sum3 = _mm256_add_ps(sum3, Avx2Product(a + i + 24, b + i + 24));
  }
  if (i < length) sum0 = _mm256_add_ps(sum0, Avx2Product(a + i, b + i));
  if (i + 8 < length) sum1 = _mm256_add_ps(sum1, Avx2Product(a + i + 8, b + i + 8));
  if (i + 16 < length) sum2 = _mm256_add_ps(sum2, Avx2Product(a + i + 16, b + i + 16));
  const __m256 lanes = _mm256_add_ps(_mm256_add_ps(sum0, sum1), _mm256_add_ps(sum2, sum3));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

FOURFOLD_AVX2 void Avx2AddScaled(float factor, const float* x, float* sum, std::size_t length) {
  const __m256 factors = _mm256_set1_ps(factor);
  for (std::size_t i = 0; i < length; i += kVectorLanes) {
    const __m256 scaled = _mm256_mul_ps(factors, _mm256_loadu_ps(x + i));
    _mm256_storeu_ps(sum + i, _mm256_add_ps(_mm256_loadu_ps(sum + i), scaled));
  }
}

FOURFOLD_AVX2 void Avx2Exchange(float factor, const float* hidden, float* target, float* gradient,
                                std::size_t length) {
  const __m256 factors = _mm256_set1_ps(factor);
  for (std::size_t i = 0; i < length; i += kVectorLanes) {
    const __m256 before = _mm256_loadu_ps(target + i);
    _mm256_storeu_ps(gradient + i,
                     _mm256_add_ps(_mm256_loadu_ps(gradient + i), _mm256_mul_ps(factors, before)));
    _mm256_storeu_ps(target + i,
                     _mm256_add_ps(before, _mm256_mul_ps(factors, _mm256_loadu_ps(hidden + i))));
  }
}

FOURFOLD_AVX2 __m256i Avx2CodeProduct(const std::int16_t* a, const std::int8_t* b) {
  const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)));
  return _mm256_madd_epi16(wide, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)));
}

FOURFOLD_AVX2 std::int32_t Avx2DotCodes(const std::int16_t* a, const std::int8_t* b,
                                        std::size_t length) {
  __m256i even = _mm256_setzero_si256(), odd = even;
  for (std::size_t i = 0; i < length; i += kCodeLanes) {
    even = _mm256_add_epi32(even, Avx2CodeProduct(a + i, b + i));
    odd = _mm256_add_epi32(odd, Avx2CodeProduct(a + i + 16, b + i + 16));
  }
  const __m256i lanes = _mm256_add_epi32(even, odd);
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
}

constexpr VectorKernels kAvx2 = {"avx2", Avx2Dot, Avx2AddScaled, Avx2Exchange, Avx2DotCodes};

#endif

const VectorKernels& ChooseFast() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return kAvx2;
#endif
  return kPlain;
}

}  // namespace

const VectorKernels& PlainVectorKernels() { return kPlain; }

const VectorKernels& FastVectorKernels() {
  static const VectorKernels& fast = ChooseFast();
  return fast;
}

}  // namespace fourfold
