#include "math/column_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "math/aligned_floats.h"

namespace fourfold {
namespace {

constexpr float kNoNumber = std::numeric_limits<float>::quiet_NaN();

// Rows by columns of the same random numbers for each set of kernels.
class Numbers {
 public:
  Numbers(std::size_t rows, std::size_t columns, std::uint64_t seed, float spread = 1)
      : size_(rows * columns) {
    floats_.Reserve(std::max(size_, kPlaceOfNothing));
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> draw(-spread, spread);
    for (std::size_t i = 0; i < size_; ++i) floats_.data()[i] = draw(random);
  }
  float* data() const { return floats_.data(); }
  std::vector<float> all() const { return {data(), data() + size_}; }

 private:
  static constexpr std::size_t kPlaceOfNothing = 1;  // pointers go on from there
  std::size_t size_;
  AlignedFloats floats_;
};

void ExpectNear(const Numbers& plain, const Numbers& fast, float tolerance) {
  const std::vector<float> expected = plain.all(), actual = fast.all();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance * std::max(1.0f, std::fabs(expected[i])))
        << "element " << i;
  }
}

// Each set that this processor runs, over numbers of columns.
class ColumnKernelsTest
    : public testing::TestWithParam<std::tuple<const ColumnKernels*, std::size_t>> {
 protected:
  const ColumnKernels& plain_ = PlainColumnKernels();
  const ColumnKernels& fast_ = *std::get<0>(GetParam());
  const std::size_t columns_ = std::get<1>(GetParam());
};

TEST_P(ColumnKernelsTest, ProductsAgreeWithThePlainOnesInAnyLayout) {
  for (const std::size_t rows : {1, 3, 4, 11, 48}) {
    for (const std::size_t depth : {0, 1, 7, 32}) {
      const Numbers a(rows, depth, 1), b(depth, columns_, 2), bias(rows, 1, 3);
      for (const bool is_transposed : {false, true}) {
        const StridedMatrix factor =
            is_transposed ? StridedMatrix{a.data(), 1, rows} : StridedMatrix{a.data(), depth, 1};
        for (const float* added :
             {static_cast<const float*>(nullptr), static_cast<const float*>(bias.data())}) {
          const Numbers expected(rows, columns_, 4), actual(rows, columns_, 5);
          plain_.multiply(factor, b.data(), columns_, added, expected.data(), columns_, rows, depth,
                          columns_);
          fast_.multiply(factor, b.data(), columns_, added, actual.data(), columns_, rows, depth,
                         columns_);
          ExpectNear(expected, actual, 1e-5f);
          plain_.multiply_bfloat16(factor, b.data(), columns_, added, expected.data(), columns_,
                                   rows, depth, columns_);
          fast_.multiply_bfloat16(factor, b.data(), columns_, added, actual.data(), columns_, rows,
                                  depth, columns_);
          ExpectNear(expected, actual, 1e-5f);
        }
      }
    }
  }
}

TEST_P(ColumnKernelsTest, ProductsOfBfloat16PastABlockOfRowsAndDepthAgree) {
  constexpr std::size_t kRows = 300, kDepth = 501;
  const Numbers a(kRows, kDepth, 1), b(kDepth, columns_, 2), bias(kRows, 1, 3);
  const Numbers expected(kRows, columns_, 4), actual(kRows, columns_, 5);
  for (const StridedMatrix factor :
       {StridedMatrix{a.data(), 1, kRows}, StridedMatrix{a.data(), kDepth, 1}}) {
    plain_.multiply_bfloat16(factor, b.data(), columns_, bias.data(), expected.data(), columns_,
                             kRows, kDepth, columns_);
    fast_.multiply_bfloat16(factor, b.data(), columns_, bias.data(), actual.data(), columns_, kRows,
                            kDepth, columns_);
    ExpectNear(expected, actual, 5e-5f);
  }
}

