#include "math/strip_kernels.h"

#include <algorithm>

#include "math/strip_kernels_avx2.h"
#include "math/strip_kernels_avx512.h"

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
        sum += weight.at(r, k) * x[k * kStripColumns];
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
                           std::size_t depth)
    : rows_((rows + kPanelRows - 1) / kPanelRows * kPanelRows), depth_(depth) {
  elements_.Reserve(rows_ * depth_);
  for (std::size_t r = 0; r < rows_; ++r) {
    for (std::size_t k = 0; k < depth_; ++k) {
      elements_.data()[PlaceOf(r, k)] = r < rows ? elements[r * row_step + k] : 0;
    }
  }
}

std::size_t PackedMatrix::PlaceOf(std::size_t row, std::size_t k) const {
  const std::size_t begin = k / kDepthBlock * kDepthBlock;
  const std::size_t size = std::min(kDepthBlock, depth_ - begin);
  const std::size_t panel = row / kPanelRows * kPanelRows;
  return begin * rows_ + panel * size + (k - begin) * kPanelRows + row - panel;
}

const StripKernels& PlainStripKernels() { return kPlain; }

const StripKernels& FastStripKernels() {
  static const StripKernels& fastest = FastestOf(StripKernelSets());
  return fastest;
}

KernelSets<StripKernels> StripKernelSets() {
  return KernelSetsOf(kPlain, Avx2StripKernels(), Avx512StripKernels());
}

}  // namespace fourfold
