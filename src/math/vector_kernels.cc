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

constexpr VectorKernels kPlain = {"plain", PlainDot, PlainAddScaled, PlainExchange};

#if defined(__x86_64__)

// The language has no atomic access to eight elements at once, so the thread sanitizer would call
// Hogwild's accesses, which the header allows, races. Each aligned element of 4 bytes is read and
// written whole on x86. The attribute covers these three functions alone.
#if defined(__clang__)
#define FOURFOLD_AVX2 __attribute__((target("avx2"), no_sanitize("thread")))
#else
#define FOURFOLD_AVX2 __attribute__((target("avx2")))
#endif

FOURFOLD_AVX2 float Avx2Dot(const float* a, const float* b, std::size_t length) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                    _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; i + kSums <= length; i += kSums) {
    for (std::size_t s = 0; s < 4; ++s) {
      const __m256 product =
          _mm256_mul_ps(_mm256_loadu_ps(a + i + 8 * s), _mm256_loadu_ps(b + i + 8 * s));
      sums[s] = _mm256_add_ps(sums[s], product);
    }
  }
  for (std::size_t s = 0; i < length; i += kVectorLanes, ++s) {
    sums[s] = _mm256_add_ps(sums[s], _mm256_mul_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
  }
  const __m256 lanes =
      _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
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

constexpr VectorKernels kAvx2 = {"avx2", Avx2Dot, Avx2AddScaled, Avx2Exchange};

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
