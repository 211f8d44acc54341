#include "math/gradient_kernels_avx512.h"

#include <cstring>

#include "math/avx512.h"
#include "math/bfloat16_factors.h"
#include "math/gradient_kernels_avx2.h"
#include "math/norm_sums_avx2.h"
#include "math/product_avx512.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

FOURFOLD_AVX512 void Accumulate(StridedMatrix a, const float* b, std::size_t b_stride, float* c,
                                std::size_t c_stride, std::size_t rows, std::size_t depth,
                                std::size_t columns) {
  MultiplyWide<true>(a, b, b_stride, nullptr, c, c_stride, rows, depth, columns);
}

void AccumulateBfloat16(StridedMatrix a, StridedMatrix b, float* c, std::size_t c_stride,
                        std::size_t rows, std::size_t depth, std::size_t columns) {
  const RoundedFactors rounded = RoundFactors(a, b, rows, depth, columns);
  const std::size_t padded = PaddedColumns(columns);
  Accumulate(rounded.a, rounded.b, padded, c, c_stride, rows, depth, padded);
}

// Of sixteen elements from a multiple of eight on, those that dropout keeps.
template <bool kIsHalf>
FOURFOLD_AVX512_INLINE __mmask16 KeptLanes(const std::uint8_t* kept, std::size_t element) {
  if (kept == nullptr) return 0xffff;
  if constexpr (kIsHalf) return kept[element / 8];
  std::uint16_t bits = 0;
  std::memcpy(&bits, kept + element / 8, sizeof(bits));
  return bits;
}

template <bool kIsHalf>
FOURFOLD_AVX512_INLINE void KeepVector(const float* x, const std::uint8_t* kept, WideLanes factor,
                                       float* y, std::size_t element) {
  const __mmask16 lanes = KeptLanes<kIsHalf>(kept, element);
  StoreWide<kIsHalf>(y + element,
                     _mm512_maskz_mul_ps(lanes, LoadWide<kIsHalf>(x + element), factor));
}

FOURFOLD_AVX512 void Keep(const float* x, const std::uint8_t* kept, float scale, float* y,
                          std::size_t elements) {
  const WideLanes factor = _mm512_set1_ps(scale);
  std::size_t i = 0;
  for (; i + kWide <= elements; i += kWide) KeepVector<false>(x, kept, factor, y, i);
  if (i < elements) KeepVector<true>(x, kept, factor, y, i);
}

// Calls `run` with how many vectors of columns it takes, the last of which may be half a one, and
// where they begin. Three at once, as each waits for sums of its own.
template <typename Run>
FOURFOLD_AVX512_INLINE void ForColumns(std::size_t columns, const Run& run) {
  std::size_t j = 0;
  for (; j + 3 * kWide <= columns; j += 3 * kWide) run.template operator()<3, false>(j);
  for (; j + kWide <= columns; j += kWide) run.template operator()<1, false>(j);
  if (j < columns) run.template operator()<1, true>(j);
}

template <int kVectors, bool kIsHalf>
FOURFOLD_AVX512_INLINE void AddAndNormaliseColumns(const float* y, const float* bias,
                                                   const std::uint8_t* kept, float scale,
                                                   const float* gain, const float* shift, float* x,
                                                   float* normalised, float* scales,
                                                   std::size_t rows, std::size_t columns,
                                                   std::size_t j) {
  const WideLanes count = _mm512_set1_ps(static_cast<float>(rows));
  const WideLanes factor = _mm512_set1_ps(scale);
  WideLanes mean[kVectors], squares[kVectors], inverse[kVectors];
  for (int v = 0; v < kVectors; ++v) mean[v] = squares[v] = _mm512_setzero_ps();
  for (std::size_t r = 0; r < rows; ++r) {
    const WideLanes addend = _mm512_set1_ps(bias[r]);
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t i = r * columns + j + kWide * v;
      const WideLanes added = _mm512_add_ps(LoadWide<kIsHalf>(y + i), addend);
      const WideLanes z =
          _mm512_add_ps(LoadWide<kIsHalf>(x + i),
                        _mm512_maskz_mul_ps(KeptLanes<kIsHalf>(kept, i), added, factor));
      StoreWide<kIsHalf>(normalised + i, z);
      mean[v] = _mm512_add_ps(mean[v], z);
    }
  }
  for (int v = 0; v < kVectors; ++v) mean[v] = _mm512_div_ps(mean[v], count);
  for (std::size_t r = 0; r < rows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t i = r * columns + j + kWide * v;
      const WideLanes off = _mm512_sub_ps(LoadWide<kIsHalf>(normalised + i), mean[v]);
      squares[v] = _mm512_fmadd_ps(off, off, squares[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    const WideLanes variance =
        _mm512_add_ps(_mm512_div_ps(squares[v], count), _mm512_set1_ps(1e-5f));
    inverse[v] = _mm512_div_ps(_mm512_set1_ps(1), _mm512_sqrt_ps(variance));
    StoreWide<kIsHalf>(scales + j + kWide * v, inverse[v]);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const WideLanes factor_of_row = _mm512_set1_ps(gain[r]), addend = _mm512_set1_ps(shift[r]);
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t i = r * columns + j + kWide * v;
      const WideLanes normal =
          _mm512_mul_ps(_mm512_sub_ps(LoadWide<kIsHalf>(normalised + i), mean[v]), inverse[v]);
      StoreWide<kIsHalf>(normalised + i, normal);
      StoreWide<kIsHalf>(x + i, _mm512_fmadd_ps(normal, factor_of_row, addend));
    }
  }
}

