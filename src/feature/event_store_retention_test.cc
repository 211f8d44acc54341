#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "data/timestamp.h"
#include "feature/catalogue.h"
#include "feature/event_store_random.h"

// History that is limited, against the plain twin that keeps everything.
namespace fourfold {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kStartMs = 1'700'000'000'000;
std::int64_t Day(std::int64_t day) { return kStartMs + day * 86'400'000; }

ReadPoint At(std::int64_t time_ms) {
  ReadPoint at;
  at.as_of_ms = at.known_at_ms = time_ms;
  return at;
}

class RetentionTest : public EventStoreTest {
 protected:
  // A store whose histories reach back ten days.
  RetentionTest() {
    options_.retain_ms = Day(10) - Day(0);
    Open();
  }

  RetentionCounts RemoveBefore(std::int64_t horizon_ms, const RetentionOptions& options = {}) {
    const auto counts = store_->RemoveBefore(horizon_ms, options);
    EXPECT_TRUE(counts.ok()) << counts.status();
    return counts.ok() ? *counts : RetentionCounts();
  }
  std::vector<std::string> Actions(const std::string& user, const ReadPoint& at) const {
    return ItemsOf({.user = user}, at);
  }
  absl::Status Try(const ReadPoint& at) const {
    std::vector<HistoryEntry> entries;
    return store_->ReadHistory({.user = "ann"}, at, &entries);
  }
  std::vector<std::string> LoggedIds() const {
    std::vector<std::string> ids;
    EXPECT_TRUE(store_
                    ->ScanLog(0, store_->EndPosition(),
                              [&](const LoggedEvent& logged) {
                                ids.push_back(logged.event.id);
                                return true;
                              })
                    .ok());
    return ids;
  }
};

TEST_F(RetentionTest, HistoryReachesBackSoFarWhetherOlderEventsAreRemovedOrNot) {
  for (int day = 0; day < 20; ++day) {
    Import(Action(StrCat("e", day), "ann", StrCat("i", day), Day(day)));
  }
  clock_.Set(Day(19));
  const std::vector<std::string> before = Actions("ann", store_->Now());
  EXPECT_EQ(before.size(), 10u);
  EXPECT_EQ(before.back(), "i10");
  EXPECT_EQ(Actions("ann", At(Day(12))).size(), 10u);
  EXPECT_EQ(RemoveBefore(Day(9)).events, 9u);
  EXPECT_EQ(Actions("ann", store_->Now()), before);
  EXPECT_EQ(LoggedIds().size(), 11u);
}

TEST_F(RetentionTest, ReadBelowTheHorizonIsAnErrorThatNamesHorizonAndReach) {
  Import(Action("old", "ann", "lamp", Day(0)));
  Import(Action("new", "ann", "sofa", Day(18)));
  clock_.Set(Day(19));
  EXPECT_TRUE(Try(At(Day(17))).ok());
  RemoveBefore(Day(9));
  const absl::Status status = Try(At(Day(17)));
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(FormatTimestamp(Day(9))));
  EXPECT_THAT(std::string(status.message()), HasSubstr(FormatTimestamp(Day(7) + 1)));
  EXPECT_TRUE(absl::IsOutOfRange(Try(At(Day(5)))));
  EXPECT_TRUE(absl::IsOutOfRange(store_->ReadItem("lamp", At(Day(8))).status()));
  EXPECT_TRUE(store_->ReadItem("lamp", At(Day(9))).ok());
  // What reaches back less far can be read still.
  std::vector<HistoryEntry> entries;
  EXPECT_TRUE(store_->ReadHistory({.user = "ann", .since_ms = Day(9)}, At(Day(17)), &entries).ok());
}

TEST_F(RetentionTest, HorizonNeverGoesBackAndOutlivesARestart) {
  Import(Action("a", "ann", "lamp", Day(0)));
  clock_.Set(Day(19));
  EXPECT_EQ(RemoveBefore(Day(9)).horizon_ms, Day(9));
  EXPECT_EQ(RemoveBefore(Day(5)).horizon_ms, Day(9));
  Open();
  EXPECT_EQ(store_->HorizonMs(), Day(9));
  EXPECT_FALSE(store_->IsRemovalUnfinished());
}

