#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "math/aligned_floats.h"
#include "math/bfloat16.h"
#include "math/kernel_set.h"

namespace fourfold {

// Columns of float32 in strips, so that all that a product reads of a strip lies together: strip s
// of a matrix [rows, columns] begins at s * rows * kStripColumns, its row r kStripColumns * r
// further. The last strip has room for whole ones.
inline constexpr std::size_t kStripColumns = 24;

constexpr std::size_t StripsOf(std::size_t columns) {
  return (columns + kStripColumns - 1) / kStripColumns;
}

// A matrix that many columns are multiplied with, laid out once in the order in which the kernels
// read it. Immutable.
class PackedMatrix {
 public:
  static constexpr std::size_t kPanelRows = 4;
  static constexpr std::size_t kDepthBlock = 256;

  PackedMatrix() = default;
  // Element (r, k) of [rows, depth] is elements[r * row_step + k]. Rows are filled up with zeros to
  // a multiple of kPanelRows. In bfloat16 it takes half the memory, and what it is multiplied with
  // is rounded, too.
  PackedMatrix(const float* elements, std::size_t row_step, std::size_t rows, std::size_t depth,
               Precision precision = Precision::kFloat32);

  std::size_t rows() const { return rows_; }
  std::size_t depth() const { return depth_; }
  Precision precision() const { return precision_; }
  float at(std::size_t row, std::size_t k) const;
  // Elements k from `begin`, a multiple of kDepthBlock, of `size` (to the end of the block) for
  // kPanelRows rows from `row`, which is one of theirs: kPanelRows of each k.
  const float* Panel(std::size_t row, std::size_t begin, std::size_t size) const {
    return elements_.data() + begin * rows_ + row * size;
  }
  // The same in bfloat16: kPanelRows pairs of each two k, the first of which is the lower half; the
  // last pair of an odd size ends with 0.
  const std::uint32_t* PairPanel(std::size_t row, std::size_t begin, std::size_t size) const {
    return pairs_.data() + begin / 2 * rows_ + row * ((size + 1) / 2);
  }

 private:
  // In elements_; of pairs_ where k counts pairs, of which there are `depth`.
  std::size_t PlaceOf(std::size_t row, std::size_t k, std::size_t depth,
                      std::size_t depth_block) const;

  std::size_t rows_ = 0, depth_ = 0;
  Precision precision_ = Precision::kFloat32;
  AlignedFloats elements_;            // of float32
  std::vector<std::uint32_t> pairs_;  // of bfloat16
};

// A layer of a network: y = end(weight x + bias).
struct StripProduct {
  enum class End {
    kPlain,
    kRectify,  // y = max(weight x + bias, 0)
    kCross,    // y = first * (weight x + bias) + before
  };

  const PackedMatrix* weight = nullptr;
  const float* bias = nullptr;  // [weight->rows()]
  // [depth, columns] in strips x_step floats apart, so that it may be some rows of a larger one.
  const float* x = nullptr;
  std::size_t x_step = 0;
  std::size_t columns = 0;
  End end = End::kPlain;
  const float* first = nullptr;   // of kCross; [rows, columns] in strips
  const float* before = nullptr;  // of kCross; the same
  float* y = nullptr;             // [rows, columns] in strips; overlaps nothing that is read
};

// Memory begins at multiples of 32 bytes. Columns past the last one, up to a multiple of 8, are
// computed from whatever stands there; what stands further is left alone.
struct StripKernels {
  const char* name;
  void (*multiply)(const StripProduct& product);
};

// The plain twin.
const StripKernels& PlainStripKernels();
// The fastest that may be used (kernel_set.h).
const StripKernels& FastStripKernels();
// All that this processor runs, the plain twin first.
KernelSets<StripKernels> StripKernelSets();

}  // namespace fourfold
