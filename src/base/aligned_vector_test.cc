#include "base/aligned_vector.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace fourfold {
namespace {

TEST(AlignedVectorTest, BeginsWithALineAndALargeOneWithALargePage) {
  for (std::size_t size = 1; size < 100; ++size) {
    const AlignedVector<float> few(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(few.data()) % 64, 0u);
  }
  const AlignedVector<float> many((2u << 20) / sizeof(float) + 1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(many.data()) % (2u << 20), 0u);
}

TEST(AlignedVectorTest, KeepsWhatItHoldsAsItGrows) {
  AlignedVector<std::uint32_t> numbers;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) numbers.push_back(i);
  for (std::uint32_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], i);
}

}  // namespace
}  // namespace fourfold