TEST_P(ColumnKernelsTest, FactorsOfBfloat16AreRoundedToTheNearestAndTiesToEven) {
  constexpr std::size_t kDepth = 3;
  const Numbers b(kDepth, columns_, 2), c(1, columns_, 3);
  const float factors[kDepth] = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f, -(1 + 0x1p-8f + 0x1p-20f)};
  for (std::size_t k = 0; k < kDepth; ++k) {
    std::fill_n(b.data() + k * columns_, columns_, k == 0 ? 4 + 0x1p-6f : 1.0f);
  }
  for (const std::size_t column_step : {1, 2}) {
    const Numbers a(1, 2 * kDepth, 4);
    for (std::size_t k = 0; k < kDepth; ++k) a.data()[k * column_step] = factors[k];
    fast_.multiply_bfloat16({a.data(), 7, column_step}, b.data(), columns_, nullptr, c.data(),
                            columns_, 1, kDepth, columns_);
    for (std::size_t j = 0; j < columns_; ++j) {
      ASSERT_EQ(c.data()[j], 4 + (1 + 0x1p-6f) - (1 + 0x1p-7f)) << j;
    }
  }
}

TEST_P(ColumnKernelsTest, SoftenedColumnsAgreeAndTheirLargestIsOne) {
  for (const float spread : {1.0f, 30.0f, 1000.0f}) {
    const Numbers logits(20, columns_, 6, spread), addends(20, 1, 7, spread);
    const Numbers expected(20, columns_, 8), actual(20, columns_, 9);
    const Numbers expected_sums(1, columns_, 8), actual_sums(1, columns_, 9);
    for (const float* added :
         {static_cast<const float*>(nullptr), static_cast<const float*>(addends.data())}) {
      plain_.soften(logits.data(), added, expected.data(), expected_sums.data(), columns_, 20,
                    columns_);
      fast_.soften(logits.data(), added, actual.data(), actual_sums.data(), columns_, 20, columns_);
      ExpectNear(expected, actual, 1e-6f);
      ExpectNear(expected_sums, actual_sums, 1e-6f);
      for (std::size_t j = 0; j < columns_; ++j) {
        float largest = 0;
        for (std::size_t r = 0; r < 20; ++r) {
          largest = std::max(largest, actual.data()[r * columns_ + j]);
        }
        ASSERT_EQ(largest, 1);
      }
    }
  }
}

TEST_P(ColumnKernelsTest, NormalisedColumnsAgreeAndHaveNoMeanAndUnitVariance) {
  const Numbers y(96, columns_, 10), bias(96, 1, 11);
  const Numbers expected(96, columns_, 12), actual(96, columns_, 12);
  const std::vector<float> gain(96, 1), shift(96, 0);
  plain_.add_and_normalise(y.data(), bias.data(), gain.data(), shift.data(), expected.data(),
                           columns_, 96, columns_);
  fast_.add_and_normalise(y.data(), bias.data(), gain.data(), shift.data(), actual.data(), columns_,
                          96, columns_);
  ExpectNear(expected, actual, 1e-5f);
  for (std::size_t j = 0; j < columns_; ++j) {
    double sum = 0, squares = 0;
    for (std::size_t r = 0; r < 96; ++r) {
      const double value = actual.data()[r * columns_ + j];
      sum += value;
      squares += value * value;
    }
    EXPECT_NEAR(sum / 96, 0, 1e-5);
    EXPECT_NEAR(squares / 96, 1, 1e-3);
  }
}

