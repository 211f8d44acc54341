#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "feature/event_store.h"
#include "feature/event_store_codec.h"
#include "feature/event_store_testing.h"
#include "feature/read_point.h"

// The rules and examples of Time (DESIGN.md, section 4), one test each, as far as the store shows
// them. Times of day are minutes after ten o'clock.
namespace fourfold {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kTenOClockMs = 1'700'000'000'000;
constexpr std::int64_t Minute(std::int64_t minute) { return kTenOClockMs + minute * kMinuteMs; }

class TimeTest : public EventStoreTest {
 protected:
  std::vector<std::string> Actions(std::string_view user, const ReadPoint& at) {
    return ItemsOf({.user = user}, at);
  }
};

TEST_F(TimeTest, Rule1LiveEventTakesTheClockAsKnownTimeWhichNeverGoesBack) {
  const AppendResult first = Live(Minute(5), Action("a", "ann", "lamp", Minute(0)));
  EXPECT_EQ(first.event_time_ms, Minute(0));
  EXPECT_EQ(first.known_time_ms, Minute(5));
  const AppendResult second = Live(Minute(3), Action("b", "ann", "sofa", Minute(1)));
  EXPECT_EQ(second.known_time_ms, Minute(5));
  Open();  // the clock is still behind
  EXPECT_EQ(store_->NowMs(), Minute(5));
  const AppendResult third = Live(Minute(4), Action("c", "ann", "desk", kNoTimeMs));
  EXPECT_EQ(third.known_time_ms, Minute(5));
  EXPECT_EQ(third.event_time_ms, Minute(5));
}

TEST_F(TimeTest, Rule1ImportedKnownTimeIsTheImportersAndDoesNotMoveTheClock) {
  clock_.Set(Minute(0));
  const AppendResult result = Import(Action("a", "ann", "lamp", Minute(60)), Minute(90));
  EXPECT_EQ(result.event_time_ms, Minute(60));
  EXPECT_EQ(result.known_time_ms, Minute(90));
  EXPECT_EQ(store_->NowMs(), Minute(0));
  EXPECT_EQ(store_->LastEventTimeMs(), Minute(60));
}

TEST_F(TimeTest, Rule1FactWithoutATimeHoldsSinceForEver) {
  Import(ItemFields("f", "lamp", kSinceForEverMs, {{"price", 3.0}}));
  const auto item = store_->ReadItem("lamp", At(0, 0));
  ASSERT_TRUE(item.ok());
  ASSERT_TRUE(item->exists);
  EXPECT_EQ(item->fields[0].since_ms, kSinceForEverMs);
}

TEST_F(TimeTest, Rule2TheStoreFollowsTheEnginesClockAndNotTheWall) {
  clock_.Set(Minute(-500));
  EXPECT_EQ(store_->NowMs(), Minute(-500));
  EXPECT_EQ(store_->Now().as_of_ms, Minute(-500));
  EXPECT_EQ(Live(Minute(-499), Action("a", "ann", "lamp", kNoTimeMs)).event_time_ms, Minute(-499));
}

TEST_F(TimeTest, Rule3OrderOfArrivalDoesNotMatter) {
  Import(Action("late", "ann", "sofa", Minute(2)));
  Import(Action("early", "ann", "lamp", Minute(1)));
  Import(Action("last", "ann", "desk", Minute(3)));
  EXPECT_THAT(Actions("ann", EverythingKnown()), ElementsAre("desk", "sofa", "lamp"));
}

TEST_F(TimeTest, Rule3EqualTimesAreOrderedByTheDigestOfTheEventId) {
  for (const char* id : {"x", "y", "z"}) Import(Action(id, "ann", id, Minute(1)));
  std::vector<std::string> ids = {"x", "y", "z"};
  std::sort(ids.begin(), ids.end(),
            [](const std::string& a, const std::string& b) { return DigestOf(a) > DigestOf(b); });
  EXPECT_EQ(Actions("ann", EverythingKnown()), ids);
  EXPECT_EQ(ItemsOf({.user = "ann", .limit = 2}, EverythingKnown()),
            std::vector<std::string>(ids.begin(), ids.begin() + 2));
}

TEST_F(TimeTest, Rule4RequestSeesWhatWasAcknowledgedBeforeItAndNothingOfItsOwnMillisecondAfter) {
  Live(Minute(0), Action("a", "ann", "lamp", kNoTimeMs));
  const ReadPoint request = store_->Now();
  Live(Minute(0), Action("b", "ann", "sofa", kNoTimeMs));  // the same millisecond
  EXPECT_THAT(Actions("ann", request), ElementsAre("lamp"));
  EXPECT_EQ(Actions("ann", store_->Now()).size(), 2u);
}

TEST_F(TimeTest, Rule4ImpressionsAreInTheStateWhenABufferedAppendReturns) {
  clock_.Set(Minute(0));
  const Event slate = Ranking("slate", "ann", {"lamp", "sofa"}, kNoTimeMs);
  ASSERT_TRUE(store_->Append({&slate, 1}, Durability::kBuffered).ok());
  const auto entries =
      History({.user = "ann", .actions = false, .impressions = true}, store_->Now());
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].ranking, "slate");
  EXPECT_THAT(entries[0].impressions, ElementsAre("lamp", "sofa"));
}

