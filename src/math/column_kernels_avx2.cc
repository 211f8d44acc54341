#include "math/column_kernels_avx2.h"

#include "math/avx2.h"
#include "math/bfloat16_factors.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

constexpr std::size_t kWide = kColumnLanes;

// One tile of a product: kRows rows by kVectors vectors of columns, held in registers over the
// whole depth. 4 by 3 fills them: 12 sums, 3 vectors of b, and one element of a.
template <int kRows, int kVectors>
FOURFOLD_AVX2_INLINE void Tile(const float* a, std::size_t row_step, std::size_t column_step,
                               const float* b, std::size_t b_stride, const float* bias, float* c,
                               std::size_t c_stride, std::size_t depth) {
  Lanes sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    const Lanes start = bias == nullptr ? _mm256_setzero_ps() : _mm256_set1_ps(bias[r]);
    for (int v = 0; v < kVectors; ++v) sums[r][v] = start;
  }
  for (std::size_t k = 0; k < depth; ++k) {
    Lanes columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = _mm256_load_ps(b + kWide * v);
    for (int r = 0; r < kRows; ++r) {
      const Lanes factor = _mm256_broadcast_ss(a + static_cast<std::size_t>(r) * row_step);
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = _mm256_fmadd_ps(factor, columns[v], sums[r][v]);
      }
    }
    a += column_step;
    b += b_stride;
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      _mm256_store_ps(c + static_cast<std::size_t>(r) * c_stride + kWide * v, sums[r][v]);
    }
  }
}

// All rows of a strip of kVectors vectors of columns, kRows at a time and then one by one.
template <int kRows, int kVectors>
FOURFOLD_AVX2_INLINE void Strip(StridedMatrix a, const float* b, std::size_t b_stride,
                                const float* bias, float* c, std::size_t c_stride, std::size_t rows,
                                std::size_t depth) {
  std::size_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    Tile<kRows, kVectors>(a.data + r * a.row_step, a.row_step, a.column_step, b, b_stride,
                          bias == nullptr ? nullptr : bias + r, c + r * c_stride, c_stride, depth);
  }
  for (; r < rows; ++r) {
    Tile<1, kVectors>(a.data + r * a.row_step, a.row_step, a.column_step, b, b_stride,
                      bias == nullptr ? nullptr : bias + r, c + r * c_stride, c_stride, depth);
  }
}

FOURFOLD_AVX2 void Multiply(StridedMatrix a, const float* b, std::size_t b_stride,
                            const float* bias, float* c, std::size_t c_stride, std::size_t rows,
                            std::size_t depth, std::size_t columns) {
  std::size_t j = 0;
  for (; j + 3 * kWide <= columns; j += 3 * kWide) {
    Strip<4, 3>(a, b + j, b_stride, bias, c + j, c_stride, rows, depth);
  }
  if (columns - j == 2 * kWide) {
    Strip<6, 2>(a, b + j, b_stride, bias, c + j, c_stride, rows, depth);
  } else if (columns - j == kWide) {
    Strip<8, 1>(a, b + j, b_stride, bias, c + j, c_stride, rows, depth);
  }
}

void MultiplyBfloat16(StridedMatrix a, const float* b, std::size_t b_stride, const float* bias,
                      float* c, std::size_t c_stride, std::size_t rows, std::size_t depth,
                      std::size_t columns) {
  const RoundedFactors rounded = RoundFactors(a, {b, b_stride, 1}, rows, depth, columns);
  Multiply(rounded.a, rounded.b, columns, bias, c, c_stride, rows, depth, columns);
}