TEST_F(RetentionTest, LateActionsAreRejectedWithTheReasonDuplicatesAreDuplicatesFactsAreTakenIn) {
  Import(Action("old", "ann", "lamp", Day(0)));
  clock_.Set(Day(19));
  RemoveBefore(Day(9));
  const AppendResult late = Import(Action("late", "ann", "sofa", Day(8)));
  EXPECT_EQ(late.outcome, EventOutcome::kRejected);
  EXPECT_THAT(std::string(late.status.message()), HasSubstr("below the horizon"));
  EXPECT_EQ(Live(Day(19), Action("late", "ann", "sofa", Day(8))).outcome, EventOutcome::kRejected);
  EXPECT_EQ(Import(Action("old", "ann", "lamp", Day(0))).outcome, EventOutcome::kDuplicate);
  EXPECT_EQ(Live(Day(19), Action("old", "ann", "lamp", Day(0))).outcome, EventOutcome::kDuplicate);
  EXPECT_EQ(Import(ItemFields("f", "vase", kSinceForEverMs, {{"price", 2.0}})).outcome,
            EventOutcome::kAccepted);
  EXPECT_EQ(store_->ReadItem("vase", store_->Now())->fields.size(), 1u);
}

TEST_F(RetentionTest, NewestFactsStayAndADeletedItemStaysDeleted) {
  Import(ItemFields("1", "lamp", Day(0), {{"price", 3.0}, {"kind", std::string("light")}}));
  Import(ItemFields("2", "lamp", Day(1), {{"price", 4.0}}));
  Import(ItemFields("3", "lamp", Day(2), {{"price", 5.0}}));
  Import(ItemFields("4", "vase", Day(1), {{"price", 1.0}}));
  Event tombstone = ItemFields("5", "vase", Day(2), {});
  tombstone.deleted = true;
  Import(tombstone);
  clock_.Set(Day(19));
  EXPECT_EQ(RemoveBefore(Day(9)).events, 2u);
  EXPECT_THAT(LoggedIds(), ElementsAre("1", "3", "5"));
  const auto lamp = store_->ReadItem("lamp", At(Day(9)));
  EXPECT_EQ(lamp->fields, (std::vector<FieldAsOf>{{"kind", std::string("light"), Day(0)},
                                                  {"price", 5.0, Day(2)}}));
  EXPECT_FALSE(store_->ReadItem("vase", store_->Now())->exists);
  // A fact that comes late, of a time before the tombstone, does not bring it back.
  Import(ItemFields("6", "vase", Day(0), {{"price", 9.0}}), Day(19));
  EXPECT_FALSE(store_->ReadItem("vase", store_->Now())->exists);
}

TEST_F(RetentionTest, SessionKeepsItsUserAndAnErasureFindsWhatStayed) {
  Import(InSession(Action("named", "ann", "lamp", Day(0)), "s"));
  Import(InSession(Action("again", "ann", "rug", Day(1)), "s"));
  Import(InSession(Action("later", "", "sofa", Day(15)), "s"));
  clock_.Set(Day(19));
  EXPECT_EQ(RemoveBefore(Day(9)).events, 2u);
  EXPECT_THAT(LoggedIds(), ElementsAre("named", "later"));
  EXPECT_THAT(Actions("ann", store_->Now()), ElementsAre("sofa"));
  EXPECT_EQ(store_->FindEvent("named")->event.item, "");
  EXPECT_EQ(store_->EraseUser("ann").value(), 2u);
  EXPECT_THAT(LoggedIds(), IsEmpty());
  EXPECT_THAT(ItemsOf({.session = "s"}, store_->Now()), IsEmpty());
}

TEST_F(RetentionTest, ItemsThatSomebodyActedOnStayInTheCatalogue) {
  Import(Action("a", "ann", "lamp", Day(0)));
  Import(Action("b", "bob", "lamp", Day(1)));
  clock_.Set(Day(19));
  EXPECT_EQ(RemoveBefore(Day(9)).events, 2u);
  Catalogue catalogue(Catalogue::Membership::kActedOn);
  ASSERT_TRUE(catalogue.Load(*store_).ok());
  const Catalogue::ReadLock lock(catalogue);
  EXPECT_TRUE(lock.Exists(lock.Find("lamp")));
}

