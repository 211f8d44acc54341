#include "math/strip_kernels_avx2.h"

#include <algorithm>

#include "math/avx2.h"
#include "math/bfloat16_factors.h"

namespace fourfold {

#if defined(__x86_64__)
namespace {

constexpr std::size_t kLanes = 8;
constexpr int kRows = static_cast<int>(PackedMatrix::kPanelRows);
// So many rows of a depth block stay in the second cache while the strips pass; of each strip, the
// block's part stays in the first.
constexpr std::size_t kRowBlock = 128;

// A depth block of some rows of weights with one strip.
struct Part {
  const float* panels;  // of the rows
  const float* x;
  std::size_t depth;
  const float* bias;  // of the rows; null: the sums so far stand in y
  std::size_t rows;
  StripProduct::End end;  // kPlain while more blocks follow
  const float* first;     // of the strip, from the first of the rows on
  const float* before;
  float* y;
};

// kRows by kVectors vectors of sums stay in registers over the whole depth: 4 by 3 fill them.
template <int kVectors>
FOURFOLD_AVX2_INLINE void Tile(const Part& part, std::size_t row) {
  float* const y = part.y + row * kStripColumns;
  const auto at = [](int r, int v) {
    return static_cast<std::size_t>(r) * kStripColumns + kLanes * static_cast<std::size_t>(v);
  };
  Lanes sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = part.bias == nullptr ? _mm256_load_ps(y + at(r, v))
                                        : _mm256_broadcast_ss(part.bias + row + r);
    }
  }
  const float* a = part.panels + row * part.depth;
  const float* x = part.x;
  for (std::size_t k = 0; k < part.depth; ++k) {
    Lanes columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = _mm256_load_ps(x + at(0, v));
    for (int r = 0; r < kRows; ++r) {
      const Lanes factor = _mm256_broadcast_ss(a + r);
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = _mm256_fmadd_ps(factor, columns[v], sums[r][v]);
      }
    }
    a += kRows;
    x += kStripColumns;
  }
  if (part.end == StripProduct::End::kRectify) {
    // Not a number stays one: max gives its second operand then.
    for (auto& row_sums : sums) {
      for (Lanes& sum : row_sums) sum = _mm256_max_ps(_mm256_setzero_ps(), sum);
    }
  } else if (part.end == StripProduct::End::kCross) {
    const std::size_t begin = row * kStripColumns;
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = _mm256_fmadd_ps(_mm256_load_ps(part.first + begin + at(r, v)), sums[r][v],
                                     _mm256_load_ps(part.before + begin + at(r, v)));
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) _mm256_store_ps(y + at(r, v), sums[r][v]);
  }
}

template <int kVectors>
FOURFOLD_AVX2 void Tiles(const Part& part) {
  for (std::size_t row = 0; row < part.rows; row += kRows) Tile<kVectors>(part, row);
}

FOURFOLD_AVX2 void Multiply(const StripProduct& product) {
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
      for (std::size_t j = 0; j < product.columns; j += kStripColumns) {
        const std::size_t strip = j / kStripColumns;
        const std::size_t place = (strip * rows + row) * kStripColumns;
        part.x = product.x + strip * product.x_step + k * kStripColumns;
        if (is_bfloat16) part.x = RoundStrips(part.x, 0, 1, part.depth);
        part.y = product.y + place;
        if (part.end == StripProduct::End::kCross) {
          part.first = product.first + place;
          part.before = product.before + place;
        }
        const std::size_t left = product.columns - j;
        if (left > 2 * kLanes) {
          Tiles<3>(part);
        } else if (left > kLanes) {
          Tiles<2>(part);
        } else {
          Tiles<1>(part);
        }
      }
    }
  }
}

constexpr StripKernels kAvx2 = {"avx2", Multiply};

}  // namespace

const StripKernels* Avx2StripKernels() { return HasAvx2() ? &kAvx2 : nullptr; }

#else

const StripKernels* Avx2StripKernels() { return nullptr; }

#endif

}  // namespace fourfold
