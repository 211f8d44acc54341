#include "feature/state/live_features.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "feature/event_store_testing.h"

namespace fourfold {
namespace {

using Declarations = std::vector<FeatureDeclaration>;

FeatureDeclaration Count(const std::string& name, const std::string& entity,
                         std::vector<std::string> types = {"click"}) {
  return {name, "count", {{"entity", entity}, {"types", std::move(types)}}};
}

class LiveFeaturesTest : public EventStoreTest {
 protected:
  using Features = std::shared_ptr<const LiveFeatures>;

  Features After(const Features& active, const Declarations& declared) {
    return LiveFeatures::After(active, FeaturePlan::Compile(declared).value(), store_.get(), {});
  }
  // Neither contains the other.
  const Declarations of_items_ = {Count("a", "item"), Count("b", "user_item")};
  const Declarations of_users_ = {Count("c", "user"), Count("b", "user_item")};
};

TEST_F(LiveFeaturesTest, GoingBackFindsTheStateThatHoldsWhatBothRead) {
  const Features first = After(nullptr, of_items_);
  EXPECT_FALSE(first->state()->schema().Keeps(StateEntity::kGlobal));
  const Features second = After(first, of_users_);
  EXPECT_NE(second->state(), first->state());
  EXPECT_TRUE(second->state()->schema().Extends(first->state()->schema()));
  EXPECT_EQ(second->state()->schema().families.size(), 3);
  const Features back = After(second, of_items_);
  EXPECT_EQ(back->state(), second->state());
  EXPECT_EQ(After(back, of_users_)->state(), second->state());
}

TEST_F(LiveFeaturesTest, TheSameFeaturesGoOnAsTheyAre) {
  const Features first = After(nullptr, of_items_);
  EXPECT_EQ(After(first, of_items_), first);
  // Of another window and name, they read what is kept.
  Declarations named = of_items_;
  named[0].name = "other";
  named[0].parameters.push_back({"window", std::string("1h")});
  const Features second = After(first, named);
  EXPECT_NE(second, first);
  EXPECT_EQ(second->state(), first->state());
}

TEST_F(LiveFeaturesTest, WhatNeitherReadsGoes) {
  Declarations more = of_items_;
  more.push_back(Count("everybody", "global"));
  const Features first = After(nullptr, more);
  const Features fewer = After(first, of_items_);
  EXPECT_EQ(fewer->state(), first->state());
  const Features again = After(fewer, of_items_);
  EXPECT_NE(again->state(), first->state());
  EXPECT_FALSE(again->state()->schema().Keeps(StateEntity::kGlobal));
  EXPECT_EQ(After(again, of_items_), again);
}

TEST_F(LiveFeaturesTest, WithTooManyTypesTogetherEachHasAStateOfItsOwn) {
  const auto types = [](const char* prefix) {
    std::vector<std::string> names;
    for (int i = 0; i < 40; ++i) names.push_back(StrCat(prefix, i));
    return names;
  };
  const Features first = After(nullptr, {Count("a", "item", types("first"))});
  const Features second = After(first, {Count("a", "item", types("second"))});
  EXPECT_EQ(second->state()->schema().action_types, types("second"));
  EXPECT_EQ(After(second, {Count("a", "item", types("first"))})->state()->schema().action_types,
            types("first"));
}

}  // namespace
}  // namespace fourfold
