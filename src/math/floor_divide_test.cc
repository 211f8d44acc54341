#include "math/floor_divide.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace fourfold {
namespace {

TEST(FloorDivideTest, RoundsDown) {
  EXPECT_EQ(FloorDivide(7, 2), 3);
  EXPECT_EQ(FloorDivide(-7, 2), -4);
  EXPECT_EQ(FloorDivide(-8, 2), -4);
  EXPECT_EQ(FloorDivide(0, 5), 0);
}

TEST(FloorDivideTest, FastOneIsTheSameAroundEveryMultiple) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    const auto by = static_cast<std::int64_t>(1 + random() % (std::uint64_t{1} << random() % 41));
    const FastFloorDivide fast(by);
    for (int i = 0; i < 50; ++i) {
      const auto far = static_cast<std::int64_t>(random() >> (12 + random() % 40));
      const std::int64_t multiple = far / by * by;
      for (const std::int64_t value : {multiple - 1, multiple, multiple + 1, far}) {
        ASSERT_EQ(fast(value), FloorDivide(value, by)) << value << " by " << by;
        ASSERT_EQ(fast(-value), FloorDivide(-value, by)) << -value << " by " << by;
      }
    }
  }
}

TEST(FloorDivideTest, FastOneTakesExtremes) {
  for (const std::int64_t by : {std::int64_t{1}, std::int64_t{3}, INT64_MAX}) {
    const FastFloorDivide fast(by);
    for (const std::int64_t value : {INT64_MIN + 1, INT64_MAX, std::int64_t{1} << 51,
                                     (std::int64_t{1} << 51) - 1, -(std::int64_t{1} << 51) + 1}) {
      EXPECT_EQ(fast(value), FloorDivide(value, by)) << value << " by " << by;
    }
  }
}

}  // namespace
}  // namespace fourfold
