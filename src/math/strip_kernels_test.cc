#include "math/strip_kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace fourfold {
namespace {

using End = StripProduct::End;

constexpr float kNoNumber = std::numeric_limits<float>::quiet_NaN();

std::vector<float> Draw(std::size_t size, std::mt19937_64* random) {
  std::uniform_real_distribution<float> draw(-1, 1);
  std::vector<float> values(size);
  for (float& value : values) value = draw(*random);
  return values;
}

// A row-major matrix [rows, columns] in strips of `strip_rows` rows, from row `from` on. What no
// column fills is not a number.
AlignedFloats StripsOfRows(const std::vector<float>& matrix, std::size_t rows, std::size_t columns,
                           std::size_t strip_rows, std::size_t from) {
  const std::size_t size = StripsOf(columns) * strip_rows * kStripColumns;
  AlignedFloats strips;
  strips.Reserve(size);
  std::fill_n(strips.data(), size, kNoNumber);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) {
      strips
          .data()[(j / kStripColumns * strip_rows + from + r) * kStripColumns + j % kStripColumns] =
          matrix[r * columns + j];
    }
  }
  return strips;
}

// A product of random numbers by a set of kernels, held against sums in double. Returns it.
std::vector<float> ExpectProduct(const StripKernels& kernels, std::size_t rows, std::size_t depth,
                                 std::size_t columns, std::size_t skipped, End end,
                                 std::mt19937_64* random,
                                 Precision precision = Precision::kFloat32) {
  SCOPED_TRACE(testing::Message() << kernels.name << " " << rows << " x " << depth << " x "
                                  << columns << ", end " << static_cast<int>(end));
  const std::size_t row_step = depth + 3;
  const std::vector<float> a = Draw(rows * row_step, random), x = Draw(depth * columns, random);
  const PackedMatrix weight(a.data(), row_step, rows, depth, precision);
  EXPECT_EQ(weight.rows() % PackedMatrix::kPanelRows, 0u);
  std::vector<float> bias = Draw(rows, random);
  bias.resize(weight.rows());
  const std::vector<float> first = Draw(rows * columns, random);
  const std::vector<float> before = Draw(rows * columns, random);
  const AlignedFloats x_strips = StripsOfRows(x, depth, columns, skipped + depth, skipped);
  const AlignedFloats first_strips = StripsOfRows(first, rows, columns, weight.rows(), 0);
  const AlignedFloats before_strips = StripsOfRows(before, rows, columns, weight.rows(), 0);
  const AlignedFloats y = StripsOfRows({}, 0, columns, weight.rows(), 0);
  StripProduct product;
  product.weight = &weight;
  product.bias = bias.data();
  product.x = x_strips.data() + skipped * kStripColumns;
  product.x_step = (skipped + depth) * kStripColumns;
  product.columns = columns;
  product.end = end;
  product.first = first_strips.data();
  product.before = before_strips.data();
  product.y = y.data();
  kernels.multiply(product);
  std::vector<float> values;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) {
      double expected = bias[r];
      for (std::size_t k = 0; k < depth; ++k) {
        const float factor = a[r * row_step + k], other = x[k * columns + j];
        expected += precision == Precision::kFloat32
                        ? double{factor} * double{other}
                        : double{RoundToBfloat16(factor)} * double{RoundToBfloat16(other)};
      }
      if (end == End::kRectify) expected = std::max(expected, 0.0);
      if (end == End::kCross) {
        expected = double{first[r * columns + j]} * expected + double{before[r * columns + j]};
      }
      const float actual =
          y.data()[(j / kStripColumns * weight.rows() + r) * kStripColumns + j % kStripColumns];
      EXPECT_NEAR(double{actual}, expected, 1e-5 * std::sqrt(static_cast<double>(depth)))
          << "row " << r << ", column " << j;
      values.push_back(actual);
    }
  }
  // What lies past the last eight columns is left alone.
  const std::size_t last = columns % kStripColumns, touched = (last + 7) / 8 * 8;
  for (std::size_t r = 0; last > 0 && r < weight.rows(); ++r) {
    const float* const row =
        y.data() + (columns / kStripColumns * weight.rows() + r) * kStripColumns;
    for (std::size_t j = touched; j < kStripColumns; ++j) EXPECT_TRUE(std::isnan(row[j])) << j;
  }
  return values;
}

