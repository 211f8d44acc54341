#include "math/column_kernels_avx512_bfloat16.h"

#include <vector>

#include "math/avx512_bfloat16.h"
#include "math/bfloat16.h"
#include "math/column_kernels_avx512.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

constexpr std::size_t kWide = 16;

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

std::size_t PaddedWide(std::size_t size) { return (size + kWide - 1) / kWide * kWide; }

FOURFOLD_AVX512_BFLOAT16_INLINE WideLanes LoadFirst(const float* x, std::size_t size) {
  if (size >= kWide) return _mm512_loadu_ps(x);
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << size) - 1), x);
}

// Pairs of two rows each, which are `stride` apart: [pairs][size, padded].
FOURFOLD_AVX512_BFLOAT16 void PackRowPairs(const float* x, std::size_t stride, std::size_t depth,
                                           std::size_t size, std::uint32_t* packed) {
  for (std::size_t k = 0; k < depth; k += 2) {
    const float* const first = x + k * stride;
    for (std::size_t i = 0; i < size; i += kWide) {
      const WideLanes second =
          k + 1 < depth ? LoadFirst(first + stride + i, size - i) : _mm512_setzero_ps();
      StorePairs(packed, PairsOf(LoadFirst(first + i, size - i), second));
      packed += kWide;
    }
  }
}

// Rows whose elements follow each other: [rows][depth / 2, padded].
FOURFOLD_AVX512_BFLOAT16 void PackRows(const float* x, std::size_t stride, std::size_t rows,
                                       std::size_t depth, std::uint32_t* packed) {
  for (std::size_t r = 0; r < rows; ++r) {
    const float* const row = x + r * stride;
    for (std::size_t k = 0; k < depth; k += kWide) {
      const auto halves = (__m256i)_mm512_cvtneps_pbh(LoadFirst(row + k, depth - k));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed), halves);
      packed += kWide / 2;
    }
  }
}

FOURFOLD_AVX512_BFLOAT16 StridedPairs Pack(StridedMatrix a, std::size_t rows, std::size_t depth) {
  thread_local PairMemory memory;
  if (a.row_step == 1 && a.column_step != 1) {
    const std::size_t step = PaddedWide(rows);
    std::uint32_t* const packed = memory.Reserve((depth + 1) / 2 * step);
    PackRowPairs(a.data, a.column_step, depth, rows, packed);
    return {packed, 1, step};
  }
  const std::size_t step = PaddedWide(depth) / 2;
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
template <int kRows, int kVectors, bool kIsHalf>
FOURFOLD_AVX512_BFLOAT16_INLINE void Tile(StridedPairs a, const std::uint32_t* b,
                                          std::size_t b_stride, const float* bias, float* c,
                                          std::size_t c_stride, std::size_t pairs) {
  constexpr int kWhole = kIsHalf ? kVectors - 1 : kVectors;
  WideLanes sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    const WideLanes start = bias == nullptr ? _mm512_setzero_ps() : _mm512_set1_ps(bias[r]);
    for (int v = 0; v < kVectors; ++v) sums[r][v] = start;
  }
  for (std::size_t p = 0; p < pairs; ++p) {
    WidePairs columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = LoadPairs(b + kWide * v);
    for (int r = 0; r < kRows; ++r) {
      const WidePairs factor = _mm512_set1_epi32(
          static_cast<int>(a.data[static_cast<std::size_t>(r) * a.row_step + p * a.pair_step]));
      for (int v = 0; v < kVectors; ++v) sums[r][v] = AddProducts(factor, columns[v], sums[r][v]);
    }
    b += b_stride;
  }
  for (int r = 0; r < kRows; ++r) {
    float* const row = c + static_cast<std::size_t>(r) * c_stride;
    for (int v = 0; v < kWhole; ++v) StoreWide<false>(row + kWide * v, sums[r][v]);
    if constexpr (kIsHalf) StoreWide<true>(row + kWide * kWhole, sums[r][kWhole]);
  }
}

template <int kVectors, bool kIsHalf>
FOURFOLD_AVX512_BFLOAT16 void Strip(StridedPairs a, const std::uint32_t* b, std::size_t b_stride,
                                    const float* bias, float* c, std::size_t c_stride,
                                    std::size_t rows, std::size_t pairs) {
  std::size_t r = 0;
  const auto row_bias = [&] { return bias == nullptr ? nullptr : bias + r; };
  const auto from = [&] { return StridedPairs{a.data + r * a.row_step, a.row_step, a.pair_step}; };
  for (; r + 8 <= rows; r += 8) {
    Tile<8, kVectors, kIsHalf>(from(), b, b_stride, row_bias(), c + r * c_stride, c_stride, pairs);
  }
  if (r + 4 <= rows) {
    Tile<4, kVectors, kIsHalf>(from(), b, b_stride, row_bias(), c + r * c_stride, c_stride, pairs);
    r += 4;
  }
  if (r + 2 <= rows) {
    Tile<2, kVectors, kIsHalf>(from(), b, b_stride, row_bias(), c + r * c_stride, c_stride, pairs);
    r += 2;
  }
  if (r < rows) {
    Tile<1, kVectors, kIsHalf>(from(), b, b_stride, row_bias(), c + r * c_stride, c_stride, pairs);
  }
}

FOURFOLD_AVX512_BFLOAT16 void MultiplyBfloat16(StridedMatrix a, const float* b,
                                               std::size_t b_stride, const float* bias, float* c,
                                               std::size_t c_stride, std::size_t rows,
                                               std::size_t depth, std::size_t columns) {
  thread_local PairMemory memory;
  const std::size_t pairs = (depth + 1) / 2, stride = PaddedWide(columns);
  std::uint32_t* packed = memory.Reserve(pairs * stride);
  PackRowPairs(b, b_stride, depth, columns, packed);
  const StridedPairs factors = Pack(a, rows, depth);
  std::size_t j = 0;
  for (; j + 3 * kWide <= columns; j += 3 * kWide) {
    Strip<3, false>(factors, packed + j, stride, bias, c + j, c_stride, rows, pairs);
  }
  packed += j;
  c += j;
  switch ((columns - j) / kColumnLanes) {
    case 5:
      return Strip<3, true>(factors, packed, stride, bias, c, c_stride, rows, pairs);
    case 4:
      return Strip<2, false>(factors, packed, stride, bias, c, c_stride, rows, pairs);
    case 3:
      return Strip<2, true>(factors, packed, stride, bias, c, c_stride, rows, pairs);
    case 2:
      return Strip<1, false>(factors, packed, stride, bias, c, c_stride, rows, pairs);
    case 1:
      return Strip<1, true>(factors, packed, stride, bias, c, c_stride, rows, pairs);
    default:
      return;
  }
}

}  // namespace

const ColumnKernels* Avx512Bfloat16ColumnKernels() {
  static const ColumnKernels kernels = [] {
    const ColumnKernels* const avx512 = Avx512ColumnKernels();
    ColumnKernels made = avx512 == nullptr ? ColumnKernels{} : *avx512;
    made.name = "avx512_bfloat16";
    made.multiply_bfloat16 = MultiplyBfloat16;
    return made;
  }();
  return HasAvx512Bfloat16() && Avx512ColumnKernels() != nullptr ? &kernels : nullptr;
}

#else

const ColumnKernels* Avx512Bfloat16ColumnKernels() { return nullptr; }

#endif

}  // namespace fourfold
