#include "math/column_kernels_avx512.h"

#include "math/avx512.h"
#include "math/bfloat16_factors.h"
#include "math/product_avx512.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

FOURFOLD_AVX512 void Multiply(StridedMatrix a, const float* b, std::size_t b_stride,
                              const float* bias, float* c, std::size_t c_stride, std::size_t rows,
                              std::size_t depth, std::size_t columns) {
  MultiplyWide<false>(a, b, b_stride, bias, c, c_stride, rows, depth, columns);
}

void MultiplyBfloat16(StridedMatrix a, const float* b, std::size_t b_stride, const float* bias,
                      float* c, std::size_t c_stride, std::size_t rows, std::size_t depth,
                      std::size_t columns) {
  const RoundedFactors rounded = RoundFactors(a, {b, b_stride, 1}, rows, depth, columns);
  Multiply(rounded.a, rounded.b, columns, bias, c, c_stride, rows, depth, columns);
}

// As that of AVX2: the same operations.
FOURFOLD_AVX512_INLINE WideLanes Power(WideLanes x) {
  const WideLanes least = _mm512_set1_ps(-126);
  const __mmask16 stays = _mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ);
  // Not a number stays one: the operands of max stand so that it passes x on.
  const WideLanes bounded = _mm512_max_ps(least, _mm512_min_ps(_mm512_set1_ps(128), x));
  const WideLanes whole =
      _mm512_roundscale_ps(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const WideLanes rest = _mm512_sub_ps(bounded, whole);  // from -1/2 to 1/2
  // The Taylor series of 2^rest: ln(2)^n / n!.
  WideLanes sum = _mm512_set1_ps(1.5252733804e-5f);
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.5403530393e-4f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.3333558146e-3f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(9.6181291076e-3f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(5.5504108664e-2f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(2.4022650696e-1f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(6.9314718056e-1f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1));
  const __m512i exponent = _mm512_slli_epi32(_mm512_cvtps_epi32(whole), 23);
  const WideLanes power = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(sum), exponent));
  const __mmask16 no_number = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_mask_mov_ps(_mm512_maskz_mov_ps(stays, power), no_number, x);
}

template <bool kIsHalf>
FOURFOLD_AVX512_INLINE void SoftenColumns(const float* logits, const float* row_addends,
                                          float* powers, float* sums, std::size_t stride,
                                          std::size_t rows) {
  const auto logit = [&](std::size_t r) FOURFOLD_AVX512 {
    const WideLanes value = LoadWide<kIsHalf>(logits + r * stride);
    return row_addends == nullptr ? value : _mm512_add_ps(value, _mm512_set1_ps(row_addends[r]));
  };
  WideLanes largest = logit(0);
  for (std::size_t r = 1; r < rows; ++r) largest = _mm512_max_ps(largest, logit(r));
  WideLanes sum = _mm512_setzero_ps();
  for (std::size_t r = 0; r < rows; ++r) {
    const WideLanes power = Power(_mm512_sub_ps(logit(r), largest));
    StoreWide<kIsHalf>(powers + r * stride, power);
    sum = _mm512_add_ps(sum, power);
  }
  StoreWide<kIsHalf>(sums, sum);
}

FOURFOLD_AVX512 void Soften(const float* logits, const float* row_addends, float* powers,
                            float* sums, std::size_t stride, std::size_t rows,
                            std::size_t columns) {
  std::size_t j = 0;
  for (; j + kWide <= columns; j += kWide) {
    SoftenColumns<false>(logits + j, row_addends, powers + j, sums + j, stride, rows);
  }
  if (j < columns) {
    SoftenColumns<true>(logits + j, row_addends, powers + j, sums + j, stride, rows);
  }
}

FOURFOLD_AVX512 void ScaleColumns(const float* x, const float* factors, float* y,
                                  std::size_t stride, std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    const float* const from = x + r * stride;
    float* const to = y + r * stride;
    std::size_t j = 0;
    for (; j + kWide <= columns; j += kWide) {
      StoreWide<false>(to + j,
                       _mm512_mul_ps(LoadWide<false>(from + j), LoadWide<false>(factors + j)));
    }
    if (j < columns) {
      StoreWide<true>(to + j, _mm512_mul_ps(LoadWide<true>(from + j), LoadWide<true>(factors + j)));
    }
  }
}

template <bool kIsHalf>
FOURFOLD_AVX512_INLINE void Divide(float* x, const float* divisors, std::size_t stride,
                                   std::size_t rows) {
  const WideLanes factor = _mm512_div_ps(_mm512_set1_ps(1), LoadWide<kIsHalf>(divisors));
  for (std::size_t r = 0; r < rows; ++r, x += stride) {
    StoreWide<kIsHalf>(x, _mm512_mul_ps(LoadWide<kIsHalf>(x), factor));
  }
}

FOURFOLD_AVX512 void DivideColumns(float* x, const float* divisors, std::size_t stride,
                                   std::size_t rows, std::size_t columns) {
  std::size_t j = 0;
  for (; j + kWide <= columns; j += kWide) Divide<false>(x + j, divisors + j, stride, rows);
  if (j < columns) Divide<true>(x + j, divisors + j, stride, rows);
}