TEST_F(RetentionTest, LongerReachBeginsWhereHistoryDoes) {
  Import(Action("a", "ann", "lamp", Day(0)));
  Import(Action("b", "ann", "sofa", Day(12)));
  clock_.Set(Day(19));
  RemoveBefore(Day(9));
  for (const std::int64_t retain_ms : {Day(15) - Day(0), std::int64_t{0}}) {
    options_.retain_ms = retain_ms;
    Open();
    EXPECT_EQ(store_->FloorMs(Day(19)), Day(9));
    EXPECT_THAT(Actions("ann", store_->Now()), ElementsAre("sofa"));
  }
}

// A mistake with the recipe, say, or a look with another one.
TEST_F(RetentionTest, OpeningWithAnotherReachChangesNothingThatStays) {
  const std::int64_t ten_days_ms = options_.retain_ms;
  Import(Action("a", "ann", "lamp", Day(0)));
  Import(Action("b", "ann", "sofa", Day(12)));
  clock_.Set(Day(19));
  RemoveBefore(Day(9));
  EXPECT_FALSE(store_->IsRetainChanged());
  EXPECT_TRUE(absl::IsOutOfRange(Try(At(Day(17)))));
  for (const std::int64_t retain_ms :
       {Day(30) - Day(0), std::int64_t{0}, Day(3) - Day(0), Day(9) - Day(0)}) {
    options_.retain_ms = retain_ms;
    Open();
    EXPECT_TRUE(store_->IsRetainChanged());
    const bool reaches_farther = retain_ms == 0 || retain_ms > ten_days_ms;
    EXPECT_EQ(Try(At(Day(17))).ok(), reaches_farther || Day(17) - retain_ms >= Day(9));
    EXPECT_EQ(Try(At(Day(11))).ok(), reaches_farther);
    EXPECT_EQ(store_->FloorMs(Day(19)), reaches_farther ? Day(9) : Day(19) - retain_ms + 1);
    EXPECT_TRUE(Try(store_->Now()).ok());
    Live(Day(19), Action(StrCat("live", retain_ms), "bob", "rug", Day(19)));  // writes its state
  }
  options_.retain_ms = ten_days_ms;
  Open();
  EXPECT_FALSE(store_->IsRetainChanged());
  EXPECT_TRUE(absl::IsOutOfRange(Try(At(Day(17)))));

  // A removal does.
  options_.retain_ms = Day(9) - Day(0);
  Open();
  RemoveBefore(Day(10));
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_FALSE(store_->IsRetainChanged());
    EXPECT_EQ(store_->FloorMs(Day(19)), Day(10) + 1);
    EXPECT_TRUE(Try(At(Day(19))).ok());
    EXPECT_TRUE(absl::IsOutOfRange(Try(At(Day(18)))));
    Open();
  }
}

// What lies between the horizon and a read's moment is only a part of what its reach means.
TEST_F(RetentionTest, AShorterReachRefusesWhatReachesBelowTheHorizon) {
  for (int day = 0; day < 20; ++day) {
    Import(Action(StrCat("e", day), "ann", StrCat("i", day), Day(day)));
  }
  clock_.Set(Day(19));
  RemoveBefore(Day(9));
  options_.retain_ms = Day(3) - Day(0);
  Open();
  EXPECT_TRUE(absl::IsOutOfRange(Try(At(Day(8)))));
  EXPECT_TRUE(absl::IsOutOfRange(Try(At(Day(9)))));
  EXPECT_TRUE(absl::IsOutOfRange(Try(At(Day(12) - 2))));
  EXPECT_THAT(Actions("ann", At(Day(12) - 1)), ElementsAre("i11", "i10", "i9"));
  EXPECT_THAT(Actions("ann", At(Day(12))), ElementsAre("i12", "i11", "i10"));
}