TEST_P(ColumnKernelsTest, TheSmallOnesAgree) {
  const Numbers divisors(1, columns_, 13, 0.5f);
  for (std::size_t j = 0; j < columns_; ++j) divisors.data()[j] += 2;
  const Numbers expected(5, columns_, 14), actual(5, columns_, 14);
  const Numbers expected_maxima(5, 1, 15), actual_maxima(5, 1, 16);
  plain_.divide_columns(expected.data(), divisors.data(), columns_, 5, columns_);
  fast_.divide_columns(actual.data(), divisors.data(), columns_, 5, columns_);
  ExpectNear(expected, actual, 1e-6f);
  const Numbers scaled(5, columns_, 22), fast_scaled(5, columns_, 23);
  plain_.scale_columns(expected.data(), divisors.data(), scaled.data(), columns_, 5, columns_);
  fast_.scale_columns(expected.data(), divisors.data(), fast_scaled.data(), columns_, 5, columns_);
  ExpectNear(scaled, fast_scaled, 0);
  plain_.row_maxima(expected.data(), expected_maxima.data(), columns_, 5, columns_);
  fast_.row_maxima(actual.data(), actual_maxima.data(), columns_, 5, columns_);
  ExpectNear(expected_maxima, actual_maxima, 1e-6f);
  plain_.rectify(expected.data(), columns_, 5, columns_);
  fast_.rectify(actual.data(), columns_, 5, columns_);
  ExpectNear(expected, actual, 1e-6f);
  const Numbers powers(1, columns_, 17), fast_powers(1, columns_, 18);
  plain_.exp2(divisors.data(), 0.5f, powers.data(), columns_);
  fast_.exp2(divisors.data(), 0.5f, fast_powers.data(), columns_);
  ExpectNear(powers, fast_powers, 1e-6f);
}

TEST_P(ColumnKernelsTest, WhatIsNoNumberIsSeenInEachPlace) {
  for (const std::size_t bad : {std::size_t{0}, columns_ / 2, columns_ - 1}) {
    const Numbers x(3, columns_, 19), maxima(3, 1, 20), sums(1, columns_, 21);
    x.data()[columns_ + bad] = kNoNumber;
    fast_.row_maxima(x.data(), maxima.data(), columns_, 3, columns_);
    EXPECT_FALSE(std::isnan(maxima.data()[0]));
    EXPECT_TRUE(std::isnan(maxima.data()[1])) << fast_.name << " at " << bad;
    EXPECT_FALSE(std::isnan(maxima.data()[2]));
    const Numbers rectified(3, columns_, 19);
    rectified.data()[columns_ + bad] = kNoNumber;
    fast_.rectify(rectified.data(), columns_, 3, columns_);
    EXPECT_TRUE(std::isnan(rectified.data()[columns_ + bad])) << fast_.name;
    const Numbers twos(2, 4, 24), products(2, columns_, 25);
    fast_.multiply_bfloat16({twos.data(), 0, 2}, x.data(), columns_, nullptr, products.data(),
                            columns_, 2, 2, columns_);
    for (std::size_t i = 0; i < 2 * columns_; ++i) {
      EXPECT_EQ(std::isnan(products.data()[i]), i % columns_ == bad) << "element " << i;
    }
    fast_.soften(x.data(), nullptr, x.data(), sums.data(), columns_, 3, columns_);
    for (std::size_t j = 0; j < columns_; ++j) {
      EXPECT_EQ(std::isnan(sums.data()[j]), j == bad) << fast_.name << " column " << j;
    }
  }
}

// What each kernel makes of the same numbers, one after the other.
std::vector<float> AllResults(const ColumnKernels& kernels, std::size_t columns) {
  constexpr std::size_t kRows = 23;
  std::vector<float> all;
  const auto add = [&](const Numbers& numbers) {
    const std::vector<float> values = numbers.all();
    all.insert(all.end(), values.begin(), values.end());
  };
  const Numbers a(kRows, kRows, 31), b(kRows, columns, 32), bias(kRows, 1, 33);
  const Numbers x(kRows, columns, 34), sums(1, columns, 35), maxima(kRows, 1, 36);
  kernels.multiply({a.data(), kRows, 1}, b.data(), columns, bias.data(), x.data(), columns, kRows,
                   kRows, columns);
  add(x);
  kernels.add_and_normalise(b.data(), bias.data(), a.data(), bias.data(), x.data(), columns, kRows,
                            columns);
  add(x);
  kernels.row_maxima(x.data(), maxima.data(), columns, kRows, columns);
  add(maxima);
  kernels.soften(x.data(), bias.data(), x.data(), sums.data(), columns, kRows, columns);
  add(x);
  add(sums);
  kernels.divide_columns(x.data(), sums.data(), columns, kRows, columns);
  kernels.scale_columns(x.data(), b.data(), x.data(), columns, kRows, columns);
  kernels.rectify(x.data(), columns, kRows, columns);
  add(x);
  kernels.exp2(x.data(), 0.5f, sums.data(), columns);
  add(sums);
  return all;
}

