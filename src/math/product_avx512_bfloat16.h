#pragma once

#include <algorithm>
#include <vector>

#include "math/avx512_bfloat16.h"
#include "math/bfloat16.h"
#include "math/column_kernels.h"

// The product of bfloat16 that column and gradient kernels have in common. Only their source files
// include it.
#if defined(__x86_64__)
namespace fourfold {

// Elements of a vector of float32.
inline constexpr std::size_t kPairsWide = 16;

// Memory of the calling thread that stops growing.
class PairMemory {
 public:
  std::uint32_t* Reserve(std::size_t size) {
    if (pairs_.size() < size) pairs_.resize(size);
    return pairs_.data();
  }

 private:
  std::vector<std::uint32_t> pairs_;
};

// Element (r, p) stands for elements (r, 2 p) and (r, 2 p + 1) of a matrix.
struct StridedPairs {
  const std::uint32_t* data;
  std::size_t row_step;
  std::size_t pair_step;
};

inline std::size_t PaddedWide(std::size_t size) {
  return (size + kPairsWide - 1) / kPairsWide * kPairsWide;
}

// Of a vector its first `size` elements.
inline __mmask16 FirstLanes(std::size_t size) {
  return static_cast<__mmask16>(size >= kPairsWide ? 0xffff : (1u << size) - 1);
}

// Pairs of two rows each, which are `stride` apart: [pairs][size, padded].
FOURFOLD_AVX512_BFLOAT16 inline void PackRowPairs(const float* x, std::size_t stride,
                                                  std::size_t depth, std::size_t size,
                                                  std::uint32_t* packed) {
  const std::size_t whole = size / kPairsWide * kPairsWide;
  const __mmask16 rest = FirstLanes(size - whole);
  for (std::size_t k = 0; k < depth; k += 2) {
    const float* const first = x + k * stride;
    if (k + 1 == depth) {
      for (std::size_t i = 0; i < size; i += kPairsWide, packed += kPairsWide) {
        const WideLanes lanes = _mm512_maskz_loadu_ps(FirstLanes(size - i), first + i);
        StorePairs(packed, PairsOf(lanes, _mm512_setzero_ps()));
      }
      return;
    }
    const float* const second = first + stride;
    for (std::size_t i = 0; i < whole; i += kPairsWide, packed += kPairsWide) {
      StorePairs(packed, PairsOf(_mm512_loadu_ps(first + i), _mm512_loadu_ps(second + i)));
    }
    if (rest == 0) continue;
    StorePairs(packed, PairsOf(_mm512_maskz_loadu_ps(rest, first + whole),
                               _mm512_maskz_loadu_ps(rest, second + whole)));
    packed += kPairsWide;
  }
}

// Sixteen pairs of elements that follow each other, by which lanes of two vectors there are.
FOURFOLD_AVX512_BFLOAT16_INLINE WidePairs PairsInRow(const float* x, __mmask16 first,
                                                     __mmask16 second) {
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(second, x + kPairsWide),
                                      _mm512_maskz_loadu_ps(first, x));
}

// Rows whose elements follow each other: [rows][depth / 2, padded].
FOURFOLD_AVX512_BFLOAT16 inline void PackRows(const float* x, std::size_t stride, std::size_t rows,
                                              std::size_t depth, std::uint32_t* packed) {
  constexpr std::size_t kTwo = 2 * kPairsWide;
  const std::size_t whole = depth / kTwo * kTwo, left = depth - whole;
  const __mmask16 first = FirstLanes(left);
  const __mmask16 second = left > kPairsWide ? FirstLanes(left - kPairsWide) : 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* const row = x + r * stride;
    for (std::size_t k = 0; k < whole; k += kTwo, packed += kPairsWide) {
      StorePairs(packed, PairsInRow(row + k, 0xffff, 0xffff));
    }
    if (whole == depth) continue;
    StorePairs(packed, PairsInRow(row + whole, first, second));
    packed += kPairsWide;
  }
}

