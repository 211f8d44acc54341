#include "feature/plan/feature_plan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"

namespace fourfold {
namespace {

FeatureDeclaration Count(const std::string& name, const std::string& entity,
                         std::vector<std::string> types) {
  return {name, "count", {{"entity", entity}, {"types", std::move(types)}}};
}

std::shared_ptr<const FeaturePlan> Compile(const std::vector<FeatureDeclaration>& declared,
                                           const StateSchema& onto = {}) {
  return FeaturePlan::Compile(declared, nullptr, onto).value();
}

TEST(FeaturePlanTest, OntoTheSchemaOfAnotherItExtendsThatAndReadsWhatIsItsOwn) {
  const auto first = Compile({Count("a", "item", {"click"}), Count("b", "session", {"view"})});
  const auto second =
      Compile({Count("c", "user", {"buy"}), Count("d", "item", {"buy"})}, first->schema());
  EXPECT_TRUE(second->schema().Extends(first->schema()));
  EXPECT_FALSE(first->schema().Extends(second->schema()));
  EXPECT_EQ(second->schema().action_types, (std::vector<std::string>{"click", "view", "buy"}));
  EXPECT_EQ(second->schema().families.size(), 3);
  EXPECT_TRUE(second->schema().Keeps(StateEntity::kSession));
  EXPECT_FALSE(second->use().Reads(StateEntity::kSession));
  EXPECT_TRUE(second->use().Reads(StateEntity::kUser));
  EXPECT_EQ(second->use().families, (std::vector<bool>{true, false, true}));
}

TEST(FeaturePlanTest, WhereAllOfItIsKeptAlreadyTheSchemaStaysTheSame) {
  const auto first = Compile({Count("a", "item", {"click"}), Count("b", "user", {"view"})});
  const auto second = Compile({Count("x", "user", {"view"})}, first->schema());
  EXPECT_EQ(second->schema(), first->schema());
  // In another order the places are others.
  EXPECT_FALSE(first->schema().Extends(Compile({Count("x", "user", {"view"})})->schema()));
}

TEST(FeaturePlanTest, AloneItReadsAllThatItKeeps) {
  const auto plan = Compile(
      {Count("a", "item", {"click"}),
       Count("b", "global", {"view"}),
       {"c", "attribute", {{"entity", std::string("user")}, {"field", std::string("age")}}}});
  for (const StateEntity entity :
       {StateEntity::kItem, StateEntity::kUser, StateEntity::kSession, StateEntity::kGlobal}) {
    EXPECT_EQ(plan->use().Reads(entity), plan->schema().Keeps(entity));
    EXPECT_EQ(plan->use().ReadsFacts(entity), plan->schema().KeepsFacts(entity));
  }
  EXPECT_EQ(plan->use().families, (std::vector<bool>{true, true}));
}

TEST(FeaturePlanTest, WithTooManyTypesOfActionsTogetherItDoesNotCompile) {
  const auto types = [](const char* prefix) {
    std::vector<std::string> names;
    for (int i = 0; i < 40; ++i) names.push_back(StrCat(prefix, i));
    return names;
  };
  const auto first = Compile({Count("a", "item", types("first"))});
  const std::vector<FeatureDeclaration> second = {Count("b", "item", types("second"))};
  EXPECT_TRUE(FeaturePlan::Compile(second).ok());
  EXPECT_FALSE(FeaturePlan::Compile(second, nullptr, first->schema()).ok());
}

}  // namespace
}  // namespace fourfold
