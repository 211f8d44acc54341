#include "math/gradient_kernels.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "math/aligned_floats.h"
#include "math/bfloat16.h"

namespace fourfold {
namespace {

class Numbers {
 public:
  Numbers(std::size_t size, std::uint64_t seed) : size_(size) {
    floats_.Reserve(size_ + 1);
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> draw(-1, 1);
    for (std::size_t i = 0; i < size_; ++i) floats_.data()[i] = draw(random);
  }
  float* data() const { return floats_.data(); }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  AlignedFloats floats_;
};

std::vector<float> Joined(std::initializer_list<const Numbers*> parts) {
  std::vector<float> all;
  for (const Numbers* part : parts) {
    for (std::size_t i = 0; i < part->size(); ++i) all.push_back(part->data()[i]);
  }
  return all;
}

std::vector<std::uint8_t> DrawnBits(const GradientKernels& kernels, std::size_t elements) {
  DropoutRandom random(7, 1, 2);
  std::vector<std::uint8_t> kept((elements + 31) / 32 * 4);
  kernels.draw(&random, DropoutThreshold(0.25), kept.data(), kept.size());
  return kept;
}

void ExpectNear(const std::vector<float>& expected, const std::vector<float>& actual) {
  ASSERT_EQ(expected.size(), actual.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], 1e-5f * std::max(1.0f, std::fabs(expected[i])))
        << "element " << i;
  }
}

class GradientKernelsTest : public testing::TestWithParam<std::size_t> {
 protected:
  // Runs the same with each set of kernels on equal numbers. Wider vectors change no bit.
  void ExpectEqual(const std::function<std::vector<float>(const GradientKernels&)>& run) const {
    const KernelSets<GradientKernels> sets = GradientKernelSets();
    for (std::size_t set = 1; set < sets.size(); ++set) {
      SCOPED_TRACE(sets[set]->name);
      ExpectNear(run(*sets[0]), run(*sets[set]));
      EXPECT_EQ(run(*sets[1]), run(*sets[set]));
    }
  }
  const std::size_t columns_ = GetParam();
  static constexpr std::size_t kRows = 13;
};

TEST_P(GradientKernelsTest, ProductsOnTopOfWhatIsThereAgree) {
  for (const bool is_transposed : {false, true}) {
    ExpectEqual([&](const GradientKernels& kernels) {
      const Numbers a(kRows * 5, 1), b(5 * columns_, 2), c(kRows * columns_ + 1, 3);
      const StridedMatrix factor =
          is_transposed ? StridedMatrix{a.data(), 1, kRows} : StridedMatrix{a.data(), 5, 1};
      kernels.accumulate(factor, b.data(), columns_, c.data() + 1, columns_, kRows, 5, columns_);
      return Joined({&c});
    });
  }
}

// A matrix of random numbers in any layout.
struct Laid {
  Laid(std::size_t rows, std::size_t columns, int layout, std::uint64_t seed)
      : numbers(3 * rows * columns + 3, seed) {
    switch (layout) {
      case 0:
        matrix = {numbers.data(), columns + 3, 1};
        break;
      case 1:
        matrix = {numbers.data(), 1, rows + 2};
        break;
      default:
        matrix = {numbers.data(), 2 * columns, 2};
    }
  }
  double rounded(std::size_t r, std::size_t j) const {
    return RoundToBfloat16(matrix.data[r * matrix.row_step + j * matrix.column_step]);
  }
  Numbers numbers;
  StridedMatrix matrix;
};

TEST(GradientProductsTest, InBfloat16TheyAreTheSumsOfRoundedFactorsWhateverTheShape) {
  std::mt19937_64 random(601);
  const KernelSets<GradientKernels> sets = GradientKernelSets();
  for (int round = 0; round < 60; ++round) {
    // Past the blocks that the kernels cut rows and depth into, now and then.
    const std::size_t rows = 1 + random() % (round % 10 == 0 ? 600 : 40);
    const std::size_t depth = 1 + random() % (round % 10 == 1 ? 900 : 70);
    const std::size_t columns = 1 + random() % 130, c_stride = PaddedColumns(columns) + 3;
    const Laid a(rows, depth, round % 3, random()), b(depth, columns, round / 3 % 2, random());
    const std::uint64_t seed = random();
    std::vector<float> of_avx2;
    for (const GradientKernels* kernels : sets) {
      SCOPED_TRACE(testing::Message()
                   << kernels->name << " " << rows << " x " << depth << " x " << columns);
      const Numbers before(rows * c_stride, seed), c(rows * c_stride, seed);
      kernels->accumulate_bfloat16(a.matrix, b.matrix, c.data(), c_stride, rows, depth, columns);
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t j = 0; j < c_stride; ++j) {
          double expected = before.data()[r * c_stride + j];
          for (std::size_t k = 0; j < columns && k < depth; ++k) {
            expected += a.rounded(r, k) * b.rounded(k, j);
          }
          // Products of rounded factors are exact in float32: what is left is that of their sum.
          const double error = j < columns ? 1e-6 * std::sqrt(static_cast<double>(depth)) : 0;
          ASSERT_NEAR(c.data()[r * c_stride + j], expected, error) << "row " << r << ", " << j;
        }
      }
      if (kernels == sets[1]) of_avx2 = Joined({&c});
      // Without the instruction the rounded factors go through the products of float32.
      if (kernels->name == std::string("avx512")) {
        EXPECT_EQ(Joined({&c}), of_avx2);
      }
    }
  }
}

