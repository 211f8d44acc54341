#include "feature/plan/feature_request.h"

#include <gtest/gtest.h>

namespace fourfold {
namespace {

TEST(RequestFieldsTest, TheQueryOfASlateIsOneOfTheFieldsAndCountsBeforeOneOfThatName) {
  Event slate;
  slate.fields = {{"device", "phone"}, {"query", "cup"}};
  EXPECT_EQ(RequestFieldsOf(slate), slate.fields);
  slate.query_text = "mug";
  EXPECT_EQ(RequestFieldsOf(slate), (std::vector<Field>{{"device", "phone"}, {"query", "mug"}}));
}

}  // namespace
}  // namespace fourfold
