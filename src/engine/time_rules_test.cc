#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/clock.h"
#include "engine/test_engine.h"

// The rules and examples of Time (DESIGN.md, section 4), each through a whole engine: what goes in
// by its public API, and what any moment sees afterwards.
namespace fourfold {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kRecipe = R"(
name: rules
catalogue: {items: acted_on}
retrievers: [{name: popular, kind: popular}]
import:
  - files: "*.csv"
    format: csv
    columns: {user: user, session: session, item: item, time: time, tie_group: basket, step: step}
    types: [{type: buy}]
    item_fields: [{field: price, kind: number}]
  - {files: "*.txt", format: sequences, sequence_type: read}
)";

std::string With(std::string_view recipe, std::string_view more) {
  return std::string(recipe) + std::string(more);
}

class TimeRulesTest : public EngineTest {
 protected:
  // The items of a user's actions at a read point, newest first.
  static std::vector<std::string> ItemsSeen(const EventStore& store, std::string_view user,
                                            const ReadPoint& at) {
    std::vector<HistoryEntry> entries;
    EXPECT_TRUE(store.ReadHistory({.user = user, .session = {}}, at, &entries).ok());
    std::vector<std::string> items;
    for (const HistoryEntry& entry : entries) items.push_back(entry.item);
    return items;
  }
  static std::vector<HistoryEntry> History(const EventStore& store, std::string_view user) {
    std::vector<HistoryEntry> entries;
    EXPECT_TRUE(store.ReadHistory({.user = user, .session = {}}, EverythingKnown(), &entries).ok());
    return entries;
  }
  static std::vector<std::string> Shown(const RecommendResponse& response) {
    std::vector<std::string> items;
    for (const RecommendedItem& item : response.items) items.push_back(item.item);
    return items;
  }
  static RecommendResponse Recommend(Engine& engine, std::string_view user) {
    RecommendRequest request;
    request.user = user;
    const auto response = engine.Recommend(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : RecommendResponse();
  }
  std::vector<Event> Rankings(const EventStore& store) {
    std::vector<Event> rankings;
    EXPECT_TRUE(store
                    .ScanLog(0, store.EndPosition(),
                             [&](const LoggedEvent& logged) {
                               if (logged.event.kind == EventKind::kRanking) {
                                 rankings.push_back(logged.event);
                               }
                               return true;
                             })
                    .ok());
    return rankings;
  }

  // A request at 10:03, then a click of 10:00 that arrives at 10:05; the request's read point.
  ReadPoint RequestThenLateClick() {
    {
      const auto engine = Open(kRecipe, "2024-05-01T10:03:00Z");
      Ingest(*engine, R"({"event": "item", "item": "a"})");
      Recommend(*engine, "ann");
    }
    {
      const auto engine = Open("", "2024-05-01T10:05:00Z");
      Ingest(*engine, R"({"event": "interaction", "user": "ann", "type": "click", "item": "a",
                          "timestamp": "2024-05-01T10:00:00Z"})");
    }
    const ManualClock clock(At("2024-05-08"));
    const std::vector<Event> rankings = Rankings(*OpenStore(clock));
    EXPECT_EQ(rankings.size(), 1u);
    if (rankings.empty()) return {};
    ReadPoint at;
    at.as_of_ms = rankings[0].served_from.as_of_ms;
    at.known_at_ms = rankings[0].served_from.known_at_ms;
    at.position_end = rankings[0].served_from.position_end;
    return at;
  }

  const ManualClock later_{At("2024-06-01")};
};

// The table of examples.

TEST_F(TimeRulesTest, Example1LateClickIsUnseenByTheRequestAndByItsTrainingRow) {
  const ReadPoint at = RequestThenLateClick();
  EXPECT_GE(at.as_of_ms, At("2024-05-01T10:03:00Z"));
  EXPECT_LT(at.as_of_ms, At("2024-05-01T10:04:00Z"));
  EXPECT_THAT(ItemsSeen(*OpenStore(later_), "ann", at), IsEmpty());
}

TEST_F(TimeRulesTest, Example2WithTodaysKnowledgeTheLateClickIsSeen) {
  ReadPoint at = RequestThenLateClick();
  at.known_at_ms = EverythingKnown().known_at_ms;
  at.position_end = EverythingKnown().position_end;
  EXPECT_THAT(ItemsSeen(*OpenStore(later_), "ann", at), ElementsAre("a"));
}

