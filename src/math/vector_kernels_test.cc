#include "math/vector_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace fourfold {
namespace {

std::vector<float> RandomVector(std::size_t length, std::mt19937* random) {
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> vector(length);
  for (float& value : vector) value = normal(*random);
  return vector;
}

TEST(VectorKernelsTest, PlainIsTheTextbooksByHand) {
  const VectorKernels& plain = PlainVectorKernels();
  const std::vector<float> a = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<float> b = {1, 0, -1, 0, 2, 0, 0, 1};
  EXPECT_EQ(plain.dot(a.data(), b.data(), 8), 1 - 3 + 10 + 8);
  plain.add_scaled(2, a.data(), b.data(), 8);
  EXPECT_EQ(b, (std::vector<float>{3, 4, 5, 8, 12, 12, 14, 17}));
  std::vector<float> gradient(8, 1);
  plain.exchange(0.5F, a.data(), b.data(), gradient.data(), 8);
  EXPECT_EQ(gradient, (std::vector<float>{2.5, 3, 3.5, 5, 7, 7, 8, 9.5}));
  EXPECT_EQ(b, (std::vector<float>{3.5, 5, 6.5, 10, 14.5, 15, 17.5, 21}));
}

TEST(VectorKernelsTest, FastHasTheBitsOfPlain) {
  const VectorKernels& plain = PlainVectorKernels();
  const VectorKernels& fast = FastVectorKernels();
  std::mt19937 random(7);
  for (std::size_t length = 0; length <= 200; length += kVectorLanes) {
    const std::vector<float> a = RandomVector(length, &random);
    const std::vector<float> b = RandomVector(length, &random);
    EXPECT_EQ(plain.dot(a.data(), b.data(), length), fast.dot(a.data(), b.data(), length))
        << length;
    double exact = 0;
    for (std::size_t i = 0; i < length; ++i) exact += double{a[i]} * double{b[i]};
    EXPECT_NEAR(static_cast<double>(fast.dot(a.data(), b.data(), length)), exact, 1e-4);

    std::vector<float> plain_sum = b, fast_sum = b;
    plain.add_scaled(0.3F, a.data(), plain_sum.data(), length);
    fast.add_scaled(0.3F, a.data(), fast_sum.data(), length);
    EXPECT_EQ(plain_sum, fast_sum) << length;

    std::vector<float> plain_gradient = a, fast_gradient = a;
    plain.exchange(-0.7F, a.data(), plain_sum.data(), plain_gradient.data(), length);
    fast.exchange(-0.7F, a.data(), fast_sum.data(), fast_gradient.data(), length);
    EXPECT_EQ(plain_sum, fast_sum) << length;
    EXPECT_EQ(plain_gradient, fast_gradient) << length;
  }
}

TEST(VectorKernelsTest, CodesAreMultipliedExactly) {
  const VectorKernels& plain = PlainVectorKernels();
  const VectorKernels& fast = FastVectorKernels();
  std::vector<std::int16_t> a = {1, 2, 3};
  std::vector<std::int8_t> b = {5, -6, 7};
  a.resize(kCodeLanes), b.resize(kCodeLanes);
  a.back() = 32'767, b.back() = -127;
  EXPECT_EQ(plain.dot_codes(a.data(), b.data(), kCodeLanes), 5 - 12 + 21 - 127 * 32'767);
  std::mt19937 random(8);
  for (std::size_t length = 0; length <= 512; length += kCodeLanes) {
    std::vector<std::int16_t> query(length);
    std::vector<std::int8_t> code(length);
    for (std::size_t i = 0; i < length; ++i) {
      query[i] = static_cast<std::int16_t>(static_cast<int>(random() % 65'535) - 32'767);
      code[i] = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
    }
    EXPECT_EQ(plain.dot_codes(query.data(), code.data(), length),
              fast.dot_codes(query.data(), code.data(), length))
        << length;
  }
}

}  // namespace
}  // namespace fourfold
