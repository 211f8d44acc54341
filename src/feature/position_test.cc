#include "feature/position.h"

#include <gtest/gtest.h>

#include <limits>

namespace fourfold {
namespace {

TEST(PositionTest, IsAPartitionAndAnOffsetInBase36) {
  EXPECT_EQ(FormatPosition(0), "0-0");
  EXPECT_EQ(FormatPosition(35), "0-z");
  EXPECT_EQ(FormatPosition(36), "0-10");
  EXPECT_EQ(FormatPosition(std::numeric_limits<Position>::max()), "0-3w5e11264sgsf");
}

TEST(PositionTest, ReadsBackWhatItWrote) {
  for (Position position :
       {Position{0}, Position{1}, Position{123'456'789}, std::numeric_limits<Position>::max()}) {
    EXPECT_EQ(ParsePosition(FormatPosition(position)).value(), position);
  }
}

TEST(PositionTest, RefusesWhatItNeverWrites) {
  for (const char* text : {"", "0", "-", "0-", "1-0", "0-00", "0-01", "0-A", "0- 1", "0-1 ", "0--1",
                           "0-3w5e11264sgsg", "0-zzzzzzzzzzzzz", "0-10000000000000"}) {
    EXPECT_FALSE(ParsePosition(text).ok()) << text;
  }
}

}  // namespace
}  // namespace fourfold