TEST_F(TimeTest, Rule5RowReadsStrictlyBeforeItselfAndEarlierStepsOfItsOwnSession) {
  const auto step = [&](std::string id, std::string session, std::string item,
                        std::int64_t number) {
    Event event = InSession(Action(std::move(id), "ann", std::move(item), Minute(1)), session);
    event.step = number;
    Import(event);
    return LineOf({number < 0 ? 0u : 7u, Minute(1), kNoTimeMs, event});
  };
  Import(Action("before", "ann", "rug", Minute(0)));
  step("s1", "own", "lamp", 1);
  const HistoryEntry row = step("s2", "own", "sofa", 2);
  step("s3", "own", "desk", 3);
  step("o1", "other", "vase", 1);
  EXPECT_THAT(Actions("ann", BeforeRow(row)), ElementsAre("lamp", "rug"));
}

TEST_F(TimeTest, Rule5WithALagARowSeesOnlyWhatWasKnownBeforeIt) {
  Import(Action("a", "ann", "lamp", Minute(0)), Minute(2));
  HistoryEntry row;
  row.event_time_ms = Minute(2);
  EXPECT_THAT(Actions("ann", BeforeRow(row)), IsEmpty());
  row.event_time_ms = Minute(2) + 1;
  EXPECT_THAT(Actions("ann", BeforeRow(row)), ElementsAre("lamp"));
}

TEST_F(TimeTest, Rule6CorrectionHoldsFromItsEventTimeOnAndATombstoneHidesTheItem) {
  Import(ItemFields("1", "lamp", Minute(0), {{"price", 3.0}, {"kind", std::string("light")}}));
  Import(ItemFields("2", "lamp", Minute(10), {{"price", 4.0}}));
  Event tombstone = ItemFields("3", "lamp", Minute(20), {});
  tombstone.deleted = true;
  Import(tombstone);
  Import(ItemFields("4", "lamp", Minute(30), {{"price", 9.0}}));
  const auto read = [&](std::int64_t minute) {
    return store_->ReadItem("lamp", At(Minute(minute), Minute(100))).value();
  };
  EXPECT_FALSE(read(-1).exists);
  EXPECT_EQ(read(5).fields, (std::vector<FieldAsOf>{{"kind", std::string("light"), Minute(0)},
                                                    {"price", 3.0, Minute(0)}}));
  EXPECT_EQ(read(10).fields, (std::vector<FieldAsOf>{{"kind", std::string("light"), Minute(0)},
                                                     {"price", 4.0, Minute(10)}}));
  EXPECT_FALSE(read(20).exists);
  EXPECT_THAT(read(20).fields, IsEmpty());
  EXPECT_EQ(read(30).fields, (std::vector<FieldAsOf>{{"price", 9.0, Minute(30)}}));
}