TEST_F(RetentionTest, RemovalMakesALongerReachLastThoughNothingIsToBeRemoved) {
  Import(Action("a", "ann", "lamp", Day(0)));
  Import(Action("b", "ann", "sofa", Day(12)));
  clock_.Set(Day(19));
  RemoveBefore(Day(9));
  options_.retain_ms = Day(30) - Day(0);
  Open();
  EXPECT_TRUE(store_->IsRetainChanged());
  EXPECT_EQ(RemoveBefore(Day(-11)).horizon_ms, Day(9));
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_FALSE(store_->IsRetainChanged());
    EXPECT_EQ(store_->HorizonMs(), Day(9));
    EXPECT_EQ(store_->FloorMs(Day(19)), Day(9));
    EXPECT_THAT(Actions("ann", store_->Now()), ElementsAre("sofa"));
    Open();
  }
}

TEST_F(RetentionTest, RemovalCanBeCalledOffWhereverItLooksForWhatToRemove) {
  constexpr int kEach = 2500;
  std::vector<TimedEvent> events;
  for (int i = 0; i < kEach; ++i) {
    for (const std::int64_t day : {0, 12}) {
      const std::int64_t time_ms = Day(day) + i;
      events.push_back({ItemFields(StrCat("f", day, ".", i), StrCat("i", i), time_ms,
                                   {{"price", static_cast<double>(day)}}),
                        time_ms});
      events.push_back({InSession(Action(StrCat("a", day, ".", i), "", "lamp", time_ms),
                                  StrCat("s", day, ".", i)),
                        time_ms});
    }
  }
  ASSERT_TRUE(store_->AppendImported(events).ok());
  clock_.Set(Day(19));
  // In one batch each, so that between two looks something else is looked at.
  RetentionOptions options{.events_per_batch = 1'000'000};
  int calls_off = 0;
  for (int at = 1;; ++at) {
    int asked = 0;
    options.is_cancelled = [&] { return ++asked == at; };
    const absl::Status status = store_->RemoveBefore(Day(9) + at, options).status();
    if (status.ok()) break;
    ASSERT_TRUE(absl::IsCancelled(status)) << status;
    ASSERT_EQ(asked, at) << "went on after it was called off";
    ++calls_off;
  }
  // The log, the items with their facts, the sessions: each by the thousand.
  EXPECT_GE(calls_off, 10);
  EXPECT_FALSE(store_->IsRemovalUnfinished());
  EXPECT_EQ(store_->ReadStats().events, 4u * kEach);
  EXPECT_EQ(LoggedIds().size(), 3u * kEach);
}

TEST_F(RetentionTest, ManyFactsOfOneItemAreLookedAtByTheThousandAndRemovedByTheBatch) {
  constexpr int kFacts = 2500;
  std::vector<TimedEvent> events;
  for (int i = 0; i < kFacts; ++i) {
    events.push_back(
        {ItemFields(StrCat("f", i), "lamp", Day(0) + i, {{"price", static_cast<double>(i)}}),
         Day(0) + i});
  }
  ASSERT_TRUE(store_->AppendImported(events).ok());
  clock_.Set(Day(19));
  ASSERT_TRUE(store_->PrepareHorizon(Day(9)).ok());
  int asked = 0;
  const RetentionOptions options{.events_per_batch = 1000, .is_cancelled = [&] {
                                   ++asked;
                                   return false;
                                 }};
  const auto counts = store_->RemoveBefore(Day(9), options);
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->events, kFacts - 1u);
  // In the log, in the item's history, and after three batches.
  EXPECT_EQ(asked, 2 + 2 + 3);
  EXPECT_EQ(LoggedIds().size(), 1u);
}

TEST_F(RetentionTest, HorizonMovesAloneAndRemovalGoesOnFromThere) {
  Import(Action("old", "ann", "lamp", Day(0)));
  Import(Action("new", "ann", "sofa", Day(12)));
  clock_.Set(Day(19));
  ASSERT_TRUE(store_->MoveHorizon(Day(9)).ok());
  EXPECT_EQ(store_->HorizonMs(), Day(9));
  EXPECT_TRUE(store_->IsRemovalUnfinished());
  EXPECT_EQ(LoggedIds().size(), 2u);
  EXPECT_TRUE(absl::IsOutOfRange(Try(At(Day(8)))));
  EXPECT_EQ(RemoveBefore(Day(9)).events, 1u);
  EXPECT_FALSE(store_->IsRemovalUnfinished());
}