// kVectors vectors of columns at once: one alone waits for each of its sums.
template <int kVectors, bool kIsHalf>
FOURFOLD_AVX512 void NormaliseStrip(const float* y, const float* bias, const float* gain,
                                    const float* shift, float* x, std::size_t stride,
                                    std::size_t rows) {
  static_assert(!kIsHalf || kVectors == 1);
  const WideLanes count = _mm512_set1_ps(static_cast<float>(rows));
  WideLanes means[kVectors], scales[kVectors];
  for (int v = 0; v < kVectors; ++v) means[v] = scales[v] = _mm512_setzero_ps();
  for (std::size_t r = 0; r < rows; ++r) {
    const WideLanes addend = _mm512_set1_ps(bias[r]);
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t place = r * stride + kWide * static_cast<std::size_t>(v);
      const WideLanes added = _mm512_add_ps(LoadWide<kIsHalf>(y + place), addend);
      const WideLanes z = _mm512_add_ps(LoadWide<kIsHalf>(x + place), added);
      StoreWide<kIsHalf>(x + place, z);
      means[v] = _mm512_add_ps(means[v], z);
    }
  }
  for (int v = 0; v < kVectors; ++v) means[v] = _mm512_div_ps(means[v], count);
  for (std::size_t r = 0; r < rows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t place = r * stride + kWide * static_cast<std::size_t>(v);
      const WideLanes off = _mm512_sub_ps(LoadWide<kIsHalf>(x + place), means[v]);
      scales[v] = _mm512_fmadd_ps(off, off, scales[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    const WideLanes variance =
        _mm512_add_ps(_mm512_div_ps(scales[v], count), _mm512_set1_ps(1e-5f));
    scales[v] = _mm512_div_ps(_mm512_set1_ps(1), _mm512_sqrt_ps(variance));
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const WideLanes row_gain = _mm512_set1_ps(gain[r]), row_shift = _mm512_set1_ps(shift[r]);
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t place = r * stride + kWide * static_cast<std::size_t>(v);
      const WideLanes off = _mm512_sub_ps(LoadWide<kIsHalf>(x + place), means[v]);
      StoreWide<kIsHalf>(x + place,
                         _mm512_fmadd_ps(_mm512_mul_ps(off, scales[v]), row_gain, row_shift));
    }
  }
}

FOURFOLD_AVX512 void AddAndNormalise(const float* y, const float* bias, const float* gain,
                                     const float* shift, float* x, std::size_t stride,
                                     std::size_t rows, std::size_t columns) {
  std::size_t j = 0;
  for (; j + 4 * kWide <= columns; j += 4 * kWide) {
    NormaliseStrip<4, false>(y + j, bias, gain, shift, x + j, stride, rows);
  }
  if (j + 2 * kWide <= columns) {
    NormaliseStrip<2, false>(y + j, bias, gain, shift, x + j, stride, rows);
    j += 2 * kWide;
  }
  if (j + kWide <= columns) {
    NormaliseStrip<1, false>(y + j, bias, gain, shift, x + j, stride, rows);
    j += kWide;
  }
  if (j < columns) NormaliseStrip<1, true>(y + j, bias, gain, shift, x + j, stride, rows);
}

FOURFOLD_AVX512 void Rectify(float* x, std::size_t stride, std::size_t rows, std::size_t columns) {
  // Not a number stays one: max gives its second operand then.
  const WideLanes zero = _mm512_setzero_ps();
  for (std::size_t r = 0; r < rows; ++r) {
    float* const row = x + r * stride;
    std::size_t j = 0;
    for (; j + kWide <= columns; j += kWide) {
      StoreWide<false>(row + j, _mm512_max_ps(zero, LoadWide<false>(row + j)));
    }
    if (j < columns) StoreWide<true>(row + j, _mm512_max_ps(zero, LoadWide<true>(row + j)));
  }
}

FOURFOLD_AVX512 void RowMaxima(const float* x, float* maxima, std::size_t stride, std::size_t rows,
                               std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    const float* const row = x + r * stride;
    // The first eight columns stand in both halves, so that every lane holds a value of the row.
    WideLanes largest = _mm512_broadcast_f32x8(_mm256_loadu_ps(row));
    __mmask16 no_number = _mm512_cmp_ps_mask(largest, largest, _CMP_UNORD_Q);
    for (std::size_t j = kColumnLanes; j < columns; j += kWide) {
      const WideLanes values = j + kWide <= columns
                                   ? LoadWide<false>(row + j)
                                   : _mm512_broadcast_f32x8(_mm256_loadu_ps(row + j));
      no_number |= _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
      largest = _mm512_max_ps(largest, values);
    }
    maxima[r] = no_number != 0 ? __builtin_nanf("") : _mm512_reduce_max_ps(largest);
  }
}

FOURFOLD_AVX512 void Exp2(const float* x, float subtrahend, float* y, std::size_t columns) {
  const WideLanes subtract = _mm512_set1_ps(subtrahend);
  std::size_t j = 0;
  for (; j + kWide <= columns; j += kWide) {
    StoreWide<false>(y + j, Power(_mm512_sub_ps(LoadWide<false>(x + j), subtract)));
  }
  if (j < columns) StoreWide<true>(y + j, Power(_mm512_sub_ps(LoadWide<true>(x + j), subtract)));
}

constexpr ColumnKernels kAvx512 = {"avx512",     Multiply,      MultiplyBfloat16, Soften,
                                   ScaleColumns, DivideColumns, AddAndNormalise,  Rectify,
                                   RowMaxima,    Exp2};

}  // namespace

const ColumnKernels* Avx512ColumnKernels() { return HasAvx512() ? &kAvx512 : nullptr; }

#else

const ColumnKernels* Avx512ColumnKernels() { return nullptr; }

#endif

}  // namespace fourfold
