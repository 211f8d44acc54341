#include "math/vector_kernels.h"

#include <gtest/gtest.h>

#include <bit>
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

std::vector<std::uint32_t> BitsOf(const std::vector<float>& values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
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

TEST(VectorKernelsTest, EachSetHasTheBitsOfPlain) {
  const VectorKernels& plain = PlainVectorKernels();
  std::mt19937 random(7);
  for (std::size_t length = 0; length <= 200; length += kVectorLanes) {
    const std::vector<float> a = RandomVector(length, &random);
    const std::vector<float> b = RandomVector(length, &random);
    const float product = plain.dot(a.data(), b.data(), length);
    double exact = 0;
    for (std::size_t i = 0; i < length; ++i) exact += double{a[i]} * double{b[i]};
    EXPECT_NEAR(static_cast<double>(product), exact, 1e-4);
    std::vector<float> added = b, target = a, gradient = b;
    plain.add_scaled(0.3F, a.data(), added.data(), length);
    plain.exchange(-0.7F, b.data(), target.data(), gradient.data(), length);
    for (const VectorKernels* kernels : VectorKernelSets()) {
      SCOPED_TRACE(testing::Message() << kernels->name << " " << length);
      EXPECT_EQ(BitsOf({kernels->dot(a.data(), b.data(), length)}), BitsOf({product}));
      std::vector<float> sum = b, exchanged = a, its_gradient = b;
      kernels->add_scaled(0.3F, a.data(), sum.data(), length);
      EXPECT_EQ(BitsOf(sum), BitsOf(added));
      kernels->exchange(-0.7F, b.data(), exchanged.data(), its_gradient.data(), length);
      EXPECT_EQ(BitsOf(exchanged), BitsOf(target));
      EXPECT_EQ(BitsOf(its_gradient), BitsOf(gradient));
    }
  }
}

TEST(VectorKernelsTest, CodesAreMultipliedExactly) {
  std::vector<std::int16_t> a = {1, 2, 3};
  std::vector<std::int8_t> b = {5, -6, 7};
  a.resize(kCodeLanes), b.resize(kCodeLanes);
  a.back() = 32'767, b.back() = -127;
  EXPECT_EQ(PlainVectorKernels().dot_codes(a.data(), b.data(), kCodeLanes),
            5 - 12 + 21 - 127 * 32'767);
  std::mt19937 random(8);
  for (std::size_t length = 0; length <= 512; length += kCodeLanes) {
    std::vector<std::int16_t> query(length);
    std::vector<std::int8_t> code(length);
    for (std::size_t i = 0; i < length; ++i) {
      query[i] = static_cast<std::int16_t>(static_cast<int>(random() % 65'535) - 32'767);
      code[i] = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
    }
    const std::int32_t product = PlainVectorKernels().dot_codes(query.data(), code.data(), length);
    for (const VectorKernels* kernels : VectorKernelSets()) {
      EXPECT_EQ(kernels->dot_codes(query.data(), code.data(), length), product)
          << kernels->name << " " << length;
    }
  }
}

}  // namespace
}  // namespace fourfold
