#include "feature/event_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "feature/event_store_testing.h"

namespace fourfold {
namespace {

using testing::ElementsAre;

TEST_F(EventStoreTest, AnAcknowledgedActionIsInTheNextReadAndSurvivesReopening) {
  Live(1'000, Action("e1", "ann", "lamp", 999));
  EXPECT_THAT(ItemsOf({.user = "ann"}, store_->Now()), ElementsAre("lamp"));
  Open();
  EXPECT_THAT(ItemsOf({.user = "ann"}, store_->Now()), ElementsAre("lamp"));
}

}  // namespace
}  // namespace fourfold