TEST_F(TimeRulesTest, Example3APhoneThatIsAheadIsPutBackToTheClockAndSeenAtOnce) {
  const auto engine =
      Open(With(kRecipe, "policy: {seen_actions: [{type: click}]}\n"), "2024-05-01T10:00:00Z");
  Ingest(*engine, R"([{"event": "item", "item": "a"}, {"event": "item", "item": "b"}])");
  EXPECT_THAT(Shown(Recommend(*engine, "ann")), UnorderedElementsAre("a", "b"));
  const auto results = engine->IngestJson(
      R"({"event": "interaction", "user": "ann", "type": "click", "item": "a",
          "timestamp": "2024-05-01T10:09:00Z"})");
  ASSERT_TRUE(results.ok());
  EXPECT_GE(results->at(0).event_time_ms, At("2024-05-01T10:00:00Z"));
  EXPECT_LT(results->at(0).event_time_ms, At("2024-05-01T10:01:00Z"));
  EXPECT_THAT(Shown(Recommend(*engine, "ann")), ElementsAre("b"));
}

TEST_F(TimeRulesTest, Example4ARowOfAnImportSeesWhatWasStrictlyBeforeOfEveryone) {
  {
    const auto engine = Open(kRecipe);
    Import(*engine, Write("ratings.csv",
                          "user,session,item,time,basket,step,price\n"
                          "ann,,a,1998-01-01T00:00:00Z,,,\n"
                          "ann,,b,1998-01-02T00:00:00Z,,,\n"
                          "ann,,c,1998-01-02T00:00:00Z,,,\n"
                          "bob,,d,1998-01-01T12:00:00Z,,,\n"
                          "bob,,e,1998-01-02T00:00:00Z,,,\n"));
  }
  const auto store = OpenStore(later_);
  const std::vector<HistoryEntry> history = History(*store, "ann");
  ASSERT_EQ(history.size(), 3u);
  const ReadPoint at = BeforeRow(history[0]);  // of b or c
  EXPECT_THAT(ItemsSeen(*store, "ann", at), ElementsAre("a"));
  EXPECT_THAT(ItemsSeen(*store, "bob", at), ElementsAre("d"));
}

TEST_F(TimeRulesTest, Example5LinesOfOneBasketNeverSeeEachOther) {
  {
    const auto engine = Open(kRecipe);
    // The last line was entered a minute late.
    Import(*engine, Write("baskets.csv",
                          "user,session,item,time,basket,step,price\n"
                          "ann,i1,a,2010-12-01T08:00:00Z,i1,,\n"
                          "ann,i2,b,2010-12-01T08:26:00Z,i2,,\n"
                          "ann,i2,c,2010-12-01T08:26:00Z,i2,,\n"
                          "ann,i2,d,2010-12-01T08:27:00Z,i2,,\n"));
  }
  const auto store = OpenStore(later_);
  for (const HistoryEntry& row : History(*store, "ann")) {
    if (row.item == "a") continue;
    EXPECT_THAT(ItemsSeen(*store, "ann", BeforeRow(row)), ElementsAre("a")) << row.item;
  }
}

// Rule 1: event time, known time, position.

TEST_F(TimeRulesTest, Rule1AnImportIsKnownAtEventTimePlusTheLag) {
  {
    const auto engine = Open(R"(
name: lagging
retrievers: [{name: popular, kind: popular}]
import: {format: csv, columns: {user: user, item: item, time: time}, types: [{type: buy}], lag: 2h}
)");
    Import(*engine, Write("e.csv", "user,item,time\nann,a,2010-12-01T08:00:00Z\n"));
  }
  const std::vector<HistoryEntry> history = History(*OpenStore(later_), "ann");
  ASSERT_EQ(history.size(), 1u);
  EXPECT_EQ(history[0].event_time_ms, At("2010-12-01T08:00:00Z"));
  EXPECT_EQ(history[0].known_time_ms, At("2010-12-01T10:00:00Z"));
}

TEST_F(TimeRulesTest, Rule1KnowledgeOfTheImportIsItsOwnClock) {
  {
    const auto engine = Open(R"(
name: ingested
retrievers: [{name: popular, kind: popular}]
import: {format: csv, columns: {user: user, item: item, time: time}, types: [{type: buy}], knowledge: ingest}
)",
                             "2024-05-01");
    Import(*engine, Write("e.csv", "user,item,time\nann,a,2010-12-01T08:00:00Z\n"));
  }
  const std::vector<HistoryEntry> history = History(*OpenStore(later_), "ann");
  ASSERT_EQ(history.size(), 1u);
  EXPECT_GE(history[0].known_time_ms, At("2024-05-01"));
}

