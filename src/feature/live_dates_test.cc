#include "feature/live_dates.h"

#include <gtest/gtest.h>

namespace fourfold {
namespace {

constexpr std::int64_t kWallMs = 1'000'000;

LoggedEvent Fact(std::string item, std::int64_t event_time_ms = kNoTimeMs) {
  LoggedEvent logged;
  logged.event.kind = EventKind::kItem;
  logged.event.item = std::move(item);
  logged.event.event_time_ms = event_time_ms;
  return logged;
}

class LiveDatesTest : public testing::Test {
 protected:
  LoggedEvent Date(LoggedEvent logged, std::int64_t wall_ms = kWallMs) {
    now_ms_ = std::max(now_ms_, wall_ms);
    dates_.Date(wall_ms, &now_ms_, &logged);
    return logged;
  }

  LiveDates dates_{0};
  std::int64_t now_ms_ = 0;
};

TEST_F(LiveDatesTest, FactsOfOneItemRiseWhileTheClockStands) {
  EXPECT_EQ(Date(Fact("a")).event.event_time_ms, kWallMs);
  const LoggedEvent second = Date(Fact("a"));
  EXPECT_EQ(second.event.event_time_ms, kWallMs + 1);
  EXPECT_EQ(second.known_time_ms, kWallMs + 1);
  EXPECT_EQ(now_ms_, kWallMs + 1) << "the store's clock is never behind what was acknowledged";
  EXPECT_EQ(Date(Fact("a")).event.event_time_ms, kWallMs + 2);
}

TEST_F(LiveDatesTest, FactsOfOtherItemsShareTheMoment) {
  Date(Fact("a"));
  EXPECT_EQ(Date(Fact("b")).event.event_time_ms, kWallMs);
  LoggedEvent user;
  user.event.kind = EventKind::kUser;
  user.event.user = "a";
  EXPECT_EQ(Date(std::move(user)).event.event_time_ms, kWallMs);
}

TEST_F(LiveDatesTest, ActionsShareTheMoment) {
  for (int i = 0; i < 2; ++i) {
    LoggedEvent action = Fact("a");
    action.event.kind = EventKind::kInteraction;
    EXPECT_EQ(Date(std::move(action)).event.event_time_ms, kWallMs);
  }
}

TEST_F(LiveDatesTest, AClientsOwnTimeStays) {
  Date(Fact("a"));
  EXPECT_EQ(Date(Fact("a", kWallMs - 5)).event.event_time_ms, kWallMs - 5);
  EXPECT_EQ(Date(Fact("a", kWallMs)).event.event_time_ms, kWallMs);
  EXPECT_EQ(now_ms_, kWallMs);
}

TEST_F(LiveDatesTest, AFactAfterAClientsOfTheSameMomentIsLater) {
  Date(Fact("a", kWallMs));
  EXPECT_EQ(Date(Fact("a")).event.event_time_ms, kWallMs + 1);
}

TEST_F(LiveDatesTest, AClientAheadOfTheClockIsDatedByIt) {
  const LoggedEvent first = Date(Fact("a", kWallMs + 500));
  EXPECT_EQ(first.event.event_time_ms, kWallMs);
  EXPECT_EQ(first.client_time_ms, kWallMs + 500);
  EXPECT_EQ(Date(Fact("a", kWallMs + 400)).event.event_time_ms, kWallMs + 1);
}

TEST_F(LiveDatesTest, TheClockRunsAheadNoFurtherThanItsLimit) {
  for (int i = 0; i < 3 * LiveDates::kLeadMsMax; ++i) Date(Fact("a"));
  EXPECT_EQ(now_ms_, kWallMs + LiveDates::kLeadMsMax);
}

TEST_F(LiveDatesTest, TheWallCatchesUp) {
  Date(Fact("a"));
  Date(Fact("a"));
  EXPECT_EQ(Date(Fact("a"), kWallMs + 10).event.event_time_ms, kWallMs + 10);
}

TEST(LiveDatesOfALaterProcessTest, AFactIsLaterThanEveryEarlierOne) {
  LiveDates dates(kWallMs);
  std::int64_t now_ms = kWallMs;
  LoggedEvent fact = Fact("a");
  dates.Date(kWallMs, &now_ms, &fact);
  EXPECT_EQ(fact.event.event_time_ms, kWallMs + 1);
}

}  // namespace
}  // namespace fourfold