TEST_P(ColumnKernelsTest, WiderVectorsChangeNoBit) {
  if (&fast_ == &plain_) return;
  EXPECT_EQ(AllResults(fast_, columns_), AllResults(*ColumnKernelSets()[1], columns_));
}

INSTANTIATE_TEST_SUITE_P(Columns, ColumnKernelsTest,
                         testing::Combine(testing::ValuesIn(ColumnKernelSets()),
                                          testing::Values(8, 16, 24, 32, 40, 48, 88, 104)),
                         [](const auto& test) {
                           return std::get<0>(test.param)->name +
                                  ("_" + std::to_string(std::get<1>(test.param)));
                         });

class Exp2KernelTest : public testing::TestWithParam<const ColumnKernels*> {};

TEST_P(Exp2KernelTest, IsRightOverItsWholeRangeAndAtItsEnds) {
  const ColumnKernels& kernels = *GetParam();
  constexpr std::size_t kColumns = 24;
  AlignedFloats x, y;
  x.Reserve(kColumns);
  y.Reserve(kColumns);
  for (float at = -126; at < 127.9f; at += 0.37f) {
    std::fill_n(x.data(), kColumns, at);
    kernels.exp2(x.data(), 0, y.data(), kColumns);
    const float expected = std::exp2(at);
    for (std::size_t j = 0; j < kColumns; ++j) {
      ASSERT_NEAR(y.data()[j] / expected, 1, 3e-7f) << at;
    }
  }
  const float ends[8] = {-126,
                         -126.1f,
                         -1e30f,
                         -std::numeric_limits<float>::infinity(),
                         0,
                         128,
                         std::numeric_limits<float>::infinity(),
                         kNoNumber};
  for (std::size_t j = 0; j < kColumns; j += 8) std::copy_n(ends, 8, x.data() + j);
  kernels.exp2(x.data(), 0, y.data(), kColumns);
  for (std::size_t j = 0; j < kColumns; j += 8) {
    const float* const powers = y.data() + j;
    EXPECT_EQ(powers[0], 0x1p-126f);
    EXPECT_EQ(powers[1], 0);
    EXPECT_EQ(powers[2], 0);
    EXPECT_EQ(powers[3], 0);
    EXPECT_EQ(powers[4], 1);
    EXPECT_TRUE(std::isinf(powers[5]));
    EXPECT_TRUE(std::isinf(powers[6]));
    EXPECT_TRUE(std::isnan(powers[7]));
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, Exp2KernelTest, testing::ValuesIn(ColumnKernelSets()),
                         [](const auto& test) { return test.param->name; });

TEST(KernelSetTest, TheSetNamedIsTheWidestThatIsUsed) {
  EXPECT_EQ(KernelSetsAllowed("plain"), 1u);
  EXPECT_EQ(KernelSetsAllowed("avx2"), 2u);
  EXPECT_EQ(KernelSetsAllowed("avx512"), 3u);
  for (const char* name : {"", "avx512_bfloat16", "other"}) EXPECT_GE(KernelSetsAllowed(name), 4u);
  EXPECT_EQ(&FastColumnKernels(),
            ColumnKernelSets()[std::min(ColumnKernelSets().size(), KernelSetsAllowed()) - 1]);
}

}  // namespace
}  // namespace fourfold