TEST_F(TimeRulesTest, Rule1AnImportIsSortedByEventTimeFirst) {
  {
    const auto engine = Open(kRecipe);
    Import(*engine, Write("e.csv",
                          "user,session,item,time,basket,step,price\n"
                          "ann,,late,2010-12-03T00:00:00Z,,,\n"
                          "ann,,early,2010-12-01T00:00:00Z,,,\n"
                          "ann,,middle,2010-12-02T00:00:00Z,,,\n"));
  }
  const auto store = OpenStore(later_);
  std::vector<std::string> items;
  EXPECT_TRUE(store
                  ->ScanLog(0, store->EndPosition(),
                            [&](const LoggedEvent& logged) {
                              if (logged.event.kind == EventKind::kInteraction) {
                                items.push_back(logged.event.item);
                              }
                              return true;
                            })
                  .ok());
  EXPECT_THAT(items, ElementsAre("early", "middle", "late"));
}

TEST_F(TimeRulesTest, Rule1DataWithOrderButNoTimesGetsALogicalMillisecondAStep) {
  {
    const auto engine = Open(kRecipe);
    Import(*engine, Write("s.txt", "ann x y z\n"));
  }
  const std::vector<HistoryEntry> history = History(*OpenStore(later_), "ann");
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[0].item, "z");
  EXPECT_EQ(history[0].event_time_ms, history[1].event_time_ms + 1);
  EXPECT_EQ(history[1].event_time_ms, history[2].event_time_ms + 1);
}

TEST_F(TimeRulesTest, Rule1AFactWithoutATimeOfAFileHoldsSinceForEver) {
  {
    const auto engine = Open(kRecipe);
    Import(*engine, Write("items.jsonl", R"({"event": "item", "item": "a", "fields": []})"
                                         "\n"));
  }
  ReadPoint long_ago = EverythingKnown();
  long_ago.as_of_ms = At("1900-01-01");
  const auto item = OpenStore(later_)->ReadItem("a", long_ago);
  ASSERT_TRUE(item.ok());
  EXPECT_TRUE(item->exists);
}

// Rule 2: the engine owns its clock.

TEST_F(TimeRulesTest, Rule2EventsWithoutATimestampTakeTheEnginesClock) {
  const auto engine = Open(kRecipe, "2011-12-09T12:50:00Z");
  const auto results = engine->IngestJson(
      R"({"event": "interaction", "user": "ann", "type": "click", "item": "a"})");
  ASSERT_TRUE(results.ok());
  EXPECT_GE(results->at(0).event_time_ms, At("2011-12-09T12:50:00Z"));
  EXPECT_LT(results->at(0).event_time_ms, At("2011-12-09T12:55:00Z"));
}

TEST_F(TimeRulesTest, Rule2AServableLearnsUpToTheClockAndNeverAsksTheWall) {
  const auto engine = Open(kRecipe, "2010-12-02");
  Import(*engine, Write("e.csv",
                        "user,session,item,time,basket,step,price\n"
                        "ann,,a,2010-12-01T08:00:00Z,,,\n"
                        "ann,,future,2010-12-03T08:00:00Z,,,\n"));
  TrainAndActivate(*engine);
  const auto servables = engine->Servables();
  ASSERT_TRUE(servables.ok());
  ASSERT_EQ(servables->size(), 1u);
  EXPECT_EQ(servables->at(0).actions, 1u);
  EXPECT_LT(servables->at(0).created_at_ms, At("2010-12-03"));
  EXPECT_THAT(Shown(Recommend(*engine, "bob")), ElementsAre("a"));
}

TEST_F(TimeRulesTest, Rule2TheClockNeverGoesBackBehindALiveEvent) {
  Ingest(*Open(kRecipe, "2024-05-01T10:00:00Z"), R"({"event": "item", "item": "a"})");
  const auto engine = Open("", "2024-04-01");
  EXPECT_GE(engine->NowMs(), At("2024-05-01T10:00:00Z"));
  EXPECT_THAT(engine->Status().warnings, ElementsAre(::testing::HasSubstr("the clock starts at")));
}

// Rule 3: a value is a function of the set of events, whatever order they came in.