// 2^x within 2 units in the last place; 0 below -126, where x is not below it by rounding.
FOURFOLD_AVX2_INLINE Lanes Power(Lanes x) {
  const Lanes least = _mm256_set1_ps(-126);
  const Lanes vanishes = _mm256_cmp_ps(x, least, _CMP_LT_OQ);
  // Not a number stays one: the operands of max stand so that it passes x on.
  const Lanes bounded = _mm256_max_ps(least, _mm256_min_ps(_mm256_set1_ps(128), x));
  const Lanes whole = _mm256_round_ps(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Lanes rest = _mm256_sub_ps(bounded, whole);  // from -1/2 to 1/2
  // The Taylor series of 2^rest: ln(2)^n / n!.
  Lanes sum = _mm256_set1_ps(1.5252733804e-5f);
  sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(1.5403530393e-4f));
  sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(1.3333558146e-3f));
  sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(9.6181291076e-3f));
  sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(5.5504108664e-2f));
  sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(2.4022650696e-1f));
  sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(6.9314718056e-1f));
  sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(1));
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23);
  const Lanes power = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), exponent));
  const Lanes no_number = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  return _mm256_blendv_ps(_mm256_andnot_ps(vanishes, power), x, no_number);
}

FOURFOLD_AVX2 void Soften(const float* logits, const float* row_addends, float* powers, float* sums,
                          std::size_t stride, std::size_t rows, std::size_t columns) {
  for (std::size_t j = 0; j < columns; j += kWide) {
    const auto logit = [&](std::size_t r) FOURFOLD_AVX2 {
      const Lanes value = _mm256_load_ps(logits + r * stride + j);
      return row_addends == nullptr ? value
                                    : _mm256_add_ps(value, _mm256_broadcast_ss(row_addends + r));
    };
    Lanes largest = logit(0);
    for (std::size_t r = 1; r < rows; ++r) largest = _mm256_max_ps(largest, logit(r));
    Lanes sum = _mm256_setzero_ps();
    for (std::size_t r = 0; r < rows; ++r) {
      const Lanes power = Power(_mm256_sub_ps(logit(r), largest));
      _mm256_store_ps(powers + r * stride + j, power);
      sum = _mm256_add_ps(sum, power);
    }
    _mm256_store_ps(sums + j, sum);
  }
}

FOURFOLD_AVX2 void ScaleColumns(const float* x, const float* factors, float* y, std::size_t stride,
                                std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; j += kWide) {
      _mm256_store_ps(y + r * stride + j, _mm256_mul_ps(_mm256_load_ps(x + r * stride + j),
                                                        _mm256_load_ps(factors + j)));
    }
  }
}

FOURFOLD_AVX2 void DivideColumns(float* x, const float* divisors, std::size_t stride,
                                 std::size_t rows, std::size_t columns) {
  for (std::size_t j = 0; j < columns; j += kWide) {
    const Lanes factor = _mm256_div_ps(_mm256_set1_ps(1), _mm256_load_ps(divisors + j));
    for (std::size_t r = 0; r < rows; ++r) {
      float* const place = x + r * stride + j;
      _mm256_store_ps(place, _mm256_mul_ps(_mm256_load_ps(place), factor));
    }
  }
}

