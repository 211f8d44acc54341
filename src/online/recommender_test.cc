#include "online/recommender.h"

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "data/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "online/surfaces/surfaces.h"
#include "online/test_world.h"

namespace fourfold {
namespace {

using testing::AddItemToItem;
using testing::AddPopular;
using testing::AddRepeats;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ItemsOf;
using testing::kStartMs;
using testing::MakeServable;
using ::testing::Not;
using testing::Share;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using testing::World;

const std::vector<std::string> kItems = {"a", "b", "c", "d", "e", "f"};

Servable SmallServable() {
  Servable servable = MakeServable(kItems);
  AddItemToItem(&servable, 1, {{"a", {{"f", 0.9f}, {"e", 0.5f}}}, {"b", {{"d", 0.8f}}}});
  AddPopular(&servable, 0.1);
  return servable;
}

TEST(RecommenderTest, SlateFillsWithoutAServable) {
  World world;
  world.DeclareAll(kItems);
  const RecommendResponse response = world.Ask({.user = "u", .limit = 6});
  EXPECT_THAT(ItemsOf(response), UnorderedElementsAre("a", "b", "c", "d", "e", "f"));
  ASSERT_THAT(response.degraded, SizeIs(1));
  EXPECT_EQ(response.degraded[0].stage, "servable");
  EXPECT_THAT(response.items[0].retrievers, ElementsAre("fill"));
}

TEST(RecommenderTest, SlateFillsWhenEveryRetrieverFails) {
  World world;
  world.DeclareAll(kItems);
  Servable servable = SmallServable();
  servable.item_to_item.clear();
  servable.popularity_tables.clear();
  ASSERT_TRUE(world.recommender->Activate(Share(std::move(servable))).ok());
  const RecommendResponse response = world.Ask({.user = "u", .limit = 4});
  EXPECT_THAT(ItemsOf(response), ElementsAre("a", "b", "c", "d"));
  ASSERT_THAT(response.degraded, SizeIs(2));
  EXPECT_EQ(response.degraded[0].stage, "item_cf");
  EXPECT_EQ(response.degraded[1].stage, "popular");
}

TEST(RecommenderTest, LastActionChangesTheNextSlate) {
  World world;
  world.DeclareAll(kItems);
  ASSERT_TRUE(world.recommender->Activate(Share(SmallServable())).ok());
  EXPECT_THAT(ItemsOf(world.Ask({.user = "u", .limit = 3})), ElementsAre("a", "b", "c"));
  world.Act("u", "a");
  EXPECT_THAT(ItemsOf(world.Ask({.user = "u", .limit = 3})), ElementsAre("f", "e", "a"));
  world.clock.Advance(1);
  world.Act("u", "b");
  EXPECT_THAT(ItemsOf(world.Ask({.user = "u", .limit = 3})), ElementsAre("f", "d", "e"));
}

}  // namespace
}  // namespace fourfold