TEST_F(TimeRulesTest, Rule2AnErasureByAnotherClockLeavesTheEnginesClockAlone) {
  {
    const auto engine = Open(kRecipe, "2011-12-09T10:00:00Z");
    Ingest(*engine, R"({"event":"interaction","user":"ann","item":"a","type":"buy"})");
    Ingest(*engine, R"({"event":"interaction","user":"bob","item":"b","type":"buy"})");
  }
  {
    const auto engine = Open("");  // the wall's clock
    EXPECT_EQ(engine->EraseUser("ann").value(), 1u);
  }
  const auto engine = Open("", "2011-12-09T11:00:00Z");
  EXPECT_LT(engine->NowMs(), At("2011-12-09T11:10:00Z"));
  EXPECT_THAT(engine->Status().warnings, IsEmpty());
  EXPECT_TRUE(engine->GetUser("ann")->erased);
}

TEST_F(TimeRulesTest, Rule3TheOrderOfArrivalChangesNothing) {
  std::vector<std::string> lines;
  for (int i = 0; i < 60; ++i) {
    const std::string user = "u" + std::to_string(i % 7);
    const std::string item = "i" + std::to_string(i * 5 % 11);
    const std::string minute = std::to_string(10 + i % 40);
    lines.push_back(R"({"event": "interaction", "id": "e)" + std::to_string(i) + R"(", "user": ")" +
                    user + R"(", "type": "buy", "item": ")" + item +
                    R"(", "timestamp": "2024-05-01T08:)" + minute + R"(:00Z"})");
  }
  std::map<std::string, std::vector<std::string>> first;
  for (int turn = 0; turn < 2; ++turn) {
    std::filesystem::remove_all(Path("engine"));
    const auto engine = Open(kRecipe, "2024-05-02");
    std::string batch;
    for (const std::string& line : lines) batch += line + "\n";
    Ingest(*engine, batch);
    TrainAndActivate(*engine);
    std::map<std::string, std::vector<std::string>> slates;
    for (int user = 0; user < 7; ++user) {
      const std::string name = "u" + std::to_string(user);
      slates[name] = Shown(Recommend(*engine, name));
      const auto actions = engine->GetUserActions(name, 100);
      ASSERT_TRUE(actions.ok());
      for (const Event& action : *actions) slates[name].push_back(action.id);
    }
    if (turn == 0) {
      first = slates;
      std::reverse(lines.begin(), lines.end());
    } else {
      EXPECT_EQ(slates, first);
    }
  }
}

// Rule 4: what a request reads, and what it leaves.

TEST_F(TimeRulesTest, Rule4TheSlateCarriesItsReadPoint) {
  {
    const auto engine = Open(kRecipe, "2024-05-01T10:00:00Z");
    Ingest(*engine, R"([{"event": "item", "item": "a"}, {"event": "item", "item": "b"}])");
    Recommend(*engine, "ann");
  }
  const std::vector<Event> rankings = Rankings(*OpenStore(later_));
  ASSERT_EQ(rankings.size(), 1u);
  EXPECT_EQ(rankings[0].served_from.position_end, 2u);
  EXPECT_LE(rankings[0].served_from.as_of_ms, rankings[0].event_time_ms);
  EXPECT_EQ(rankings[0].items.size(), 2u);
}

TEST_F(TimeRulesTest, Rule4ImpressionsAreInTheStateBeforeTheAnswerLeaves) {
  const auto engine = Open(With(kRecipe, "policy: {seen_impressions: 1}\n"), "2024-05-01");
  Ingest(*engine, R"([{"event": "item", "item": "a"}, {"event": "item", "item": "b"}])");
  RecommendRequest request;
  request.user = "ann";
  request.limit = 1;
  const auto first = engine->Recommend(request);
  ASSERT_TRUE(first.ok());
  const auto second = engine->Recommend(request);
  ASSERT_TRUE(second.ok());
  ASSERT_EQ(first->items.size(), 1u);
  ASSERT_EQ(second->items.size(), 1u);
  EXPECT_NE(first->items[0].item, second->items[0].item);
}

// Rule 5: rows of an import (examples 4 and 5, and the steps of a session).

