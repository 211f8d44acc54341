#include "math/strip_kernels_avx512.h"

#include <algorithm>

#include "math/avx512.h"
#include "math/bfloat16_factors.h"
#include "math/strips_avx512.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

constexpr int kPanelRows = static_cast<int>(PackedMatrix::kPanelRows);
// So many rows of a depth block stay in the second cache while the strips pass.
constexpr std::size_t kRowBlock = 128;

// A depth block of some rows of weights with one strip or two neighbours: 24 columns are one and a
// half vectors, 48 are three.
struct Part {
  const float* panels;  // of the rows
  const float* x[2];    // of each strip
  std::size_t depth;
  const float* bias;  // of the rows; null: the sums so far stand in y
  std::size_t rows;
  StripProduct::End end;  // kPlain while more blocks follow
  const float* first[2];  // of each strip, from the first of the rows on
  const float* before[2];
  float* y[2];
};

// kPanels panels of rows by kHalves halves of vectors stay in registers over the whole depth: 2 by
// 6 fill them.
template <int kPanels, int kHalves>
FOURFOLD_AVX512_INLINE void Tile(const Part& part, std::size_t row) {
  constexpr int kRows = kPanels * kPanelRows, kVectors = (kHalves + 1) / 2;
  const auto row_at = [&](int r) { return (row + static_cast<std::size_t>(r)) * kStripColumns; };
  WideLanes sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = part.bias == nullptr ? LoadStrips<kHalves>(part.y, row_at(r), v)
                                        : _mm512_set1_ps(part.bias[row + r]);
    }
  }
  const float* const panels = part.panels + row * part.depth;
  const std::size_t panel_step = kPanelRows * part.depth;
  for (std::size_t k = 0; k < part.depth; ++k) {
    WideLanes columns[kVectors];
    for (int v = 0; v < kVectors; ++v)
      columns[v] = LoadStrips<kHalves>(part.x, k * kStripColumns, v);
    for (int r = 0; r < kRows; ++r) {
      const std::size_t panel = static_cast<std::size_t>(r / kPanelRows) * panel_step;
      const WideLanes factor = _mm512_set1_ps(panels[panel + k * kPanelRows + r % kPanelRows]);
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = _mm512_fmadd_ps(factor, columns[v], sums[r][v]);
      }
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
FOURFOLD_AVX512 void Tiles(const Part& part) {
  constexpr std::size_t kTwoPanels = std::size_t{2} * kPanelRows;
  std::size_t row = 0;
  for (; row + kTwoPanels <= part.rows; row += kTwoPanels) Tile<2, kHalves>(part, row);
  if (row < part.rows) Tile<1, kHalves>(part, row);
}

FOURFOLD_AVX512 void MultiplyPart(const Part& part, std::size_t columns) {
  switch ((columns + kStripHalf - 1) / kStripHalf) {
    case 1:
      return Tiles<1>(part);
    case 2:
      return Tiles<2>(part);
    case 3:
      return Tiles<3>(part);
    case 4:
      return Tiles<4>(part);
    case 5:
      return Tiles<5>(part);
    default:
      return Tiles<6>(part);
  }
}

void Multiply(const StripProduct& product) {
  const PackedMatrix& weight = *product.weight;
  const std::size_t depth = weight.depth(), rows = weight.rows();
  const bool is_bfloat16 = weight.precision() == Precision::kBfloat16;
  Part part{};
  for (std::size_t k = 0; k < depth; k += PackedMatrix::kDepthBlock) {
    part.depth = std::min(PackedMatrix::kDepthBlock, depth - k);
    part.end = k + part.depth == depth ? product.end : StripProduct::End::kPlain;
    for (std::size_t row = 0; row < rows; row += kRowBlock) {
      part.rows = std::min(kRowBlock, rows - row);
      part.panels = is_bfloat16 ? WidenPanels(weight, row, part.rows, k, part.depth)
                                : weight.Panel(row, k, part.depth);
      part.bias = k == 0 ? product.bias + row : nullptr;
      for (std::size_t j = 0; j < product.columns; j += 2 * kStripColumns) {
        const std::size_t left = product.columns - j;
        for (std::size_t s = 0; s < (left > kStripColumns ? 2 : 1); ++s) {
          const std::size_t strip = j / kStripColumns + s;
          const std::size_t place = (strip * rows + row) * kStripColumns;
          part.x[s] = product.x + strip * product.x_step + k * kStripColumns;
          part.y[s] = product.y + place;
          if (part.end == StripProduct::End::kCross) {
            part.first[s] = product.first + place;
            part.before[s] = product.before + place;
          }
        }
        if (is_bfloat16) {
          const std::size_t strips = left > kStripColumns ? 2 : 1;
          part.x[0] = RoundStrips(part.x[0], product.x_step, strips, part.depth);
          part.x[1] = part.x[0] + part.depth * kStripColumns;
        }
        MultiplyPart(part, left);
      }
    }
  }
}

constexpr StripKernels kAvx512 = {"avx512", Multiply};

}  // namespace

const StripKernels* Avx512StripKernels() { return HasAvx512() ? &kAvx512 : nullptr; }

#else

const StripKernels* Avx512StripKernels() { return nullptr; }

#endif

}  // namespace fourfold
