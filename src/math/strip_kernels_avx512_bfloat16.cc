#include "math/strip_kernels_avx512_bfloat16.h"

#include <algorithm>

#include "math/avx512_bfloat16.h"
#include "math/strip_kernels_avx512.h"
#include "math/strips_avx512.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

constexpr std::size_t kWide = 16;
constexpr std::size_t kPairColumns = 2 * kStripColumns;
constexpr std::size_t kPairsMax = PackedMatrix::kDepthBlock / 2;
constexpr int kPanelRows = static_cast<int>(PackedMatrix::kPanelRows);
// So many rows of a depth block stay in the second cache while the strips pass.
constexpr std::size_t kRowBlock = 256;

// A depth block of some rows of weights with one strip or two neighbours.
struct Part {
  const std::uint32_t* panels;  // of the rows
  const std::uint32_t* x;       // [pairs][kPairColumns]
  std::size_t pairs;
  const float* bias;  // of the rows; null: the sums so far stand in y
  std::size_t rows;
  StripProduct::End end;  // kPlain while more blocks follow
  const float* first[2];  // of each strip, from the first of the rows on
  const float* before[2];
  float* y[2];
};

// Rounds a depth block of the strips: [pairs][kPairColumns].
template <int kHalves>
FOURFOLD_AVX512_BFLOAT16 void Pack(const float* const* x, std::size_t depth,
                                   std::uint32_t* packed) {
  for (std::size_t k = 0; k < depth; k += 2, packed += kPairColumns) {
    for (int v = 0; v < (kHalves + 1) / 2; ++v) {
      const WideLanes first = LoadStrips<kHalves>(x, k * kStripColumns, v);
      const WideLanes second =
          k + 1 < depth ? LoadStrips<kHalves>(x, (k + 1) * kStripColumns, v) : _mm512_setzero_ps();
      StorePairs(packed + kWide * static_cast<std::size_t>(v), PairsOf(first, second));
    }
  }
}

// As the tiles of float32, two steps of the depth at once.
template <int kPanels, int kHalves>
FOURFOLD_AVX512_BFLOAT16_INLINE void Tile(const Part& part, std::size_t row) {
  constexpr int kRows = kPanels * kPanelRows, kVectors = (kHalves + 1) / 2;
  const auto row_at = [&](int r) { return (row + static_cast<std::size_t>(r)) * kStripColumns; };
  WideLanes sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = part.bias == nullptr ? LoadStrips<kHalves>(part.y, row_at(r), v)
                                        : _mm512_set1_ps(part.bias[row + r]);
    }
  }
  const std::uint32_t* const panels = part.panels + row * part.pairs;
  const std::size_t panel_step = kPanelRows * part.pairs;
  for (std::size_t p = 0; p < part.pairs; ++p) {
    WidePairs columns[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      columns[v] = LoadPairs(part.x + p * kPairColumns + kWide * static_cast<std::size_t>(v));
    }
    for (int r = 0; r < kRows; ++r) {
      const std::size_t panel = static_cast<std::size_t>(r / kPanelRows) * panel_step;
      const WidePairs factor =
          _mm512_set1_epi32(static_cast<int>(panels[panel + p * kPanelRows + r % kPanelRows]));
      for (int v = 0; v < kVectors; ++v) sums[r][v] = AddProducts(factor, columns[v], sums[r][v]);
    }
  }
  if (part.end == StripProduct::End::kRectify) {
    // Not a number stays one: max gives its second operand then.
    for (auto& row_sums : sums) {
      for (WideLanes& sum : row_sums) sum = _mm512_max_ps(_mm512_setzero_ps(), sum);
    }
  } else if (part.end == StripProduct::End::kCross) {
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = _mm512_fmadd_ps(LoadStrips<kHalves>(part.first, row_at(r), v), sums[r][v],
                                     LoadStrips<kHalves>(part.before, row_at(r), v));
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) StoreStrips<kHalves>(part.y, row_at(r), v, sums[r][v]);
  }
}

template <int kHalves>
FOURFOLD_AVX512_BFLOAT16 void Tiles(Part part, const float* const* x, std::size_t depth) {
  alignas(64) std::uint32_t packed[kPairsMax * kPairColumns];
  Pack<kHalves>(x, depth, packed);
  part.x = packed;
  constexpr std::size_t kTwoPanels = std::size_t{2} * kPanelRows;
  std::size_t row = 0;
  for (; row + kTwoPanels <= part.rows; row += kTwoPanels) Tile<2, kHalves>(part, row);
  if (row < part.rows) Tile<1, kHalves>(part, row);
}

void MultiplyPart(const Part& part, const float* const* x, std::size_t depth, std::size_t columns) {
  switch ((columns + kStripHalf - 1) / kStripHalf) {
    case 1:
      return Tiles<1>(part, x, depth);
    case 2:
      return Tiles<2>(part, x, depth);
    case 3:
      return Tiles<3>(part, x, depth);
    case 4:
      return Tiles<4>(part, x, depth);
    case 5:
      return Tiles<5>(part, x, depth);
    default:
      return Tiles<6>(part, x, depth);
  }
}

void Multiply(const StripProduct& product) {
  const PackedMatrix& weight = *product.weight;
  if (weight.precision() == Precision::kFloat32) return Avx512StripKernels()->multiply(product);
  const std::size_t depth = weight.depth(), rows = weight.rows();
  Part part{};
  for (std::size_t k = 0; k < depth; k += PackedMatrix::kDepthBlock) {
    const std::size_t size = std::min(PackedMatrix::kDepthBlock, depth - k);
    part.pairs = (size + 1) / 2;
    part.end = k + size == depth ? product.end : StripProduct::End::kPlain;
    for (std::size_t row = 0; row < rows; row += kRowBlock) {
      part.rows = std::min(kRowBlock, rows - row);
      part.panels = weight.PairPanel(row, k, size);
      part.bias = k == 0 ? product.bias + row : nullptr;
      for (std::size_t j = 0; j < product.columns; j += kPairColumns) {
        const std::size_t left = product.columns - j;
        const float* x[2] = {};
        for (std::size_t s = 0; s < (left > kStripColumns ? 2 : 1); ++s) {
          const std::size_t strip = j / kStripColumns + s;
          const std::size_t place = (strip * rows + row) * kStripColumns;
          x[s] = product.x + strip * product.x_step + k * kStripColumns;
          part.y[s] = product.y + place;
          if (part.end == StripProduct::End::kCross) {
            part.first[s] = product.first + place;
            part.before[s] = product.before + place;
          }
        }
        MultiplyPart(part, x, size, left);
      }
    }
  }
}

constexpr StripKernels kAvx512Bfloat16 = {"avx512_bfloat16", Multiply};

}  // namespace

const StripKernels* Avx512Bfloat16StripKernels() {
  return HasAvx512Bfloat16() ? &kAvx512Bfloat16 : nullptr;
}

#else

const StripKernels* Avx512Bfloat16StripKernels() { return nullptr; }

#endif

}  // namespace fourfold