TEST_F(TimeRulesTest, Rule5ARowSeesEarlierStepsOfItsOwnSession) {
  {
    const auto engine = Open(kRecipe);
    Import(*engine, Write("steps.csv",
                          "user,session,item,time,basket,step,price\n"
                          "ann,s,a,2024-05-01T08:00:00Z,,1,\n"
                          "ann,s,b,2024-05-01T08:00:00Z,,2,\n"
                          "ann,s,c,2024-05-01T08:00:00Z,,3,\n"
                          "ann,t,d,2024-05-01T08:00:00Z,,1,\n"));
  }
  const auto store = OpenStore(later_);
  for (const HistoryEntry& row : History(*store, "ann")) {
    if (row.item != "c") continue;
    EXPECT_THAT(ItemsSeen(*store, "ann", BeforeRow(row)), UnorderedElementsAre("a", "b"));
  }
}

// Rule 6: corrections are appended.

TEST_F(TimeRulesTest, Rule6ACorrectionHoldsFromItsTimeAndATombstoneHidesTheItem) {
  {
    const auto engine = Open(kRecipe, "2024-05-01T10:00:00Z");
    Ingest(*engine, R"([{"event": "item", "item": "a", "timestamp": "2024-05-01T08:00:00Z",
                         "fields": [{"name": "price", "value": 2}]},
                        {"event": "item", "item": "a", "timestamp": "2024-05-01T09:00:00Z",
                         "fields": [{"name": "price", "value": 3}]}])");
    EXPECT_THAT(Shown(Recommend(*engine, "ann")), ElementsAre("a"));
    Event tombstone;
    tombstone.kind = EventKind::kItem;
    tombstone.item = "a";
    tombstone.deleted = true;
    ASSERT_TRUE(engine->Ingest({&tombstone, 1}).ok());
    EXPECT_THAT(Shown(Recommend(*engine, "ann")), IsEmpty());
    EXPECT_FALSE(engine->GetItem("a")->exists);
  }
  const auto store = OpenStore(later_);
  ReadPoint at = EverythingKnown();
  at.as_of_ms = At("2024-05-01T08:30:00Z");
  EXPECT_EQ(store->ReadItem("a", at)->fields.at(0).value, FieldValue(2.0));
  at.as_of_ms = At("2024-05-01T09:30:00Z");
  EXPECT_EQ(store->ReadItem("a", at)->fields.at(0).value, FieldValue(3.0));
}

// Rule 7: history is kept for ever.

TEST_F(TimeRulesTest, Rule7HistoryOfDecadesAgoIsStillThere) {
  const auto engine = Open(kRecipe, "2024-05-01");
  Ingest(*engine, R"({"event": "interaction", "user": "ann", "type": "buy", "item": "old",
                      "timestamp": "1970-01-02T00:00:00Z"})");
  const auto actions = engine->GetUserActions("ann", 10);
  ASSERT_TRUE(actions.ok());
  ASSERT_EQ(actions->size(), 1u);
  EXPECT_EQ(actions->at(0).item, "old");
}

TEST_F(TimeRulesTest, Rule7WhereTheRecipeLimitsHistoryAReadBelowTheHorizonIsAnError) {
  const auto engine = Open(With(kRecipe, R"(retain: 10d
features: [{name: clicks, kind: count, entity: item, types: [click], window: 5d}]
)"),
                           "2024-05-31");
  Ingest(*engine, R"([
    {"event": "interaction", "id": "old", "user": "ann", "type": "click", "item": "a",
     "timestamp": "2024-05-02T00:00:00Z"},
    {"event": "interaction", "id": "new", "user": "ann", "type": "click", "item": "b",
     "timestamp": "2024-05-30T00:00:00Z"}])");
  // What is shown does not wait for the removal.
  EXPECT_EQ(engine->GetUserActions("ann", 10)->size(), 1u);
  FeatureReadRequest asked;
  asked.items = {"a"};
  asked.as_of_ms = At("2024-05-03");
  asked.known_at_ms = At("2024-06-02");
  EXPECT_EQ(engine->ReadFeatures(asked)->items.at(0).second.at(0).value, 1.0);

  EXPECT_TRUE(engine->IsRetentionDue());
  const auto report = engine->Retain({.compact = true});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->events, 1u);
  // A minute is left for requests that have begun.
  EXPECT_GE(report->horizon_ms, At("2024-05-21") - 60'000);
  EXPECT_LT(report->horizon_ms, At("2024-05-21"));
  EXPECT_FALSE(engine->IsRetentionDue());
  EXPECT_EQ(engine->Status().horizon_ms, report->horizon_ms);
  const absl::Status below = engine->ReadFeatures(asked).status();
  EXPECT_TRUE(absl::IsOutOfRange(below)) << below;
  EXPECT_THAT(std::string(below.message()),
              ::testing::HasSubstr("below the horizon 2024-05-20T23:59"));
  asked.as_of_ms = At("2024-05-28");
  EXPECT_EQ(engine->ReadFeatures(asked)->items.at(0).second.at(0).value, 0.0);
  EXPECT_EQ(engine->GetUserActions("ann", 10)->size(), 1u);

  const auto again = engine->IngestJson(R"([
    {"event": "interaction", "id": "old", "user": "ann", "type": "click", "item": "a",
     "timestamp": "2024-05-02T00:00:00Z"},
    {"event": "interaction", "id": "late", "user": "ann", "type": "click", "item": "a",
     "timestamp": "2024-05-02T00:00:00Z"}])");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->at(0).outcome, IngestOutcome::kDuplicate);
  EXPECT_EQ(again->at(1).outcome, IngestOutcome::kRejected);
  EXPECT_THAT(again->at(1).error, ::testing::HasSubstr("below the horizon"));
}

