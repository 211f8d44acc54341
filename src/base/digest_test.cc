#include "base/digest.h"

#include <gtest/gtest.h>

namespace fourfold {
namespace {

// FIPS 180-2's example: SHA-256("abc") begins ba7816bf 8f01cfea 414140de 5dae2223.
TEST(DigestTest, IsTheFirstHalfOfSha256) {
  EXPECT_EQ(DigestToHex(DigestOf("abc")), "ba7816bf8f01cfea414140de5dae2223");
}

TEST(DigestTest, PiecesGiveTheSameAsTheWhole) {
  DigestBuilder builder;
  builder.Add("a");
  builder.Add("");
  builder.Add("bc");
  EXPECT_EQ(builder.Finish(), DigestOf("abc"));
}

TEST(StableHashTest, NeverChanges) {
  EXPECT_EQ(StableHash("fourfold", 7), StableHash("fourfold", 7));
  EXPECT_NE(StableHash("fourfold", 7), StableHash("fourfold", 8));
  EXPECT_NE(StableHash("a"), StableHash("b"));
}

}  // namespace
}  // namespace fourfold