// However often something else comes first.
TEST_F(RetentionTest, HorizonMovesThoughTheScanForItIsCalledOffAgainAndAgain) {
  std::vector<TimedEvent> events;
  for (int i = 0; i < 3500; ++i) {
    events.push_back({Action(StrCat("e", i), "ann", "lamp", Day(0) + i), Day(0) + i});
  }
  ASSERT_TRUE(store_->AppendImported(events).ok());
  clock_.Set(Day(19));
  const RetentionOptions impatient{.is_cancelled = [] { return true; }};
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT_TRUE(absl::IsCancelled(store_->PrepareHorizon(Day(9) + turn, impatient)));
  }
  EXPECT_TRUE(store_->PrepareHorizon(Day(9) + 3, impatient).ok());
  EXPECT_EQ(store_->HorizonMs(), kSinceForEverMs);
  ASSERT_TRUE(store_->MoveHorizon(Day(9) + 3).ok());
  EXPECT_EQ(store_->HorizonMs(), Day(9) + 3);
  ReadPoint at = At(Day(19));
  at.position_end = 3500;
  EXPECT_TRUE(store_->CheckReach(at, Day(10)).ok());
  at.position_end = 3499;
  EXPECT_TRUE(absl::IsOutOfRange(store_->CheckReach(at, Day(10))));
}

// The scan went past events that the earlier horizon has still before it.
TEST_F(RetentionTest, AnEarlierHorizonThanThatOfAScanThatWasCalledOffIsRight) {
  std::vector<TimedEvent> events;
  for (int i = 0; i < 1500; ++i) {
    events.push_back({Action(StrCat("e", i), "ann", "lamp", Day(5) + i), Day(5) + i});
  }
  ASSERT_TRUE(store_->AppendImported(events).ok());
  clock_.Set(Day(19));
  const RetentionOptions impatient{.is_cancelled = [] { return true; }};
  EXPECT_TRUE(absl::IsCancelled(store_->PrepareHorizon(Day(9), impatient)));
  ASSERT_TRUE(store_->PrepareHorizon(Day(5) + 10).ok());
  ASSERT_TRUE(store_->MoveHorizon(Day(5) + 10).ok());
  ReadPoint at = At(Day(19));
  at.position_end = 10;  // the ten events that were known before the horizon
  EXPECT_TRUE(store_->CheckReach(at, Day(9)).ok());
  at.position_end = 9;
  EXPECT_TRUE(absl::IsOutOfRange(store_->CheckReach(at, Day(9))));
}

