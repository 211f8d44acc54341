#include "offline/ranking/moments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "feature/state/action_entry.h"

namespace fourfold {
namespace {

class MomentsTest : public ::testing::Test {
 protected:
  void Act(std::string user, std::string item, std::int64_t time_ms, std::optional<float> label,
           std::string tie_group = "", std::string session = "", std::int64_t step = 0,
           std::uint32_t heads = 0) {
    LoggedEvent logged;
    logged.position = ++position_;
    logged.event.kind = EventKind::kInteraction;
    logged.event.user = std::move(user);
    logged.event.session = std::move(session);
    logged.event.item = std::move(item);
    logged.event.step = step;
    logged.event.event_time_ms = time_ms;
    logged.event.tie_group = std::move(tie_group);
    moments_.Note(logged,
                  label.has_value() ? std::optional(ActionMeaning{*label, heads}) : std::nullopt);
  }
  std::vector<Moments::Moment> Take() {
    std::vector<Moments::Moment> taken = moments_.Take();
    std::sort(taken.begin(), taken.end(),
              [](const auto& a, const auto& b) { return a.position < b.position; });
    return taken;
  }
  Moments::Outcome OutcomeOf(const Moments::Moment& moment, std::int64_t window_ms) const {
    Moments::Outcome outcome;
    moments_.OutcomeOf(moment, window_ms, &outcome);
    return outcome;
  }