TEST_F(TimeRulesTest, Rule7AClockFarPastTheLogRemovesNothingUnlessAskedTo) {
  const auto engine = Open(With(kRecipe, "retain: 10d\n"), "2024-05-31");
  Import(*engine, Write("e.csv",
                        "user,session,item,time,basket,step,price\n"
                        "ann,,a,2010-12-01T08:00:00Z,,,\n"));
  EXPECT_FALSE(engine->IsRetentionDue());
  EXPECT_TRUE(absl::IsFailedPrecondition(engine->Retain({}).status()));
  EXPECT_THAT(engine->Status().warnings, ElementsAre(::testing::HasSubstr("retain --all")));
  EXPECT_EQ(engine->Retain({.everything = true})->events, 1u);
}

TEST_F(TimeRulesTest, Rule7ARecipeWithoutRetainRemovesNothing) {
  const auto engine = Open(kRecipe, "2024-05-31");
  EXPECT_FALSE(engine->IsRetentionDue());
  EXPECT_TRUE(absl::IsFailedPrecondition(engine->Retain({}).status()));
}

TEST_F(TimeRulesTest, Rule7TrainingLearnsFromWhatIsRetainedWhetherTheRestIsRemovedOrNot) {
  const auto engine = Open(With(kRecipe, "retain: 10d\n"), "2024-05-31");
  Ingest(*engine, R"([
    {"event": "interaction", "user": "ann", "type": "buy", "item": "a",
     "timestamp": "2024-05-02T00:00:00Z"},
    {"event": "interaction", "user": "bob", "type": "buy", "item": "b",
     "timestamp": "2024-05-30T00:00:00Z"}])");
  for (int turn = 0; turn < 2; ++turn) {
    TrainAndActivate(*engine);
    const auto servables = engine->Servables();
    ASSERT_TRUE(servables.ok());
    for (const ServableInfo& info : *servables) EXPECT_EQ(info.actions, 1u);
    ASSERT_TRUE(engine->Retain({}).ok());
  }
}

// Rule 8: an anonymous session that becomes known.

TEST_F(TimeRulesTest, Rule8ASessionThatBecomesKnownBringsItsEarlierActionsAlong) {
  std::int64_t joined_ms = 0;
  {
    const auto engine = Open(kRecipe, "2024-05-01T10:00:00Z");
    Ingest(*engine, R"({"event": "interaction", "session": "s", "type": "click", "item": "a",
                        "timestamp": "2024-05-01T09:00:00Z"})");
    EXPECT_THAT(*engine->GetUserActions("ann", 10), IsEmpty());
    const auto results = engine->IngestJson(
        R"({"event": "interaction", "user": "ann", "session": "s", "type": "click", "item": "b"})");
    ASSERT_TRUE(results.ok());
    joined_ms = results->at(0).event_time_ms;
    const auto actions = engine->GetUserActions("ann", 10);
    ASSERT_TRUE(actions.ok());
    ASSERT_EQ(actions->size(), 2u);
    EXPECT_EQ(actions->at(0).item, "b");
    EXPECT_EQ(actions->at(1).item, "a");
  }
  // Known from that moment, not before.
  ReadPoint at = EverythingKnown();
  at.known_at_ms = joined_ms - 1;
  EXPECT_THAT(ItemsSeen(*OpenStore(later_), "ann", at), IsEmpty());
}

}  // namespace
}  // namespace fourfold
