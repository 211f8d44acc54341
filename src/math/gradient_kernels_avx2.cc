#include "math/gradient_kernels_avx2.h"

#include <cstring>

#include "math/avx2.h"
#include "math/bfloat16_factors.h"
#include "math/norm_sums_avx2.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

using Integers = __m256i;

constexpr std::size_t kWide = kColumnLanes;

// As the tiles of ColumnKernels::multiply, on top of what is there.
template <int kRows, int kVectors>
FOURFOLD_AVX2_INLINE void Tile(const float* a, std::size_t row_step, std::size_t column_step,
                               const float* b, std::size_t b_stride, float* c, std::size_t c_stride,
                               std::size_t depth) {
  Lanes sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = _mm256_loadu_ps(c + static_cast<std::size_t>(r) * c_stride + kWide * v);
    }
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
      _mm256_storeu_ps(c + static_cast<std::size_t>(r) * c_stride + kWide * v, sums[r][v]);
    }
  }
}

template <int kRows, int kVectors>
FOURFOLD_AVX2_INLINE void Strip(StridedMatrix a, const float* b, std::size_t b_stride, float* c,
                                std::size_t c_stride, std::size_t rows, std::size_t depth) {
  std::size_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    Tile<kRows, kVectors>(a.data + r * a.row_step, a.row_step, a.column_step, b, b_stride,
                          c + r * c_stride, c_stride, depth);
  }
  for (; r < rows; ++r) {
    Tile<1, kVectors>(a.data + r * a.row_step, a.row_step, a.column_step, b, b_stride,
                      c + r * c_stride, c_stride, depth);
  }
}

FOURFOLD_AVX2 void Accumulate(StridedMatrix a, const float* b, std::size_t b_stride, float* c,
                              std::size_t c_stride, std::size_t rows, std::size_t depth,
                              std::size_t columns) {
  std::size_t j = 0;
  for (; j + 3 * kWide <= columns; j += 3 * kWide) {
    Strip<4, 3>(a, b + j, b_stride, c + j, c_stride, rows, depth);
  }
  if (columns - j == 2 * kWide) {
    Strip<6, 2>(a, b + j, b_stride, c + j, c_stride, rows, depth);
  } else if (columns - j == kWide) {
    Strip<8, 1>(a, b + j, b_stride, c + j, c_stride, rows, depth);
  }
}

void AccumulateBfloat16(StridedMatrix a, StridedMatrix b, float* c, std::size_t c_stride,
                        std::size_t rows, std::size_t depth, std::size_t columns) {
  const RoundedFactors rounded = RoundFactors(a, b, rows, depth, columns);
  const std::size_t padded = PaddedColumns(columns);
  Accumulate(rounded.a, rounded.b, padded, c, c_stride, rows, depth, padded);
}