// Sixteen rows of sixteen pairs, by interleaving ones, then twos, then quarters of vectors.
FOURFOLD_AVX512_BFLOAT16_INLINE void TransposePairs(WidePairs* rows) {
  WidePairs twos[16], fours[16];
  for (int i = 0; i < 16; i += 2) {
    twos[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    twos[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int half = 0; half < 2; ++half) {
      fours[i + 2 * half] = _mm512_unpacklo_epi64(twos[i + half], twos[i + half + 2]);
      fours[i + 2 * half + 1] = _mm512_unpackhi_epi64(twos[i + half], twos[i + half + 2]);
    }
  }
  // fours[4 g + p] holds pair 4 q + p of rows 4 g to 4 g + 3 in quarter q.
  for (int p = 0; p < 4; ++p) {
    const WidePairs low_even = _mm512_shuffle_i32x4(fours[p], fours[4 + p], 0x88);
    const WidePairs low_odd = _mm512_shuffle_i32x4(fours[p], fours[4 + p], 0xdd);
    const WidePairs high_even = _mm512_shuffle_i32x4(fours[8 + p], fours[12 + p], 0x88);
    const WidePairs high_odd = _mm512_shuffle_i32x4(fours[8 + p], fours[12 + p], 0xdd);
    rows[p] = _mm512_shuffle_i32x4(low_even, high_even, 0x88);
    rows[4 + p] = _mm512_shuffle_i32x4(low_odd, high_odd, 0x88);
    rows[8 + p] = _mm512_shuffle_i32x4(low_even, high_even, 0xdd);
    rows[12 + p] = _mm512_shuffle_i32x4(low_odd, high_odd, 0xdd);
  }
}

// Sixteen pairs of each of sixteen rows become columns; of fewer where less is there.
template <bool kIsWhole>
FOURFOLD_AVX512_BFLOAT16_INLINE void PackSquare(const float* x, std::size_t stride,
                                                std::size_t depth, std::size_t size,
                                                std::uint32_t* packed, std::size_t step) {
  const std::size_t pairs = kIsWhole ? kPairsWide : std::min(kPairsWide, (depth + 1) / 2);
  const __mmask16 first = FirstLanes(depth);
  const __mmask16 second = depth > kPairsWide ? FirstLanes(depth - kPairsWide) : 0;
  WidePairs rows[kPairsWide];
  for (std::size_t r = 0; r < kPairsWide; ++r) {
    if constexpr (kIsWhole) {
      rows[r] = PairsInRow(x + r * stride, 0xffff, 0xffff);
    } else {
      const __mmask16 is_there = r < size ? 0xffff : 0;
      rows[r] = PairsInRow(x + std::min(r, size - 1) * stride, first & is_there, second & is_there);
    }
  }
  TransposePairs(rows);
  for (std::size_t r = 0; r < kPairsWide; ++r) {
    if (r < pairs) StorePairs(packed + r * step, rows[r]);
  }
}

// As PackRowPairs of the transposed matrix: its rows stand as columns, `size` of them, `stride`
// apart, whose elements follow each other.
FOURFOLD_AVX512_BFLOAT16 inline void PackTransposed(const float* x, std::size_t stride,
                                                    std::size_t depth, std::size_t size,
                                                    std::uint32_t* packed) {
  constexpr std::size_t kTwo = 2 * kPairsWide;
  const std::size_t step = PaddedWide(size);
  for (std::size_t i = 0; i < size; i += kPairsWide) {
    for (std::size_t k = 0; k < depth; k += kTwo) {
      const float* const from = x + i * stride + k;
      std::uint32_t* const to = packed + k / 2 * step + i;
      if (i + kPairsWide <= size && k + kTwo <= depth) {
        PackSquare<true>(from, stride, kTwo, kPairsWide, to, step);
      } else {
        PackSquare<false>(from, stride, depth - k, size - i, to, step);
      }
    }
  }
}

FOURFOLD_AVX512_BFLOAT16 inline StridedPairs PackFactor(StridedMatrix a, std::size_t rows,
                                                        std::size_t depth) {
  thread_local PairMemory memory;
  if (a.row_step == 1 && a.column_step != 1) {
    const std::size_t step = PaddedWide(rows);
    std::uint32_t* const packed = memory.Reserve((depth + 1) / 2 * step);
    PackRowPairs(a.data, a.column_step, depth, rows, packed);
    return {packed, 1, step};
  }
  const std::size_t step = PaddedWide((depth + 1) / 2);
  std::uint32_t* const packed = memory.Reserve(rows * step);
  if (a.column_step == 1) {
    PackRows(a.data, a.row_step, rows, depth, packed);
    return {packed, step, 1};
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t k = 0; k < depth; k += 2) {
      const float* const first = a.data + r * a.row_step + k * a.column_step;
      const std::uint32_t second = k + 1 < depth ? ToBfloat16(first[a.column_step]) : 0;
      packed[r * step + k / 2] = second << 16 | ToBfloat16(*first);
    }
  }
  return {packed, step, 1};
}