TEST(StripKernelsTest, ProductsAreTheSumsOfTheirTermsWhateverTheShape) {
  std::mt19937_64 random(501);
  for (const StripKernels* kernels : StripKernelSets()) {
    for (int round = 0; round < 40; ++round) {
      const std::size_t rows = 1 + random() % 150, depth = 1 + random() % 90;
      const std::size_t columns = 1 + random() % 80, skipped = random() % 5;
      const End end = round % 3 == 0 ? End::kPlain : round % 3 == 1 ? End::kRectify : End::kCross;
      const Precision precision = random() % 2 == 0 ? Precision::kFloat32 : Precision::kBfloat16;
      ExpectProduct(*kernels, rows, depth, columns, skipped, end, &random, precision);
    }
  }
}

TEST(StripKernelsTest, DepthsPastABlockAddUp) {
  std::mt19937_64 random(502);
  constexpr std::size_t kBlock = PackedMatrix::kDepthBlock;
  for (const std::size_t depth : {kBlock - 1, kBlock, kBlock + 1, 2 * kBlock, 3 * kBlock + 40}) {
    for (const End end : {End::kPlain, End::kRectify, End::kCross}) {
      for (const StripKernels* kernels : StripKernelSets()) {
        for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
          ExpectProduct(*kernels, 12, depth, 30, 2, end, &random, precision);
        }
      }
    }
  }
}

TEST(Bfloat16Test, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(RoundToBfloat16(1 + 0x1p-8f), 1);
  EXPECT_EQ(RoundToBfloat16(1 + 0x1p-8f + 0x1p-20f), 1 + 0x1p-7f);
  EXPECT_EQ(RoundToBfloat16(-(1 + 3 * 0x1p-8f)), -(1 + 0x1p-6f));
  EXPECT_EQ(RoundToBfloat16(std::numeric_limits<float>::infinity()),
            std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isinf(RoundToBfloat16(std::numeric_limits<float>::max())));
  EXPECT_TRUE(std::isnan(RoundToBfloat16(kNoNumber)));
  // With bits that rounding would carry out of the number, and with bits that it would drop.
  EXPECT_TRUE(std::isnan(RoundToBfloat16(std::bit_cast<float>(0x7fffffffu))));
  EXPECT_TRUE(std::isnan(RoundToBfloat16(std::bit_cast<float>(0x7f800001u))));
}

TEST(StripKernelsTest, WiderVectorsChangeNoBit) {
  const KernelSets<StripKernels> sets = StripKernelSets();
  for (std::size_t columns = 1; columns <= 100; columns += 3) {
    for (const End end : {End::kPlain, End::kRectify, End::kCross}) {
      std::vector<float> results[4];
      for (std::size_t set = 1; set < sets.size(); ++set) {
        std::mt19937_64 random(503 + columns);
        results[set] = ExpectProduct(*sets[set], 36, 300, columns, 1, end, &random);
        EXPECT_EQ(results[set], results[1]) << sets[set]->name << ", " << columns << " columns";
      }
    }
  }
}

TEST(StripKernelsTest, WhatIsNoNumberStaysSeenInItsColumnAlone) {
  const std::vector<float> a(8 * 8, 0.5F), bias(8);
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    const PackedMatrix weight(a.data(), 8, 8, 8, precision);
    std::vector<float> x(8 * 20, 1);
    x[3 * 20 + 11] = kNoNumber;
    const AlignedFloats strips = StripsOfRows(x, 8, 20, 8, 0);
    for (const StripKernels* kernels : StripKernelSets()) {
      const AlignedFloats y = StripsOfRows({}, 0, 20, 8, 0);
      kernels->multiply({&weight, bias.data(), strips.data(), 8 * kStripColumns, 20, End::kRectify,
                         nullptr, nullptr, y.data()});
      for (std::size_t r = 0; r < 8; ++r) {
        for (std::size_t j = 0; j < 20; ++j) {
          const float value = y.data()[r * kStripColumns + j];
          ASSERT_TRUE(j == 11 ? std::isnan(value) : value == 4) << kernels->name;
        }
      }
    }
  }
}

}  // namespace
}  // namespace fourfold
