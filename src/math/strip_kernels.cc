#include "math/strip_kernels.h"

#include <algorithm>

#include "math/strip_kernels_avx2.h"
#include "math/strip_kernels_avx512.h"
#include "math/strip_kernels_avx512_bfloat16.h"

namespace fourfold {
namespace {

void Multiply(const StripProduct& product) {
  const PackedMatrix& weight = *product.weight;
  for (std::size_t r = 0; r < weight.rows(); ++r) {
    for (std::size_t j = 0; j < product.columns; ++j) {
      const std::size_t strip = j / kStripColumns, column = j % kStripColumns;
      const float* const x = product.x + strip * product.x_step + column;
      float sum = product.bias[r];
      for (std::size_t k = 0; k < weight.depth(); ++k) {
        const float factor = x[k * kStripColumns];
        sum += weight.at(r, k) *
               (weight.precision() == Precision::kBfloat16 ? RoundToBfloat16(factor) : factor);
      }
      const std::size_t place = (strip * weight.rows() + r) * kStripColumns + column;
      switch (product.end) {
        case StripProduct::End::kPlain:
          break;
        case StripProduct::End::kRectify:
          sum = sum < 0 ? 0 : sum;
          break;
        case StripProduct::End::kCross:
          sum = product.first[place] * sum + product.before[place];
          break;
      }
      product.y[place] = sum;
    }
  }
}

constexpr StripKernels kPlain = {"plain", Multiply};

}  // namespace

PackedMatrix::PackedMatrix(const float* elements, std::size_t row_step, std::size_t rows,
                           std::size_t depth, Precision precision)
    : rows_((rows + kPanelRows - 1) / kPanelRows * kPanelRows),
      depth_(depth),
      precision_(precision) {
  const bool is_bfloat16 = precision == Precision::kBfloat16;
  const std::size_t pairs = (depth + 1) / 2;
  if (is_bfloat16) {
    pairs_.resize(rows_ * pairs);
  } else {
    elements_.Reserve(rows_ * depth_);
  }
  for (std::size_t r = 0; r < rows_; ++r) {
    for (std::size_t k = 0; k < depth_; ++k) {
      const float element = r < rows ? elements[r * row_step + k] : 0;
      if (is_bfloat16) {
        pairs_[PlaceOf(r, k / 2, pairs, kDepthBlock / 2)] |= std::uint32_t{ToBfloat16(element)}
                                                             << (k % 2 * 16);
      } else {
        elements_.data()[PlaceOf(r, k, depth_, kDepthBlock)] = element;
      }
    }
  }
}

float PackedMatrix::at(std::size_t row, std::size_t k) const {
  if (precision_ == Precision::kFloat32) {
    return elements_.data()[PlaceOf(row, k, depth_, kDepthBlock)];
  }
  const std::uint32_t pair = pairs_[PlaceOf(row, k / 2, (depth_ + 1) / 2, kDepthBlock / 2)];
  return FromBfloat16(static_cast<std::uint16_t>(pair >> (k % 2 * 16)));
}

std::size_t PackedMatrix::PlaceOf(std::size_t row, std::size_t k, std::size_t depth,
                                  std::size_t depth_block) const {
  const std::size_t begin = k / depth_block * depth_block;
  const std::size_t size = std::min(depth_block, depth - begin);
  const std::size_t panel = row / kPanelRows * kPanelRows;
  return begin * rows_ + panel * size + (k - begin) * kPanelRows + row - panel;
}

const StripKernels& PlainStripKernels() { return kPlain; }

const StripKernels& FastStripKernels() {
  static const StripKernels& fastest = FastestOf(StripKernelSets());
  return fastest;
}

KernelSets<StripKernels> StripKernelSets() {
  return KernelSetsOf(kPlain,
                      {Avx2StripKernels(), Avx512StripKernels(), Avx512Bfloat16StripKernels()});
}

}  // namespace fourfold
