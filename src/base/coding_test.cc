#include "base/coding.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace fourfold {
namespace {

TEST(CodingTest, BytesOfTimesSortAsTheTimesDo) {
  const std::vector<std::int64_t> times = {
      std::numeric_limits<std::int64_t>::min(), -5, -1, 0, 1, 1'322'000'000'000,
      std::numeric_limits<std::int64_t>::max()};
  std::string previous;
  for (const std::int64_t time : times) {
    std::string bytes;
    AppendBigEndian64(&bytes, OrderedBits(time));
    EXPECT_EQ(FromOrderedBits(ReadBigEndian64(bytes.data())), time);
    EXPECT_LT(previous, bytes);
    previous = bytes;
  }
}

TEST(CodingTest, EveryNumberComesBack) {
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{127}, std::int64_t{128},
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    std::string bytes;
    AppendVarint(&bytes, ZigZag(value));
    Decoder decoder(bytes);
    EXPECT_EQ(decoder.SignedVarint(), value);
    EXPECT_TRUE(decoder.ok() && decoder.AtEnd());
  }
}

TEST(DecoderTest, StaysFailedAfterAShortRead) {
  std::string bytes;
  AppendVarint(&bytes, 100);
  bytes += "short";
  Decoder decoder(bytes);
  EXPECT_EQ(decoder.Bytes(), "");
  EXPECT_FALSE(decoder.ok());
  EXPECT_EQ(decoder.Varint(), 0u);
  EXPECT_FALSE(decoder.ok());
}

TEST(DecoderTest, RefusesANumberOfMoreThan64Bits) {
  const std::string bytes(10, '\xff');
  Decoder decoder(bytes);
  decoder.Varint();
  EXPECT_FALSE(decoder.ok());
}

}  // namespace
}  // namespace fourfold