// Eight rows of eight, by interleaving pairs, then quarters, then halves.
FOURFOLD_AVX2_INLINE void TransposeSquare(const Lanes* rows, float* y, std::size_t y_stride) {
  Lanes pairs[8], quarters[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    quarters[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    quarters[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    quarters[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    quarters[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    _mm256_store_ps(y + i * y_stride, _mm256_permute2f128_ps(quarters[i], quarters[i + 4], 0x20));
    _mm256_store_ps(y + (i + 4) * y_stride,
                    _mm256_permute2f128_ps(quarters[i], quarters[i + 4], 0x31));
  }
}

FOURFOLD_AVX2 void Transpose(const float* x, std::size_t x_stride, float* y, std::size_t y_stride,
                             std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; r += kWide) {
    for (std::size_t j = 0; j < columns; j += kWide) {
      Lanes square[kWide];
      for (std::size_t i = 0; i < kWide; ++i) {
        square[i] = r + i < rows ? _mm256_load_ps(x + (r + i) * x_stride + j) : _mm256_setzero_ps();
      }
      TransposeSquare(square, y + j * y_stride + r, y_stride);
    }
  }
}

FOURFOLD_AVX2_INLINE Integers RotateLeft(Integers x, int by) {
  return _mm256_or_si256(_mm256_slli_epi32(x, by), _mm256_srli_epi32(x, 32 - by));
}

FOURFOLD_AVX2_INLINE Integers Step(Integers* s) {
  const Integers result = _mm256_add_epi32(RotateLeft(_mm256_add_epi32(s[0], s[3]), 7), s[0]);
  const Integers shifted = _mm256_slli_epi32(s[1], 9);
  s[2] = _mm256_xor_si256(s[2], s[0]);
  s[3] = _mm256_xor_si256(s[3], s[1]);
  s[1] = _mm256_xor_si256(s[1], s[2]);
  s[0] = _mm256_xor_si256(s[0], s[3]);
  s[2] = _mm256_xor_si256(s[2], shifted);
  s[3] = RotateLeft(s[3], 11);
  return result;
}

FOURFOLD_AVX2 void Draw(DropoutRandom* random, std::uint16_t threshold, std::uint8_t* kept,
                        std::size_t bytes) {
  Integers state[4];
  for (int i = 0; i < 4; ++i) {
    state[i] = _mm256_loadu_si256(reinterpret_cast<const Integers*>(random->state[i]));
  }
  const Integers least = _mm256_set1_epi16(static_cast<short>(threshold));
  for (std::size_t at = 0; at < bytes; at += 4) {
    const Integers first = Step(state);
    const Integers second = Step(state);
    const Integers packed =
        _mm256_packs_epi16(_mm256_cmpeq_epi16(_mm256_max_epu16(first, least), first),
                           _mm256_cmpeq_epi16(_mm256_max_epu16(second, least), second));
    const int bits = _mm256_movemask_epi8(packed);
    std::memcpy(kept + at, &bits, sizeof(bits));
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_si256(reinterpret_cast<Integers*>(random->state[i]), state[i]);
  }
}

// All ones in the lanes whose bit is set.
FOURFOLD_AVX2_INLINE Lanes LanesOf(std::uint8_t bits) {
  const Integers places = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const Integers spread = _mm256_and_si256(_mm256_set1_epi32(bits), places);
  return _mm256_castsi256_ps(_mm256_cmpeq_epi32(spread, places));
}

FOURFOLD_AVX2_INLINE Lanes Kept(Lanes x, const std::uint8_t* kept, std::size_t element) {
  return kept == nullptr ? x : _mm256_and_ps(x, LanesOf(kept[element / 8]));
}

FOURFOLD_AVX2 void Keep(const float* x, const std::uint8_t* kept, float scale, float* y,
                        std::size_t elements) {
  const Lanes factor = _mm256_set1_ps(scale);
  for (std::size_t i = 0; i < elements; i += kWide) {
    _mm256_store_ps(y + i, Kept(_mm256_mul_ps(_mm256_load_ps(x + i), factor), kept, i));
  }
}

FOURFOLD_AVX2 void RectifyGradient(const float* y, float scale, float* gradient,
                                   std::size_t elements) {
  const Lanes factor = _mm256_set1_ps(scale);
  for (std::size_t i = 0; i < elements; i += kWide) {
    const Lanes is_above = _mm256_cmp_ps(_mm256_load_ps(y + i), _mm256_setzero_ps(), _CMP_GT_OQ);
    const Lanes scaled = _mm256_mul_ps(_mm256_load_ps(gradient + i), factor);
    _mm256_store_ps(gradient + i, _mm256_and_ps(scaled, is_above));
  }
}

FOURFOLD_AVX2 void AddAndNormalise(const float* y, const float* bias, const std::uint8_t* kept,
                                   float scale, const float* gain, const float* shift, float* x,
                                   float* normalised, float* scales, std::size_t rows,
                                   std::size_t columns) {
  const Lanes count = _mm256_set1_ps(static_cast<float>(rows));
  const Lanes factor = _mm256_set1_ps(scale);
  for (std::size_t j = 0; j < columns; j += kWide) {
    Lanes sum = _mm256_setzero_ps();
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      const Lanes added = _mm256_add_ps(_mm256_load_ps(y + i), _mm256_broadcast_ss(bias + r));
      const Lanes z =
          _mm256_add_ps(_mm256_load_ps(x + i), Kept(_mm256_mul_ps(added, factor), kept, i));
      _mm256_store_ps(normalised + i, z);
      sum = _mm256_add_ps(sum, z);
    }
    const Lanes mean = _mm256_div_ps(sum, count);
    Lanes squares = _mm256_setzero_ps();
    for (std::size_t r = 0; r < rows; ++r) {
      const Lanes off = _mm256_sub_ps(_mm256_load_ps(normalised + r * columns + j), mean);
      squares = _mm256_fmadd_ps(off, off, squares);
    }
    const Lanes variance = _mm256_add_ps(_mm256_div_ps(squares, count), _mm256_set1_ps(1e-5f));
    const Lanes inverse = _mm256_div_ps(_mm256_set1_ps(1), _mm256_sqrt_ps(variance));
    _mm256_store_ps(scales + j, inverse);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      const Lanes normal =
          _mm256_mul_ps(_mm256_sub_ps(_mm256_load_ps(normalised + i), mean), inverse);
      _mm256_store_ps(normalised + i, normal);
      _mm256_store_ps(x + i, _mm256_fmadd_ps(normal, _mm256_broadcast_ss(gain + r),
                                             _mm256_broadcast_ss(shift + r)));
    }
  }
}

FOURFOLD_AVX2 void NormaliseGradient(const float* normalised, const float* scales,
                                     const float* gain, float* gradient, float* gain_gradient,
                                     float* shift_gradient, std::size_t rows, std::size_t columns) {
  AddNormSums(normalised, gradient, gain_gradient, shift_gradient, rows, columns);
  const Lanes share = _mm256_set1_ps(1 / static_cast<float>(rows));
  for (std::size_t j = 0; j < columns; j += kWide) {
    Lanes sum = _mm256_setzero_ps(), product = _mm256_setzero_ps();
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      const Lanes by_normal =
          _mm256_mul_ps(_mm256_load_ps(gradient + i), _mm256_broadcast_ss(gain + r));
      sum = _mm256_add_ps(sum, by_normal);
      product = _mm256_fmadd_ps(by_normal, _mm256_load_ps(normalised + i), product);
    }
    sum = _mm256_mul_ps(sum, share);
    product = _mm256_mul_ps(product, share);
    const Lanes inverse = _mm256_load_ps(scales + j);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      const Lanes by_normal =
          _mm256_fmsub_ps(_mm256_load_ps(gradient + i), _mm256_broadcast_ss(gain + r), sum);
      const Lanes rest = _mm256_fnmadd_ps(_mm256_load_ps(normalised + i), product, by_normal);
      _mm256_store_ps(gradient + i, _mm256_mul_ps(rest, inverse));
    }
  }
}