FOURFOLD_AVX512 void AddAndNormalise(const float* y, const float* bias, const std::uint8_t* kept,
                                     float scale, const float* gain, const float* shift, float* x,
                                     float* normalised, float* scales, std::size_t rows,
                                     std::size_t columns) {
  ForColumns(columns, [&]<int kVectors, bool kIsHalf>(std::size_t j) FOURFOLD_AVX512 {
    AddAndNormaliseColumns<kVectors, kIsHalf>(y, bias, kept, scale, gain, shift, x, normalised,
                                              scales, rows, columns, j);
  });
}

template <int kVectors, bool kIsHalf>
FOURFOLD_AVX512_INLINE void NormaliseGradientColumns(const float* normalised, const float* scales,
                                                     const float* gain, float* gradient,
                                                     std::size_t rows, std::size_t columns,
                                                     std::size_t j) {
  const WideLanes share = _mm512_set1_ps(1 / static_cast<float>(rows));
  WideLanes sum[kVectors], product[kVectors], inverse[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = product[v] = _mm512_setzero_ps();
    inverse[v] = LoadWide<kIsHalf>(scales + j + kWide * v);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const WideLanes factor = _mm512_set1_ps(gain[r]);
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t i = r * columns + j + kWide * v;
      const WideLanes by_normal = _mm512_mul_ps(LoadWide<kIsHalf>(gradient + i), factor);
      sum[v] = _mm512_add_ps(sum[v], by_normal);
      product[v] = _mm512_fmadd_ps(by_normal, LoadWide<kIsHalf>(normalised + i), product[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = _mm512_mul_ps(sum[v], share);
    product[v] = _mm512_mul_ps(product[v], share);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const WideLanes factor = _mm512_set1_ps(gain[r]);
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t i = r * columns + j + kWide * v;
      const WideLanes by_normal = _mm512_fmsub_ps(LoadWide<kIsHalf>(gradient + i), factor, sum[v]);
      const WideLanes rest =
          _mm512_fnmadd_ps(LoadWide<kIsHalf>(normalised + i), product[v], by_normal);
      StoreWide<kIsHalf>(gradient + i, _mm512_mul_ps(rest, inverse[v]));
    }
  }
}

FOURFOLD_AVX512 void NormaliseGradient(const float* normalised, const float* scales,
                                       const float* gain, float* gradient, float* gain_gradient,
                                       float* shift_gradient, std::size_t rows,
                                       std::size_t columns) {
  AddNormSums(normalised, gradient, gain_gradient, shift_gradient, rows, columns);
  ForColumns(columns, [&]<int kVectors, bool kIsHalf>(std::size_t j) FOURFOLD_AVX512 {
    NormaliseGradientColumns<kVectors, kIsHalf>(normalised, scales, gain, gradient, rows, columns,
                                                j);
  });
}

template <int kVectors, bool kIsHalf>
FOURFOLD_AVX512_INLINE void SoftenGradientColumns(const float* p, const std::uint8_t* kept,
                                                  float scale, float* gradient, std::size_t rows,
                                                  std::size_t columns, std::size_t j) {
  const WideLanes factor = _mm512_set1_ps(scale), ln2 = _mm512_set1_ps(0.6931471805599453f);
  WideLanes sum[kVectors];
  for (WideLanes& one : sum) one = _mm512_setzero_ps();
  for (std::size_t r = 0; r < rows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t i = r * columns + j + kWide * v;
      const WideLanes value =
          _mm512_maskz_mul_ps(KeptLanes<kIsHalf>(kept, i), LoadWide<kIsHalf>(gradient + i), factor);
      StoreWide<kIsHalf>(gradient + i, value);
      sum[v] = _mm512_fmadd_ps(value, LoadWide<kIsHalf>(p + i), sum[v]);
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t i = r * columns + j + kWide * v;
      const WideLanes weight = _mm512_mul_ps(LoadWide<kIsHalf>(p + i), ln2);
      const WideLanes off = _mm512_sub_ps(LoadWide<kIsHalf>(gradient + i), sum[v]);
      StoreWide<kIsHalf>(gradient + i, _mm512_mul_ps(weight, off));
    }
  }
}

FOURFOLD_AVX512 void SoftenGradient(const float* p, const std::uint8_t* kept, float scale,
                                    float* gradient, std::size_t rows, std::size_t columns) {
  ForColumns(columns, [&]<int kVectors, bool kIsHalf>(std::size_t j) FOURFOLD_AVX512 {
    SoftenGradientColumns<kVectors, kIsHalf>(p, kept, scale, gradient, rows, columns, j);
  });
}

}  // namespace

const GradientKernels* Avx512GradientKernels() {
  static const GradientKernels kernels = [] {
    const GradientKernels* const avx2 = Avx2GradientKernels();
    GradientKernels wide = avx2 == nullptr ? GradientKernels{} : *avx2;
    wide.name = "avx512";
    wide.accumulate = Accumulate;
    wide.accumulate_bfloat16 = AccumulateBfloat16;
    wide.keep = Keep;
    wide.add_and_normalise = AddAndNormalise;
    wide.normalise_gradient = NormaliseGradient;
    wide.soften_gradient = SoftenGradient;
    return wide;
  }();
  return HasAvx512() && Avx2GradientKernels() != nullptr ? &kernels : nullptr;
}

#else

const GradientKernels* Avx512GradientKernels() { return nullptr; }

#endif

}  // namespace fourfold