// kVectors vectors of columns at once: one alone waits for each of its sums.
template <int kVectors>
FOURFOLD_AVX2_INLINE void NormaliseStrip(const float* y, const float* bias, const float* gain,
                                         const float* shift, float* x, std::size_t stride,
                                         std::size_t rows) {
  const Lanes count = _mm256_set1_ps(static_cast<float>(rows));
  Lanes means[kVectors], scales[kVectors];
  for (int v = 0; v < kVectors; ++v) means[v] = scales[v] = _mm256_setzero_ps();
  for (std::size_t r = 0; r < rows; ++r) {
    const Lanes addend = _mm256_broadcast_ss(bias + r);
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t place = r * stride + kWide * static_cast<std::size_t>(v);
      const Lanes added = _mm256_add_ps(_mm256_load_ps(y + place), addend);
      const Lanes z = _mm256_add_ps(_mm256_load_ps(x + place), added);
      _mm256_store_ps(x + place, z);
      means[v] = _mm256_add_ps(means[v], z);
    }
  }
  for (int v = 0; v < kVectors; ++v) means[v] = _mm256_div_ps(means[v], count);
  for (std::size_t r = 0; r < rows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t place = r * stride + kWide * static_cast<std::size_t>(v);
      const Lanes off = _mm256_sub_ps(_mm256_load_ps(x + place), means[v]);
      scales[v] = _mm256_fmadd_ps(off, off, scales[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    const Lanes variance = _mm256_add_ps(_mm256_div_ps(scales[v], count), _mm256_set1_ps(1e-5f));
    scales[v] = _mm256_div_ps(_mm256_set1_ps(1), _mm256_sqrt_ps(variance));
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const Lanes row_gain = _mm256_broadcast_ss(gain + r),
                row_shift = _mm256_broadcast_ss(shift + r);
    for (int v = 0; v < kVectors; ++v) {
      const std::size_t place = r * stride + kWide * static_cast<std::size_t>(v);
      const Lanes off = _mm256_sub_ps(_mm256_load_ps(x + place), means[v]);
      _mm256_store_ps(x + place,
                      _mm256_fmadd_ps(_mm256_mul_ps(off, scales[v]), row_gain, row_shift));
    }
  }
}

FOURFOLD_AVX2 void AddAndNormalise(const float* y, const float* bias, const float* gain,
                                   const float* shift, float* x, std::size_t stride,
                                   std::size_t rows, std::size_t columns) {
  std::size_t j = 0;
  for (; j + 4 * kWide <= columns; j += 4 * kWide) {
    NormaliseStrip<4>(y + j, bias, gain, shift, x + j, stride, rows);
  }
  for (; j < columns; j += kWide) {
    NormaliseStrip<1>(y + j, bias, gain, shift, x + j, stride, rows);
  }
}

FOURFOLD_AVX2 void Rectify(float* x, std::size_t stride, std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; j += kWide) {
      float* const place = x + r * stride + j;
      // Not a number stays one: max gives its second operand then.
      _mm256_store_ps(place, _mm256_max_ps(_mm256_setzero_ps(), _mm256_load_ps(place)));
    }
  }
}

FOURFOLD_AVX2 void RowMaxima(const float* x, float* maxima, std::size_t stride, std::size_t rows,
                             std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    Lanes largest = _mm256_load_ps(x + r * stride);
    Lanes no_number = _mm256_cmp_ps(largest, largest, _CMP_UNORD_Q);
    for (std::size_t j = kWide; j < columns; j += kWide) {
      const Lanes values = _mm256_load_ps(x + r * stride + j);
      no_number = _mm256_or_ps(no_number, _mm256_cmp_ps(values, values, _CMP_UNORD_Q));
      largest = _mm256_max_ps(largest, values);
    }
    // The bits of the mask are those of a value that is not a number.
    alignas(32) float lanes[kWide];
    _mm256_store_ps(lanes, _mm256_or_ps(largest, no_number));
    float most = lanes[0];
    for (std::size_t i = 1; i < kWide; ++i) {
      if (lanes[i] > most || lanes[i] != lanes[i]) most = lanes[i];
    }
    maxima[r] = most;
  }
}

FOURFOLD_AVX2 void Exp2(const float* x, float subtrahend, float* y, std::size_t columns) {
  const Lanes subtract = _mm256_set1_ps(subtrahend);
  for (std::size_t j = 0; j < columns; j += kWide) {
    _mm256_store_ps(y + j, Power(_mm256_sub_ps(_mm256_load_ps(x + j), subtract)));
  }
}

constexpr ColumnKernels kAvx2 = {"avx2",       Multiply,      MultiplyBfloat16, Soften,
                                 ScaleColumns, DivideColumns, AddAndNormalise,  Rectify,
                                 RowMaxima,    Exp2};

}  // namespace

const ColumnKernels* Avx2ColumnKernels() { return HasAvx2() ? &kAvx2 : nullptr; }

#else

const ColumnKernels* Avx2ColumnKernels() { return nullptr; }

#endif

}  // namespace fourfold