TEST_F(RetentionTest, BatchesOfNoEventsAreRefused) {
  Import(Action("old", "ann", "lamp", Day(0)));
  clock_.Set(Day(19));
  const absl::Status status = store_->RemoveBefore(Day(9), {.events_per_batch = 0}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(store_->HorizonMs(), kSinceForEverMs);
}

TEST_F(RetentionTest, RemovalCanBeCalledOffWhereTheLogIsEmpty) {
  std::vector<TimedEvent> events;
  for (int i = 0; i < 20'000; ++i) {
    events.push_back({Action(StrCat("e", i), "ann", "lamp", Day(0) + i), Day(0) + i});
  }
  ASSERT_TRUE(store_->AppendImported(events).ok());
  clock_.Set(Day(19));
  EXPECT_EQ(RemoveBefore(Day(9)).events, events.size());
  int asked = 0;
  const RetentionOptions options{.is_cancelled = [&] { return ++asked == 1; }};
  EXPECT_TRUE(absl::IsCancelled(store_->RemoveBefore(Day(9) + 1, options).status()));
}

TEST_F(RetentionTest, RemovalThatWasCutShortGoesOnAndShowsNoPartOfWhatItRemoves) {
  for (int i = 0; i < 50; ++i) Import(Action(StrCat("e", i), "ann", StrCat("i", i), Day(0) + i));
  clock_.Set(Day(19));
  int batches = 0;
  RetentionOptions options{.events_per_batch = 7, .is_cancelled = [&] { return ++batches == 3; }};
  EXPECT_TRUE(absl::IsCancelled(store_->RemoveBefore(Day(9), options).status()));
  Open();
  EXPECT_TRUE(store_->IsRemovalUnfinished());
  EXPECT_EQ(LoggedIds().size(), 29u);
  EXPECT_TRUE(absl::IsOutOfRange(Try(At(Day(9)))));
  EXPECT_EQ(Import(Action("late", "ann", "sofa", Day(8))).outcome, EventOutcome::kRejected);
  EXPECT_EQ(RemoveBefore(Day(9)).events, 29u);
  EXPECT_THAT(LoggedIds(), IsEmpty());
}

class RetentionRandomTest : public RandomLogTest {
 protected:
  void CompareHistory() {
    const ReadPoint at = RandomReadPoint();
    EventStore::HistoryRequest request;
    const std::string user = Name("u", 5);
    const std::string session = Name("s", 7);
    if (Chance(75)) request.user = user;
    if (request.user.empty() || Chance(40)) request.session = session;
    request.limit = Chance(50) ? 100 : static_cast<std::size_t>(Draw(0, 6));
    if (Chance(60)) request.since_ms = clock_.NowMs() + DrawSpan(-70, 0);
    request.impressions = Chance(50);
    EventStore::HistoryRequest retained = request;
    const std::int64_t end_ms = at.as_of_ms == INT64_MAX
                                    ? std::max(store_->NowMs(), store_->LastEventTimeMs())
                                    : at.as_of_ms;
    retained.since_ms = std::max(request.since_ms, end_ms - options_.retain_ms + 1);
    std::vector<HistoryEntry> entries;
    const absl::Status status = store_->ReadHistory(request, at, &entries);
    if (!Expected(status, at, retained.since_ms)) return;
    ASSERT_EQ(Describe(entries), Describe(plain_.ReadHistory(retained, at)))
        << "user " << request.user << " session " << request.session;
  }

  void CompareFacts() {
    const ReadPoint at = RandomReadPoint();
    const std::string item = Name("i", 6);
    const auto read_item = store_->ReadItem(item, at);
    if (Expected(read_item.status(), at, at.as_of_ms)) {
      ASSERT_EQ(Describe(*read_item), Describe(plain_.ReadItem(item, at)));
    }
    const std::string user = Name("u", 5);
    const auto read_user = store_->ReadUser(user, at);
    if (read_user.ok()) {
      const EntityAsOf expected = plain_.ReadUser(user, at);
      ASSERT_EQ(read_user->exists, expected.exists);
      ASSERT_EQ(read_user->fields, expected.fields);
    }
  }

  // Whether there is something to compare; notes an error that must not be, or is missing.
  bool Expected(const absl::Status& status, const ReadPoint& at, std::int64_t since_ms) {
    const std::optional<bool> is_below = IsBelowHorizon(at, since_ms);
    if (is_below.has_value()) {
      EXPECT_EQ(absl::IsOutOfRange(status), *is_below) << status;
    }
    (status.ok() ? compared_ : refused_) += 1;
    return status.ok();
  }

  void Run(std::uint64_t seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    options_.retain_ms = Draw(20, 60) * (seed % 2 == 0 ? 1 : 1'000'000);
    Start(seed, /*has_live_events=*/seed % 3 != 0);
    for (int step = 0; step < 30; ++step) {
      ASSERT_NO_FATAL_FAILURE(AppendSome());
      clock_.Advance(DrawSpan(0, 15));
      if (Chance(30)) {
        ASSERT_NO_FATAL_FAILURE(Retain());
      }
      if (Chance(4)) {
        ASSERT_NO_FATAL_FAILURE(Erase());
      }
      if (Chance(10)) Reopen();
      for (int i = 0; i < 5; ++i) {
        ASSERT_NO_FATAL_FAILURE(CompareHistory());
        ASSERT_NO_FATAL_FAILURE(CompareFacts());
      }
    }
    for (const auto& [id, position] : taken_ids_) {
      const AppendResult again = Import(Action(id, "ann", "i0", horizon_ms_ - 1));
      ASSERT_EQ(again.outcome, EventOutcome::kDuplicate);
      ASSERT_EQ(again.position, position);
    }
  }

  int compared_ = 0;
  int refused_ = 0;
};

TEST_F(RetentionRandomTest, NobodyNoticesWhetherOldHistoryIsRemovedByNow) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Run(seed));
  }
  EXPECT_GT(compared_, 300);
  EXPECT_GT(refused_, 300);
}

}  // namespace
}  // namespace fourfold