TEST_F(TimeTest, Rule6NullTakesAFieldAwayFromItsTimeOn) {
  Import(UserFields("1", "ann", Minute(0), {{"city", std::string("Bonn")}}));
  Import(UserFields("2", "ann", Minute(1), {{"city", std::monostate()}}));
  EXPECT_EQ(store_->ReadUser("ann", At(Minute(0), Minute(9)))->fields.size(), 1u);
  const auto later = store_->ReadUser("ann", At(Minute(1), Minute(9)));
  EXPECT_TRUE(later->exists);
  EXPECT_THAT(later->fields, IsEmpty());
}

TEST_F(TimeTest, Rule7HistoryIsKeptForEver) {
  for (int i = 0; i < 3'000; ++i) {
    Import(Action(StrCat("e", i), "ann", StrCat("item", i), Minute(i)));
  }
  EXPECT_EQ(History({.user = "ann", .limit = 10'000}, EverythingKnown()).size(), 3'000u);
  EXPECT_THAT(Actions("ann", At(Minute(0), Minute(0))), ElementsAre("item0"));
}

TEST_F(TimeTest, Rule7WhereHistoryIsLimitedAReadBelowTheHorizonIsAnErrorNeverAPartialValue) {
  options_.retain_ms = Minute(10) - Minute(0);
  Open();
  for (int i = 0; i < 30; ++i) {
    Import(Action(StrCat("e", i), "ann", StrCat("item", i), Minute(i)));
  }
  clock_.Set(Minute(29));
  ASSERT_TRUE(store_->RemoveBefore(Minute(19)).ok());
  EXPECT_EQ(History({.user = "ann"}, store_->Now()).size(), 10u);
  std::vector<HistoryEntry> entries;
  EXPECT_TRUE(absl::IsOutOfRange(
      store_->ReadHistory({.user = "ann"}, At(Minute(27), Minute(27)), &entries)));
}

TEST_F(TimeTest, Rule8AnonymousSessionJoinsTheUsersHistoryKnownFromTheLinkOn) {
  Live(Minute(0), InSession(Action("a", "", "lamp", kNoTimeMs), "s"));
  EXPECT_THAT(Actions("ann", store_->Now()), IsEmpty());
  EXPECT_THAT(ItemsOf({.session = "s"}, store_->Now()), ElementsAre("lamp"));
  Live(Minute(5), InSession(Action("b", "ann", "sofa", kNoTimeMs), "s"));
  Live(Minute(6), InSession(Action("c", "", "desk", kNoTimeMs), "s"));
  EXPECT_THAT(Actions("ann", At(Minute(9), Minute(4))), IsEmpty());
  EXPECT_THAT(Actions("ann", At(Minute(9), Minute(5))), ElementsAre("sofa", "lamp"));
  const auto entries = History({.user = "ann"}, store_->Now());
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].item, "desk");
  EXPECT_EQ(entries[0].known_time_ms, Minute(6));
  EXPECT_EQ(entries[2].item, "lamp");
  EXPECT_EQ(entries[2].known_time_ms, Minute(5));
  // Asked by user and session at once: each once, and known as early as the session knew it.
  const auto both = History({.user = "ann", .session = "s"}, store_->Now());
  ASSERT_EQ(both.size(), 3u);
  EXPECT_EQ(both[2].known_time_ms, Minute(0));
}

TEST_F(TimeTest, Rule8UserEventWithASessionLinksItAndTheFirstUserByEventTimeOwnsIt) {
  Live(Minute(1), InSession(Action("a", "", "lamp", kNoTimeMs), "s"));
  Live(Minute(2), InSession(UserFields("login", "bob", kNoTimeMs, {}), "s"));
  EXPECT_THAT(Actions("bob", store_->Now()), ElementsAre("lamp"));
  // Somebody else's event, earlier than bob's and known later: theirs is the session from then on.
  Live(Minute(3), InSession(Action("b", "ann", "sofa", Minute(0)), "s"));
  EXPECT_THAT(Actions("bob", store_->Now()), IsEmpty());
  EXPECT_THAT(Actions("ann", store_->Now()), ElementsAre("lamp", "sofa"));
  EXPECT_THAT(Actions("bob", At(Minute(9), Minute(2))), ElementsAre("lamp"));
}

