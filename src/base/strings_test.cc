#include "base/strings.h"

#include <gtest/gtest.h>

namespace fourfold {
namespace {

TEST(StrCatTest, TakesStandardViewsAndNumbers) {
  EXPECT_EQ(StrCat(std::string_view("line "), 7, ": ", std::string("x")), "line 7: x");
}

TEST(StringMapTest, FindsByViewWithoutMakingAString) {
  StringMap<int> map;
  map["price"] = 3;
  EXPECT_EQ(map.find(std::string_view("price"))->second, 3);
  EXPECT_FALSE(map.contains(std::string_view("kind")));
}

TEST(AnnotateTest, NamesThePlaceAndKeepsTheCode) {
  const absl::Status status = Annotate(NotFound("no item ", 7), "manifest.json");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MessageOf(status), "manifest.json: no item 7");
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

}  // namespace
}  // namespace fourfold