// As the tiles of float32, two steps of the depth at once. Rows of b are padded to whole vectors.
template <bool kOnTop, int kRows, int kVectors, bool kIsHalf>
FOURFOLD_AVX512_BFLOAT16_INLINE void TilePairs(StridedPairs a, const std::uint32_t* b,
                                               std::size_t b_stride, const float* bias, float* c,
                                               std::size_t c_stride, std::size_t pairs) {
  constexpr int kWhole = kIsHalf ? kVectors - 1 : kVectors;
  WideLanes sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    if constexpr (kOnTop) {
      const float* const row = c + static_cast<std::size_t>(r) * c_stride;
      for (int v = 0; v < kWhole; ++v) sums[r][v] = LoadWide<false>(row + kPairsWide * v);
      if constexpr (kIsHalf) sums[r][kWhole] = LoadWide<true>(row + kPairsWide * kWhole);
    } else {
      const WideLanes start = bias == nullptr ? _mm512_setzero_ps() : _mm512_set1_ps(bias[r]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = start;
    }
  }
  for (std::size_t p = 0; p < pairs; ++p) {
    WidePairs columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = LoadPairs(b + kPairsWide * v);
    for (int r = 0; r < kRows; ++r) {
      const WidePairs factor = _mm512_set1_epi32(
          static_cast<int>(a.data[static_cast<std::size_t>(r) * a.row_step + p * a.pair_step]));
      for (int v = 0; v < kVectors; ++v) sums[r][v] = AddProducts(factor, columns[v], sums[r][v]);
    }
    b += b_stride;
  }
  for (int r = 0; r < kRows; ++r) {
    float* const row = c + static_cast<std::size_t>(r) * c_stride;
    for (int v = 0; v < kWhole; ++v) StoreWide<false>(row + kPairsWide * v, sums[r][v]);
    if constexpr (kIsHalf) StoreWide<true>(row + kPairsWide * kWhole, sums[r][kWhole]);
  }
}

// All rows of a strip of kVectors vectors of columns. The instruction takes six steps, two begin in
// each: a tile needs twelve sums to keep it busy.
template <bool kOnTop, int kVectors, bool kIsHalf>
FOURFOLD_AVX512_BFLOAT16 void StripPairs(StridedPairs a, const std::uint32_t* b,
                                         std::size_t b_stride, const float* bias, float* c,
                                         std::size_t c_stride, std::size_t rows,
                                         std::size_t pairs) {
  std::size_t r = 0;
  const auto row_bias = [&] { return bias == nullptr ? nullptr : bias + r; };
  const auto from = [&] { return StridedPairs{a.data + r * a.row_step, a.row_step, a.pair_step}; };
  if constexpr (kVectors == 1) {
    for (; r + 16 <= rows; r += 16) {
      TilePairs<kOnTop, 16, 1, kIsHalf>(from(), b, b_stride, row_bias(), c + r * c_stride, c_stride,
                                        pairs);
    }
  }
  for (; r + 8 <= rows; r += 8) {
    TilePairs<kOnTop, 8, kVectors, kIsHalf>(from(), b, b_stride, row_bias(), c + r * c_stride,
                                            c_stride, pairs);
  }
  if (r + 4 <= rows) {
    TilePairs<kOnTop, 4, kVectors, kIsHalf>(from(), b, b_stride, row_bias(), c + r * c_stride,
                                            c_stride, pairs);
    r += 4;
  }
  if (r + 2 <= rows) {
    TilePairs<kOnTop, 2, kVectors, kIsHalf>(from(), b, b_stride, row_bias(), c + r * c_stride,
                                            c_stride, pairs);
    r += 2;
  }
  if (r < rows) {
    TilePairs<kOnTop, 1, kVectors, kIsHalf>(from(), b, b_stride, row_bias(), c + r * c_stride,
                                            c_stride, pairs);
  }
}