  Moments moments_;
  Position position_ = 0;
};

TEST_F(MomentsTest, ATieGroupIsOneMomentAtItsFirstAction) {
  Act("u", "a", 1010, 1, "basket");
  Act("u", "b", 1000, 1, "basket");
  Act("u", "c", 5000, 1, "next");
  const auto taken = Take();
  ASSERT_EQ(taken.size(), 2);
  EXPECT_EQ(taken[0].event_time_ms, 1000);
  const Moments::Outcome outcome = OutcomeOf(taken[0], /*window_ms=*/0);
  EXPECT_EQ(outcome.size(), 2);  // a, too, though it is later: it is of the same basket
  EXPECT_EQ(outcome.at(HashOfId("a")), (ActionMeaning{1, 0}));
}

TEST_F(MomentsTest, ATieGroupBeginsWithItsFirstActionOfWhateverKind) {
  Act("u", "returned", 990, std::nullopt, "basket");
  Act("u", "a", 1000, 1, "basket");
  const auto taken = Take();
  ASSERT_EQ(taken.size(), 1);
  EXPECT_EQ(taken[0].event_time_ms, 990);
  EXPECT_EQ(OutcomeOf(taken[0], 0).at(HashOfId("returned")), std::nullopt);
}

TEST_F(MomentsTest, ATieGroupBetweenActionsOfOneTimeDoesNotPartThem) {
  Act("u", "a", 1000, 1);
  Act("u", "b", 1000, 1, "basket");
  Act("u", "c", 1000, 1);
  EXPECT_EQ(Take().size(), 2);
}

TEST_F(MomentsTest, AMomentBeginsWithTheEarliestStepOfItsTime) {
  Act("u", "second", 1000, 1, "", "s", /*step=*/2);
  Act("u", "first", 1000, 1, "", "s", /*step=*/1);
  const auto taken = Take();
  ASSERT_EQ(taken.size(), 1);
  EXPECT_EQ(taken[0].position, 2);
}

TEST_F(MomentsTest, ActionsOfOneTimeAreOneMoment) {
  Act("u", "a", 1000, 1);
  Act("u", "b", 1000, 2);
  Act("u", "c", 1001, 1);
  Act("v", "a", 1000, 1);
  EXPECT_EQ(Take().size(), 3);
}

TEST_F(MomentsTest, TheOutcomeIsTheBestLabelWithinTheWindowAndNothingBefore) {
  Act("u", "early", 900, 1);
  Act("u", "a", 1000, 1);
  Act("u", "a", 1050, 2);
  Act("u", "looked", 1060, std::nullopt);
  Act("u", "edge", 1100, 1);
  Act("u", "late", 1101, 1);
  Act("v", "other", 1010, 1);
  const auto taken = Take();
  const Moments::Outcome outcome = OutcomeOf(taken.at(1), 100);
  EXPECT_EQ(outcome.size(), 3);
  EXPECT_EQ(outcome.at(HashOfId("a")), (ActionMeaning{2, 0}));
  EXPECT_EQ(outcome.at(HashOfId("edge")), (ActionMeaning{1, 0}));
  EXPECT_EQ(outcome.at(HashOfId("looked")), std::nullopt);
}

TEST_F(MomentsTest, TheOutcomeHasTheHeadsOfAllThatWasDone) {
  Act("u", "a", 1000, 1, "", "", 0, 0b01);
  Act("u", "a", 1001, 0, "", "", 0, 0b10);
  Act("u", "hidden", 1002, 0, "", "", 0, 0b10);
  const auto taken = Take();
  ASSERT_EQ(taken.size(), 1);
  const Moments::Outcome outcome = OutcomeOf(taken[0], 10);
  EXPECT_EQ(outcome.at(HashOfId("a")), (ActionMeaning{1, 0b11}));
  EXPECT_EQ(outcome.at(HashOfId("hidden")), (ActionMeaning{0, 0b10}));
}

TEST_F(MomentsTest, RegularMomentsAreOfWhoActedBeforeAndAgainWithinTheWindow) {
  Act("u", "a", 1000, 1);
  Act("u", "b", 1500, 1);
  Act("u", "c", 1600, 1);
  Act("u", "looked", 1950, std::nullopt);
  Act("u", "d", 2000, 1);
  Act("v", "a", 1990, 1);  // nothing before
  std::vector<Moments::Moment> taken = moments_.TakeEvery(/*every_ms=*/250, /*last_ms=*/2000,
                                                          /*window_ms=*/250);
  std::sort(taken.begin(), taken.end(),
            [](const auto& a, const auto& b) { return a.event_time_ms < b.event_time_ms; });
  // At 1000 there is nothing before, at 1750 d at 2000 is the first within the window.
  ASSERT_EQ(taken.size(), 4);
  EXPECT_EQ(taken[0].event_time_ms, 1250);
  EXPECT_EQ(taken[0].position, 2);
  EXPECT_EQ(taken[1].event_time_ms, 1500);
  EXPECT_EQ(taken[1].position, 2);
  EXPECT_EQ(taken[2].event_time_ms, 1750);
  EXPECT_EQ(taken[2].position, 5);
  EXPECT_EQ(taken[3].event_time_ms, 2000);
  const Moments::Outcome outcome = OutcomeOf(taken[1], 250);
  EXPECT_EQ(outcome.size(), 2);
  EXPECT_TRUE(outcome.contains(HashOfId("b")) && outcome.contains(HashOfId("c")));
}

TEST_F(MomentsTest, WhatARegularMomentFallsIntoIsNoneOfItsOutcome) {
  Act("u", "a", 1000, 1, "basket");
  Act("u", "b", 1010, 1, "basket");
  Act("u", "c", 1020, 1, "next");
  const auto taken = moments_.TakeEvery(100, 1005, 100);
  ASSERT_EQ(taken.size(), 1);
  const Moments::Outcome outcome = OutcomeOf(taken[0], 100);
  EXPECT_EQ(outcome.size(), 1);
  EXPECT_TRUE(outcome.contains(HashOfId("c")));
}

TEST_F(MomentsTest, OnlyActionsWithALabelAboveZeroMakeMoments) {
  Act("u", "a", 1000, std::nullopt);
  Act("u", "b", 2000, 0);
  Act("", "c", 3000, 1);  // of nobody
  EXPECT_TRUE(Take().empty());
}

TEST_F(MomentsTest, ASessionOfNobodyIsApartFromAUserOfTheSameName) {
  Act("x", "a", 1000, 1);
  Act("", "b", 1000, 1, "", "x");
  const auto taken = Take();
  ASSERT_EQ(taken.size(), 2);
  EXPECT_EQ(OutcomeOf(taken[0], 0).size(), 1);
}

}  // namespace
}  // namespace fourfold
