#include "math/symmetric_inverse.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fourfold {
namespace {

// The plain twin: Gauss-Jordan in double precision.
std::vector<double> PlainInverse(const SymmetricMatrix& matrix) {
  const std::size_t n = matrix.size;
  std::vector<double> a(n * n), inverse(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    inverse[i * n + i] = 1;
    for (std::size_t j = 0; j < n; ++j) a[i * n + j] = static_cast<double>(matrix.at(i, j));
  }
  for (std::size_t pivot = 0; pivot < n; ++pivot) {
    const double scale = 1 / a[pivot * n + pivot];
    for (std::size_t j = 0; j < n; ++j) {
      a[pivot * n + j] *= scale;
      inverse[pivot * n + j] *= scale;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const double factor = a[i * n + pivot];
      if (i == pivot || factor == 0) continue;
      for (std::size_t j = 0; j < n; ++j) {
        a[i * n + j] -= factor * a[pivot * n + j];
        inverse[i * n + j] -= factor * inverse[pivot * n + j];
      }
    }
  }
  return inverse;
}

TEST(SymmetricInverseTest, InvertsByHand) {
  SymmetricMatrix matrix(2);  // [[4, 2], [2, 3]]: 1/8 [[3, -2], [-2, 4]]
  matrix.at(0, 0) = 4;
  matrix.at(0, 1) = 2;
  matrix.at(1, 1) = 3;
  ASSERT_TRUE(Invert(&matrix, 1).ok());
  EXPECT_FLOAT_EQ(matrix.at(0, 0), 0.375F);
  EXPECT_FLOAT_EQ(matrix.at(1, 0), -0.25F);
  EXPECT_FLOAT_EQ(matrix.at(0, 1), -0.25F);
  EXPECT_FLOAT_EQ(matrix.at(1, 1), 0.5F);
}

TEST(SymmetricInverseTest, AgreesWithThePlainTwinOnRandomGramMatrices) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> bit(0, 4);
  for (const std::size_t size : {1u, 3u, 40u, 150u}) {
    SymmetricMatrix matrix(size);
    for (int user = 0; user < 300; ++user) {
      std::vector<std::size_t> items;
      for (std::size_t i = 0; i < size; ++i) {
        if (bit(random) == 0) items.push_back(i);
      }
      for (const std::size_t i : items) {
        for (const std::size_t j : items) {
          if (i >= j) matrix.at(i, j) += 1;
        }
      }
    }
    for (std::size_t i = 0; i < size; ++i) matrix.at(i, i) += 20;
    const std::vector<double> expected = PlainInverse(matrix);
    for (const std::size_t block_rows : {0u, 1u, 7u, 50u}) {
      for (const int threads : {1, 2}) {
        SymmetricMatrix inverse = matrix;
        ASSERT_TRUE(Invert(&inverse, threads, {}, block_rows).ok());
        for (std::size_t i = 0; i < size; ++i) {
          for (std::size_t j = 0; j < size; ++j) {
            ASSERT_NEAR(inverse.at(i, j), expected[i * size + j], 2e-6)
                << size << " " << block_rows << " " << i << " " << j;
          }
        }
      }
    }
  }
}

TEST(SymmetricInverseTest, RefusesWhatIsNotPositiveDefinite) {
  SymmetricMatrix matrix(2);
  matrix.at(0, 0) = 1;
  matrix.at(0, 1) = 2;
  matrix.at(1, 1) = 1;
  const absl::Status status = Invert(&matrix, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST(SymmetricInverseTest, IsAskedBetweenBlocksAndEndsWhenCalledOff) {
  SymmetricMatrix matrix(20);
  for (std::size_t i = 0; i < 20; ++i) matrix.at(i, i) = 1;
  // Five blocks, three passes over them.
  for (const int at : {1, 7, 15}) {
    SymmetricMatrix inverse = matrix;
    int asked = 0;
    const absl::Status status = Invert(
        &inverse, 1, [&] { return ++asked == at; }, 4);
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(asked, at);
  }
  int asked = 0;
  EXPECT_TRUE(Invert(
                  &matrix, 1, [&] { return ++asked == 16; }, 4)
                  .ok());
  EXPECT_EQ(asked, 15);
}

TEST(SymmetricInverseTest, AnEmptyMatrixStaysEmpty) {
  SymmetricMatrix matrix(0);
  EXPECT_TRUE(Invert(&matrix, 1).ok());
}

}  // namespace
}  // namespace fourfold
