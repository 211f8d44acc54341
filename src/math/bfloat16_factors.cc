#include "math/bfloat16_factors.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "math/bfloat16.h"

namespace fourfold {
namespace {

// Rows of `size` elements that follow each other, from rows `stride` apart.
float* RoundRows(const float* x, std::size_t stride, std::size_t rows, std::size_t size,
                 AlignedFloats* memory) {
  memory->Reserve(std::max<std::size_t>(rows * size, 1));  // none is null
  float* const rounded = memory->data();
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < size; ++i) {
      rounded[r * size + i] = RoundToBfloat16(x[r * stride + i]);
    }
  }
  return rounded;
}

}  // namespace

RoundedFactors RoundFactors(StridedMatrix a, StridedMatrix b, std::size_t rows, std::size_t depth,
                            std::size_t columns) {
  thread_local AlignedFloats a_memory, b_memory;
  RoundedFactors rounded;
  const std::size_t stride = PaddedColumns(columns);
  if (b.column_step == 1 && columns == stride) {
    rounded.b = RoundRows(b.data, b.row_step, depth, columns, &b_memory);
  } else {
    b_memory.Reserve(std::max<std::size_t>(depth * stride, 1));
    std::fill_n(b_memory.data(), depth * stride, 0.0F);
    rounded.b = b_memory.data();
    for (std::size_t j = 0; j < columns; ++j) {
      for (std::size_t k = 0; k < depth; ++k) {
        b_memory.data()[k * stride + j] =
            RoundToBfloat16(b.data[k * b.row_step + j * b.column_step]);
      }
    }
  }
  if (a.column_step == 1) {
    rounded.a = {RoundRows(a.data, a.row_step, rows, depth, &a_memory), depth, 1};
  } else if (a.row_step == 1) {
    rounded.a = {RoundRows(a.data, a.column_step, depth, rows, &a_memory), 1, rows};
  } else {
    a_memory.Reserve(std::max<std::size_t>(rows * depth, 1));
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t k = 0; k < depth; ++k) {
        a_memory.data()[r * depth + k] =
            RoundToBfloat16(a.data[r * a.row_step + k * a.column_step]);
      }
    }
    rounded.a = {a_memory.data(), depth, 1};
  }
  return rounded;
}

const float* WidenPanels(const PackedMatrix& weight, std::size_t row, std::size_t rows,
                         std::size_t begin, std::size_t size) {
  constexpr std::size_t kRows = PackedMatrix::kPanelRows;
  thread_local AlignedFloats memory;
  memory.Reserve(rows * size);
  float* panel = memory.data();
  for (std::size_t r = 0; r < rows; r += kRows, panel += kRows * size) {
    const std::uint32_t* const pairs = weight.PairPanel(row + r, begin, size);
    for (std::size_t k = 0; k + 1 < size; k += 2) {
      for (std::size_t i = 0; i < kRows; ++i) {
        const std::uint32_t pair = pairs[k / 2 * kRows + i];
        panel[k * kRows + i] = std::bit_cast<float>(pair << 16);
        panel[(k + 1) * kRows + i] = std::bit_cast<float>(pair & 0xffff0000);
      }
    }
    for (std::size_t i = 0; size % 2 == 1 && i < kRows; ++i) {
      panel[(size - 1) * kRows + i] = std::bit_cast<float>(pairs[size / 2 * kRows + i] << 16);
    }
  }
  return memory.data();
}

const float* RoundStrips(const float* x, std::size_t step, std::size_t strips, std::size_t rows) {
  thread_local AlignedFloats memory;
  return RoundRows(x, step, strips, rows * kStripColumns, &memory);
}

}  // namespace fourfold