TEST(GradientProductsTest, FactorsOfBfloat16AreRoundedToTheNearestAndTiesToEven) {
  constexpr std::size_t kDepth = 3;
  const float factors[kDepth] = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f, -(1 + 0x1p-8f + 0x1p-20f)};
  const float others[kDepth] = {4 + 0x1p-6f, 1, 1};
  std::vector<float> columns, rows;  // of `others` again and again
  for (const float other : others) columns.insert(columns.end(), 8, other);
  for (std::size_t j = 0; j < 8; ++j) rows.insert(rows.end(), others, others + kDepth);
  const StridedMatrix layouts[] = {{columns.data(), 8, 1}, {rows.data(), 1, kDepth}};
  for (const GradientKernels* kernels : GradientKernelSets()) {
    for (const StridedMatrix b : layouts) {
      std::vector<float> c(8, 0.5F);
      kernels->accumulate_bfloat16({factors, kDepth, 1}, b, c.data(), 8, 1, kDepth, 8);
      EXPECT_THAT(c, testing::Each(0.5F + 4 + (1 + 0x1p-6f) - (1 + 0x1p-7f))) << kernels->name;
    }
  }
}

TEST_P(GradientKernelsTest, TransposingPutsEachElementInItsPlaceAndClearsThePadding) {
  for (const GradientKernels* kernels : GradientKernelSets()) {
    const Numbers x(kRows * columns_, 1), y(columns_ * 24, 2);
    kernels->transpose(x.data(), columns_, y.data(), 24, kRows, columns_);
    for (std::size_t j = 0; j < columns_; ++j) {
      for (std::size_t r = 0; r < 16; ++r) {
        ASSERT_EQ(y.data()[j * 24 + r], r < kRows ? x.data()[r * columns_ + j] : 0);
      }
    }
  }
}

TEST_P(GradientKernelsTest, TheSmallOnesAgree) {
  const std::size_t size = kRows * columns_;
  const std::vector<std::uint8_t> kept = DrawnBits(PlainGradientKernels(), size);
  ExpectEqual([&](const GradientKernels& kernels) {
    const Numbers x(size, 1), y(size, 2), sums(kRows, 3);
    kernels.keep(x.data(), kept.data(), 1.25f, y.data(), size);
    kernels.rectify_gradient(x.data(), 2, y.data(), size);
    kernels.add(x.data(), y.data(), size);
    kernels.scale_rows(y.data(), sums.data(), x.data(), y.data(), kRows, columns_);
    kernels.add_row_sums(y.data(), sums.data(), kRows, columns_);
    return Joined({&y, &sums});
  });
}

// In double, so that differences of it are derivatives.
std::vector<double> NormaliseInDouble(const std::vector<double>& z, std::size_t rows,
                                      std::size_t columns) {
  std::vector<double> normal(z.size());
  for (std::size_t j = 0; j < columns; ++j) {
    double mean = 0, squares = 0;
    for (std::size_t r = 0; r < rows; ++r) mean += z[r * columns + j] / static_cast<double>(rows);
    for (std::size_t r = 0; r < rows; ++r) squares += std::pow(z[r * columns + j] - mean, 2);
    const double deviation = std::sqrt(squares / static_cast<double>(rows) + 1e-5);
    for (std::size_t r = 0; r < rows; ++r) {
      normal[r * columns + j] = (z[r * columns + j] - mean) / deviation;
    }
  }
  return normal;
}

