#pragma once

#include "math/avx512.h"
#include "math/column_kernels.h"

// The product that column and gradient kernels have in common. Only their source files include it.
#if defined(__x86_64__)
namespace fourfold {

inline constexpr std::size_t kWide = 16;

// One tile of a product: kRows rows by kVectors vectors of columns, the last of which may be half a
// one, held in registers over the whole depth. 8 by 3 fill them: 24 sums and 3 vectors of b;
// elements of a come from memory. kOnTop: on top of what stands in c, without a bias.
template <bool kOnTop, int kRows, int kVectors, bool kIsHalf>
FOURFOLD_AVX512_INLINE void TileWide(const float* a, std::size_t row_step, std::size_t column_step,
                                     const float* b, std::size_t b_stride, const float* bias,
                                     float* c, std::size_t c_stride, std::size_t depth) {
  constexpr int kWhole = kIsHalf ? kVectors - 1 : kVectors;
  WideLanes sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    if constexpr (kOnTop) {
      const float* const row = c + static_cast<std::size_t>(r) * c_stride;
      for (int v = 0; v < kWhole; ++v) sums[r][v] = LoadWide<false>(row + kWide * v);
      if constexpr (kIsHalf) sums[r][kWhole] = LoadWide<true>(row + kWide * kWhole);
    } else {
      const WideLanes start = bias == nullptr ? _mm512_setzero_ps() : _mm512_set1_ps(bias[r]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = start;
    }
  }
  for (std::size_t k = 0; k < depth; ++k) {
    WideLanes columns[kVectors];
    for (int v = 0; v < kWhole; ++v) columns[v] = LoadWide<false>(b + kWide * v);
    if constexpr (kIsHalf) columns[kWhole] = LoadWide<true>(b + kWide * kWhole);
    for (int r = 0; r < kRows; ++r) {
      const WideLanes factor = _mm512_set1_ps(a[static_cast<std::size_t>(r) * row_step]);
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = _mm512_fmadd_ps(factor, columns[v], sums[r][v]);
      }
    }
    a += column_step;
    b += b_stride;
  }
  for (int r = 0; r < kRows; ++r) {
    float* const row = c + static_cast<std::size_t>(r) * c_stride;
    for (int v = 0; v < kWhole; ++v) StoreWide<false>(row + kWide * v, sums[r][v]);
    if constexpr (kIsHalf) StoreWide<true>(row + kWide * kWhole, sums[r][kWhole]);
  }
}

// All rows of a strip of kVectors vectors of columns: tiles of 8 rows, then ever smaller ones.
template <bool kOnTop, int kVectors, bool kIsHalf>
FOURFOLD_AVX512 void StripWide(StridedMatrix a, const float* b, std::size_t b_stride,
                               const float* bias, float* c, std::size_t c_stride, std::size_t rows,
                               std::size_t depth) {
  std::size_t r = 0;
  const auto row_bias = [&] { return bias == nullptr ? nullptr : bias + r; };
  for (; r + 8 <= rows; r += 8) {
    TileWide<kOnTop, 8, kVectors, kIsHalf>(a.data + r * a.row_step, a.row_step, a.column_step, b,
                                           b_stride, row_bias(), c + r * c_stride, c_stride, depth);
  }
  if (r + 4 <= rows) {
    TileWide<kOnTop, 4, kVectors, kIsHalf>(a.data + r * a.row_step, a.row_step, a.column_step, b,
                                           b_stride, row_bias(), c + r * c_stride, c_stride, depth);
    r += 4;
  }
  if (r + 2 <= rows) {
    TileWide<kOnTop, 2, kVectors, kIsHalf>(a.data + r * a.row_step, a.row_step, a.column_step, b,
                                           b_stride, row_bias(), c + r * c_stride, c_stride, depth);
    r += 2;
  }
  if (r < rows) {
    TileWide<kOnTop, 1, kVectors, kIsHalf>(a.data + r * a.row_step, a.row_step, a.column_step, b,
                                           b_stride, row_bias(), c + r * c_stride, c_stride, depth);
  }
}

// ColumnKernels::multiply, or GradientKernels::accumulate.
template <bool kOnTop>
FOURFOLD_AVX512_INLINE void MultiplyWide(StridedMatrix a, const float* b, std::size_t b_stride,
                                         const float* bias, float* c, std::size_t c_stride,
                                         std::size_t rows, std::size_t depth, std::size_t columns) {
  std::size_t j = 0;
  for (; j + 3 * kWide <= columns; j += 3 * kWide) {
    StripWide<kOnTop, 3, false>(a, b + j, b_stride, bias, c + j, c_stride, rows, depth);
  }
  switch ((columns - j) / kColumnLanes) {
    case 5:
      return StripWide<kOnTop, 3, true>(a, b + j, b_stride, bias, c + j, c_stride, rows, depth);
    case 4:
      return StripWide<kOnTop, 2, false>(a, b + j, b_stride, bias, c + j, c_stride, rows, depth);
    case 3:
      return StripWide<kOnTop, 2, true>(a, b + j, b_stride, bias, c + j, c_stride, rows, depth);
    case 2:
      return StripWide<kOnTop, 1, false>(a, b + j, b_stride, bias, c + j, c_stride, rows, depth);
    case 1:
      return StripWide<kOnTop, 1, true>(a, b + j, b_stride, bias, c + j, c_stride, rows, depth);
    default:
      return;
  }
}

}  // namespace fourfold
#endif