FOURFOLD_AVX2 void SoftenGradient(const float* p, const std::uint8_t* kept, float scale,
                                  float* gradient, std::size_t rows, std::size_t columns) {
  const Lanes factor = _mm256_set1_ps(scale);
  const Lanes ln2 = _mm256_set1_ps(0.6931471805599453f);
  for (std::size_t j = 0; j < columns; j += kWide) {
    Lanes sum = _mm256_setzero_ps();
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      const Lanes value = Kept(_mm256_mul_ps(_mm256_load_ps(gradient + i), factor), kept, i);
      _mm256_store_ps(gradient + i, value);
      sum = _mm256_fmadd_ps(value, _mm256_load_ps(p + i), sum);
    }
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * columns + j;
      const Lanes weight = _mm256_mul_ps(_mm256_load_ps(p + i), ln2);
      const Lanes off = _mm256_sub_ps(_mm256_load_ps(gradient + i), sum);
      _mm256_store_ps(gradient + i, _mm256_mul_ps(weight, off));
    }
  }
}

FOURFOLD_AVX2 void ScaleRows(const float* x, const float* gain, const float* shift, float* y,
                             std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    const Lanes factor = _mm256_broadcast_ss(gain + r), addend = _mm256_broadcast_ss(shift + r);
    for (std::size_t i = r * columns; i < (r + 1) * columns; i += kWide) {
      _mm256_store_ps(y + i, _mm256_fmadd_ps(_mm256_load_ps(x + i), factor, addend));
    }
  }
}

FOURFOLD_AVX2 void AddRowSums(const float* x, float* sums, std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r) {
    Lanes sum = _mm256_setzero_ps();
    for (std::size_t i = r * columns; i < (r + 1) * columns; i += kWide) {
      sum = _mm256_add_ps(sum, _mm256_load_ps(x + i));
    }
    sums[r] += Sum(sum);
  }
}

FOURFOLD_AVX2 void Add(const float* x, float* y, std::size_t elements) {
  for (std::size_t i = 0; i < elements; i += kWide) {
    _mm256_store_ps(y + i, _mm256_add_ps(_mm256_load_ps(x + i), _mm256_load_ps(y + i)));
  }
}

constexpr GradientKernels kAvx2 = {"avx2",
                                   Accumulate,
                                   AccumulateBfloat16,
                                   Transpose,
                                   Draw,
                                   Keep,
                                   RectifyGradient,
                                   AddAndNormalise,
                                   NormaliseGradient,
                                   SoftenGradient,
                                   ScaleRows,
                                   AddRowSums,
                                   Add};

}  // namespace

const GradientKernels* Avx2GradientKernels() { return HasAvx2() ? &kAvx2 : nullptr; }

#else

const GradientKernels* Avx2GradientKernels() { return nullptr; }

#endif

}  // namespace fourfold
