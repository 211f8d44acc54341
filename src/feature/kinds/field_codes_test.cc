#include "feature/kinds/field_codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"

namespace fourfold {
namespace {

using Texts = std::vector<std::string>;

std::vector<float> CodesOf(const FieldValue& value, std::size_t room = 4,
                           std::string_view field = "kind") {
  std::vector<float> codes(room, -1.0F);
  FillFieldCodes(field, value, codes);
  return codes;
}

float CodeOf(const FieldValue& value, std::string_view field = "kind") {
  return CodesOf(value, 1, field)[0];
}

TEST(FieldCodesTest, AValueHasOneCodeAndOthersHaveOthers) {
  EXPECT_EQ(CodeOf("red"), CodeOf("red"));
  EXPECT_NE(CodeOf("red"), CodeOf("blue"));
  EXPECT_NE(CodeOf("red"), CodeOf("red", "colour"));
  EXPECT_EQ(CodeOf(true), CodeOf("true"));
  EXPECT_EQ(CodeOf(0.5), CodeOf("0.5"));
  EXPECT_NE(CodeOf(1234567.0), CodeOf(1234568.0));
  EXPECT_TRUE(std::isnan(CodeOf(FieldValue())));
  std::set<float> codes;
  for (int i = 0; i < 1000; ++i) {
    const float code = CodeOf(StrCat("value ", i));
    EXPECT_TRUE(code >= 0 && code < 0x1p24F && code == std::floor(code)) << code;
    codes.insert(code);
  }
  // Of so many numbers two seldom are the same: the mean is .03 of a thousand.
  EXPECT_GE(codes.size(), 998);
}

TEST(FieldCodesTest, AListHasACodeForEachOfItsTextsOnceInOneOrder) {
  const std::vector<float> codes = CodesOf(Texts{"b", "a", "b"});
  EXPECT_EQ(std::set<float>(codes.begin(), codes.begin() + 2),
            (std::set<float>{CodeOf("a"), CodeOf("b")}));
  EXPECT_LT(codes[0], codes[1]);
  EXPECT_TRUE(std::isnan(codes[2]) && std::isnan(codes[3]));
  const std::vector<float> same = CodesOf(Texts{"a", "b"});
  EXPECT_EQ(same[0], codes[0]);
  EXPECT_EQ(same[1], codes[1]);
  EXPECT_EQ(CodesOf(std::vector<double>{2, 3}, 2), CodesOf(Texts{"3", "2"}, 2));
  EXPECT_TRUE(std::isnan(CodesOf(Texts{})[0]));
}

TEST(FieldCodesTest, MoreTextsThanThereIsRoomForLeaveTheSmallestCodes) {
  Texts texts;
  std::set<float> all;
  for (int i = 0; i < 20; ++i) {
    texts.push_back(StrCat("t", i));
    all.insert(CodeOf(texts.back()));
  }
  const std::vector<float> codes = CodesOf(texts, 3);
  EXPECT_EQ(codes, std::vector<float>(all.begin(), std::next(all.begin(), 3)));
}

}  // namespace
}  // namespace fourfold