TEST_P(GradientKernelsTest, NormalisingAgreesAndItsGradientIsTheDerivative) {
  const std::size_t size = kRows * columns_;
  const std::vector<std::uint8_t> kept = DrawnBits(PlainGradientKernels(), size);
  const Numbers gain(kRows, 5), shift(kRows, 6), bias(kRows, 7), cotangent(size, 8);
  const auto run = [&](const GradientKernels& kernels) {
    const Numbers x(size, 1), y(size, 2), normal(size, 3), scales(columns_, 4);
    kernels.add_and_normalise(y.data(), bias.data(), kept.data(), 1.25f, gain.data(), shift.data(),
                              x.data(), normal.data(), scales.data(), kRows, columns_);
    const Numbers gradient(size, 8), by_gain(kRows, 9), by_shift(kRows, 10);
    kernels.normalise_gradient(normal.data(), scales.data(), gain.data(), gradient.data(),
                               by_gain.data(), by_shift.data(), kRows, columns_);
    return Joined({&gradient, &x, &normal, &by_gain, &by_shift});
  };
  ExpectEqual(run);
  const std::vector<float> result = run(FastGradientKernels());
  std::vector<double> z(size);
  const Numbers x(size, 1), y(size, 2);
  for (std::size_t i = 0; i < size; ++i) {
    const bool is_kept = (kept[i / 8] >> (i % 8) & 1) != 0;
    z[i] = x.data()[i] + (is_kept ? 1.25 * (y.data()[i] + bias.data()[i / columns_]) : 0);
  }
  const auto loss = [&](const std::vector<double>& at) {
    const std::vector<double> normal = NormaliseInDouble(at, kRows, columns_);
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      sum += cotangent.data()[i] * gain.data()[i / columns_] * normal[i];
    }
    return sum;
  };
  for (std::size_t i = 0; i < size; i += 7) {
    constexpr double kStep = 1e-5;
    std::vector<double> up = z, down = z;
    up[i] += kStep;
    down[i] -= kStep;
    ASSERT_NEAR(result[i], (loss(up) - loss(down)) / (2 * kStep), 2e-4) << "element " << i;
  }
}

TEST_P(GradientKernelsTest, TheGradientOfASoftmaxIsTheDerivative) {
  const std::size_t size = kRows * columns_;
  const std::vector<std::uint8_t> kept = DrawnBits(PlainGradientKernels(), size);
  const Numbers logits(size, 1), cotangent(size, 2);
  const auto probabilities = [&](const std::vector<double>& at) {
    std::vector<double> p(size);
    for (std::size_t j = 0; j < columns_; ++j) {
      double sum = 0;
      for (std::size_t r = 0; r < kRows; ++r) {
        sum += p[r * columns_ + j] = std::exp2(at[r * columns_ + j]);
      }
      for (std::size_t r = 0; r < kRows; ++r) p[r * columns_ + j] /= sum;
    }
    return p;
  };
  const std::vector<double> start(logits.data(), logits.data() + size);
  const auto run = [&](const GradientKernels& kernels) {
    const Numbers p(size, 3), gradient(size, 2);
    const std::vector<double> exact = probabilities(start);
    for (std::size_t i = 0; i < size; ++i) p.data()[i] = static_cast<float>(exact[i]);
    kernels.soften_gradient(p.data(), kept.data(), 1.25f, gradient.data(), kRows, columns_);
    return Joined({&gradient});
  };
  ExpectEqual(run);
  const std::vector<float> result = run(FastGradientKernels());
  const auto loss = [&](const std::vector<double>& at) {
    const std::vector<double> p = probabilities(at);
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if ((kept[i / 8] >> (i % 8) & 1) != 0) sum += 1.25 * p[i] * cotangent.data()[i];
    }
    return sum;
  };
  for (std::size_t i = 0; i < size; i += 5) {
    constexpr double kStep = 1e-5;
    std::vector<double> up = start, down = start;
    up[i] += kStep;
    down[i] -= kStep;
    ASSERT_NEAR(result[i], (loss(up) - loss(down)) / (2 * kStep), 1e-5) << "element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Columns, GradientKernelsTest, testing::Values(8, 16, 24, 32, 40, 48, 104));

TEST(DropoutBitsTest, AreTheSameWithAnyKernelsAndDropTheShareAskedFor) {
  const std::vector<std::uint8_t> plain = DrawnBits(PlainGradientKernels(), 64'000);
  for (const GradientKernels* kernels : GradientKernelSets()) {
    EXPECT_EQ(plain, DrawnBits(*kernels, 64'000)) << kernels->name;
  }
  double kept = 0;
  std::vector<int> by_place(32);
  for (std::size_t i = 0; i < 64'000; ++i) {
    const int bit = plain[i / 8] >> (i % 8) & 1;
    kept += bit;
    by_place[i % 32] += bit;
  }
  EXPECT_NEAR(kept / 64'000, 0.75, 0.01);
  for (const int count : by_place) EXPECT_NEAR(count / 2000.0, 0.75, 0.04);
}

}  // namespace
}  // namespace fourfold