TEST_F(TimeTest, ExampleLateClickIsNotInARequestMadeBeforeItArrived) {
  clock_.Set(Minute(3));
  const ReadPoint request = store_->Now();
  Live(Minute(5), Action("click", "ann", "lamp", Minute(0)));
  EXPECT_THAT(Actions("ann", request), IsEmpty());
  EXPECT_THAT(Actions("ann", At(Minute(3), Minute(3))), IsEmpty());  // next week, neither
}

TEST_F(TimeTest, ExampleLateClickIsSeenAsOfThenWhenAskedWithTodaysKnowledge) {
  Live(Minute(5), Action("click", "ann", "lamp", Minute(0)));
  EXPECT_THAT(Actions("ann", At(Minute(3), store_->NowMs())), ElementsAre("lamp"));
}

TEST_F(TimeTest, ExamplePhoneAheadOfTheClockIsTakenBackToIt) {
  const AppendResult result = Live(Minute(0), Action("click", "ann", "lamp", Minute(9)));
  EXPECT_EQ(result.event_time_ms, Minute(0));
  EXPECT_THAT(Actions("ann", store_->Now()), ElementsAre("lamp"));
  const auto logged = store_->FindEvent("click");
  ASSERT_TRUE(logged.ok());
  EXPECT_EQ(logged->client_time_ms, Minute(9));
}

TEST_F(TimeTest, ExampleRatingsOf1998ImportedTodayAreSeenByTheRowsAfterThem) {
  const std::int64_t in_1998_ms = 900'000'000'000;
  clock_.Set(Minute(0));
  Import(Action("r1", "ann", "film1", in_1998_ms));
  Import(Action("r2", "ann", "film2", in_1998_ms + 1'000));
  Import(Action("r3", "ann", "film3", in_1998_ms + 1'000));
  HistoryEntry row;
  row.event_time_ms = in_1998_ms + 1'000;
  EXPECT_THAT(Actions("ann", BeforeRow(row)), ElementsAre("film1"));
}

TEST_F(TimeTest, ExampleLinesOfOneBasketDoNotSeeEachOther) {
  HistoryEntry row;
  for (int line = 0; line < 21; ++line) {
    Event event = InSession(Action(StrCat("l", line), "ann", StrCat("good", line), Minute(0)), "b");
    event.tie_group = "b";
    // Even where the source numbers the lines, or a later line carries an earlier time.
    event.step = line;
    event.event_time_ms -= line;
    Import(event);
    row = LineOf({0, Minute(0), kNoTimeMs, event});
    row.event_time_ms = Minute(0);
  }
  EXPECT_THAT(Actions("ann", BeforeRow(row)), IsEmpty());
}

TEST(ReadPointTest, BoundsAreInclusiveInTimeAndExclusiveInPosition) {
  HistoryEntry entry;
  entry.event_time_ms = 10;
  entry.known_time_ms = 20;
  entry.position = 5;
  ReadPoint at = At(10, 20);
  EXPECT_TRUE(at.Sees(entry));
  at.position_end = 5;
  EXPECT_FALSE(at.Sees(entry));
  EXPECT_FALSE(At(9, 20).Sees(entry));
  EXPECT_FALSE(At(10, 19).Sees(entry));
}

TEST(ReadPointTest, RowThatHoldsSinceForEverSeesNothing) {
  HistoryEntry row;
  row.event_time_ms = kSinceForEverMs;
  HistoryEntry other = row;
  other.known_time_ms = kSinceForEverMs;
  EXPECT_FALSE(BeforeRow(row).Sees(other));
}

}  // namespace
}  // namespace fourfold
