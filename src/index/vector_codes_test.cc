#include "index/vector_codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace fourfold {
namespace {

// Vectors of many sizes and shapes against queries of many: never below the product, and near it.
TEST(VectorCodesTest, TheBoundIsNeverBelowTheProductAndNearIt) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 1);
  for (const std::size_t dimension : {8u, 24u, 64u, 72u, 784u, 4096u}) {
    std::vector<std::vector<float>> rows;
    for (int row = 0; row < 60; ++row) {
      std::vector<float>& values = rows.emplace_back(dimension);
      const float size = std::exp(3 * normal(random));
      for (float& value : values) value = row % 3 == 0 ? std::fabs(normal(random)) : normal(random);
      if (row % 4 == 0) values[dimension / 2] = 30;  // the scale is that of one number
      if (row % 10 == 0) std::fill(values.begin() + 1, values.end(), 0.0F);
      for (float& value : values) value *= size;
    }
    rows.emplace_back(dimension, 0.0F);
    rows.emplace_back(dimension, 1e-41F);  // denormal
    std::vector<const float*> vectors;
    for (const auto& row : rows) vectors.push_back(row.data());
    const VectorCodes codes(vectors, dimension);
    CodedQuery query;
    for (const auto& asked : rows) {
      codes.Encode(asked, &query);
      for (std::size_t row = 0; row < rows.size(); ++row) {
        const auto product =
            static_cast<double>(FastVectorKernels().dot(asked.data(), rows[row].data(), dimension));
        ASSERT_GE(codes.UpperBound(query, row), product) << dimension << " " << row;
      }
    }
  }
}

TEST(VectorCodesTest, TheBoundOfVectorsOfLength1IsNearTheirProduct) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 0.125F);
  std::vector<std::vector<float>> rows(100, std::vector<float>(64));
  std::vector<const float*> vectors;
  for (auto& row : rows) {
    for (float& value : row) value = normal(random);
    vectors.push_back(row.data());
  }
  const VectorCodes codes(vectors, 64);
  CodedQuery query;
  codes.Encode(rows[0], &query);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const float product = FastVectorKernels().dot(vectors[0], vectors[row], 64);
    EXPECT_NEAR(codes.UpperBound(query, row), static_cast<double>(product), 0.02) << row;
  }
}

}  // namespace
}  // namespace fourfold