// All rows of the last strip or a whole one, whose columns are packed.
template <bool kOnTop>
FOURFOLD_AVX512_BFLOAT16 void PairsOfStrip(StridedPairs a, const std::uint32_t* b,
                                           const float* bias, float* c, std::size_t c_stride,
                                           std::size_t rows, std::size_t pairs,
                                           std::size_t columns) {
  const std::size_t stride = PaddedWide(columns);
  switch (PaddedColumns(columns) / kColumnLanes) {
    case 6:
      return StripPairs<kOnTop, 3, false>(a, b, stride, bias, c, c_stride, rows, pairs);
    case 5:
      return StripPairs<kOnTop, 3, true>(a, b, stride, bias, c, c_stride, rows, pairs);
    case 4:
      return StripPairs<kOnTop, 2, false>(a, b, stride, bias, c, c_stride, rows, pairs);
    case 3:
      return StripPairs<kOnTop, 2, true>(a, b, stride, bias, c, c_stride, rows, pairs);
    case 2:
      return StripPairs<kOnTop, 1, false>(a, b, stride, bias, c, c_stride, rows, pairs);
    default:
      return StripPairs<kOnTop, 1, true>(a, b, stride, bias, c, c_stride, rows, pairs);
  }
}

// ColumnKernels::multiply_bfloat16, or GradientKernels::accumulate_bfloat16. A block of the depth
// of a strip stays in the first cache while rows pass, one of some rows in the second. Without a
// depth the sums are empty.
template <bool kOnTop>
FOURFOLD_AVX512_BFLOAT16 void MultiplyPairs(StridedMatrix a, StridedMatrix b, const float* bias,
                                            float* c, std::size_t c_stride, std::size_t rows,
                                            std::size_t depth, std::size_t columns) {
  constexpr std::size_t kStrip = 3 * kPairsWide, kDepthBlock = 384, kRowBlock = 256;
  thread_local PairMemory memory;
  if (depth == 0 && !kOnTop) {
    for (std::size_t r = 0; r < rows; ++r) {
      std::fill_n(c + r * c_stride, columns, bias == nullptr ? 0.0F : bias[r]);
    }
  }
  for (std::size_t k = 0; k < depth; k += kDepthBlock) {
    const std::size_t size = std::min(kDepthBlock, depth - k), pairs = (size + 1) / 2;
    std::uint32_t* const packed = memory.Reserve(pairs * PaddedWide(columns));
    for (std::size_t j = 0; j < columns; j += kStrip) {
      const float* const from = b.data + k * b.row_step + j * b.column_step;
      const std::size_t width = std::min(kStrip, columns - j);
      if (b.column_step == 1) {
        PackRowPairs(from, b.row_step, size, width, packed + j * pairs);
      } else {
        PackTransposed(from, b.column_step, size, width, packed + j * pairs);
      }
    }
    for (std::size_t r = 0; r < rows; r += kRowBlock) {
      const std::size_t height = std::min(kRowBlock, rows - r);
      const StridedPairs factors = PackFactor(
          {a.data + r * a.row_step + k * a.column_step, a.row_step, a.column_step}, height, size);
      for (std::size_t j = 0; j < columns; j += kStrip) {
        const std::uint32_t* const strip = packed + j * pairs;
        const std::size_t width = std::min(kStrip, columns - j);
        float* const to = c + r * c_stride + j;
        if (kOnTop || k > 0) {
          PairsOfStrip<true>(factors, strip, nullptr, to, c_stride, height, pairs, width);
        } else {
          PairsOfStrip<false>(factors, strip, bias == nullptr ? nullptr : bias + r, to, c_stride,
                              height, pairs, width);
        }
      }
    }
  }
}

}  // namespace fourfold
#endif
