#include "feature/event_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "feature/event_store_testing.h"

namespace fourfold {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(EventStoreTest, AnAcknowledgedActionIsInTheNextReadAndSurvivesReopening) {
  Live(1'000, Action("e1", "ann", "lamp", 999));
  EXPECT_THAT(ItemsOf({.user = "ann"}, store_->Now()), ElementsAre("lamp"));
  Open();
  EXPECT_THAT(ItemsOf({.user = "ann"}, store_->Now()), ElementsAre("lamp"));
}

TEST_F(EventStoreTest, FlushedImportSurvivesReopeningAndAnyFieldComesBack) {
  Event slate = InSession(Ranking("slate", "ann", {"lamp", "sofa"}, 500), "s");
  slate.query_text = "light";
  slate.surface = "search";
  slate.fields = {{"device", std::string("phone")}};
  slate.served_from = {1, 2, 3, "v1", "before"};
  Import(slate, 700);
  ASSERT_TRUE(store_->Flush().ok());
  Open();
  const auto logged = store_->FindEvent("slate");
  ASSERT_TRUE(logged.ok()) << logged.status();
  EXPECT_TRUE(logged->event == slate);
  EXPECT_EQ(logged->known_time_ms, 700);
}

TEST_F(EventStoreTest, DuplicatesAreDroppedForEverAndToldTheFirstOnesPosition) {
  const std::vector<Event> twice = {Action("e", "ann", "lamp", 10), Action("e", "bob", "sofa", 20)};
  const auto results = store_->Append(twice).value();
  EXPECT_EQ(results[1].outcome, EventOutcome::kDuplicate);
  EXPECT_EQ(results[1].event_time_ms, 10);
  Open();
  const AppendResult again = Live(9'000, Action("e", "cat", "desk", 30));
  EXPECT_EQ(again.outcome, EventOutcome::kDuplicate);
  EXPECT_EQ(again.position, results[0].position);
  EXPECT_EQ(again.event_time_ms, 10);
  EXPECT_EQ(Import(Action("e", "cat", "desk", 30)).outcome, EventOutcome::kDuplicate);
  EXPECT_EQ(store_->EndPosition(), 1u);
}

TEST_F(EventStoreTest, EventsWithoutAnIdGetOneEach) {
  const std::vector<Event> events(3, Action("", "ann", "lamp", 10));
  std::set<std::string> ids;
  for (int pass = 0; pass < 2; ++pass) {
    const auto results = store_->Append(events).value();
    for (const AppendResult& result : results) ids.insert(result.id);
    Open();
  }
  EXPECT_EQ(ids.size(), 6u);
  for (const std::string& id : ids) EXPECT_TRUE(store_->FindEvent(id).ok());
}

TEST_F(EventStoreTest, BadEventIsRefusedByItselfWithTheFieldNamed) {
  Event bad = Action("bad", "", "lamp", 10);
  const std::vector<Event> events = {Action("good", "ann", "lamp", 10), bad};
  const auto results = store_->Append(events).value();
  EXPECT_EQ(results[0].outcome, EventOutcome::kAccepted);
  EXPECT_EQ(results[1].outcome, EventOutcome::kRejected);
  EXPECT_TRUE(absl::IsInvalidArgument(results[1].status));
  EXPECT_THAT(results[1].status.ToString(), HasSubstr("user"));
  EXPECT_EQ(store_->EndPosition(), 1u);
}

TEST_F(EventStoreTest, NamesThatBeginAlikeDoNotMix) {
  for (const char* user : {"a", "ab", "abc", "b"}) Import(Action(user, user, user, 10));
  EXPECT_THAT(ItemsOf({.user = "ab"}, EverythingKnown()), ElementsAre("ab"));
  std::vector<std::string> users;
  ASSERT_TRUE(store_->ScanUsers([&](auto user) { return users.emplace_back(user), true; }).ok());
  EXPECT_THAT(users, ElementsAre("a", "ab", "abc", "b"));
  users.clear();
  ASSERT_TRUE(store_->ScanUsers([&](auto user) { return users.emplace_back(user), false; }).ok());
  EXPECT_THAT(users, ElementsAre("a"));
}

TEST_F(EventStoreTest, ScanOfTheLogStopsWhereItIsTold) {
  for (int i = 0; i < 10; ++i) Import(Action(StrCat("e", i), "ann", "lamp", 100 - i));
  std::vector<Position> positions;
  const auto visit = [&](const LoggedEvent& logged) {
    positions.push_back(logged.position);
    return positions.size() < 3;
  };
  ASSERT_TRUE(store_->ScanLog(2, 4, visit).ok());
  EXPECT_THAT(positions, ElementsAre(2, 3));
  positions.clear();
  ASSERT_TRUE(store_->ScanLog(5, 1'000, visit).ok());
  EXPECT_THAT(positions, ElementsAre(5, 6, 7));
}

TEST_F(EventStoreTest, ErasedUserIsGoneEverywhereAndMayStartAfresh) {
  Live(100, InSession(Action("anonymous", "", "rug", 90), "s"));
  Live(200, InSession(Action("own", "ann", "lamp", 190), "s"));
  Live(210, Ranking("slate", "ann", {"lamp"}, 205));
  Live(220, UserFields("fields", "ann", 215, {{"city", std::string("Bonn")}}));
  Live(230, Action("other", "bob", "lamp", 225));
  clock_.Set(300);
  EXPECT_EQ(store_->EraseUser("ann").value(), 4u);
  for (int pass = 0; pass < 2; ++pass) {
    EXPECT_THAT(ItemsOf({.user = "ann", .impressions = true}, EverythingKnown()), IsEmpty());
    EXPECT_THAT(ItemsOf({.session = "s"}, EverythingKnown()), IsEmpty());
    std::vector<HistoryEntry> of_item;
    ASSERT_TRUE(store_->ReadItemHistory("lamp", EverythingKnown(), 10, &of_item).ok());
    ASSERT_EQ(of_item.size(), 1u);
    EXPECT_EQ(of_item[0].user, "bob");
    EXPECT_TRUE(absl::IsNotFound(store_->FindEvent("anonymous").status()));
    std::vector<std::string> ids;
    ASSERT_TRUE(store_
                    ->ScanLog(0, 100,
                              [&](const LoggedEvent& logged) {
                                ids.push_back(logged.event.id);
                                return true;
                              })
                    .ok());
    EXPECT_THAT(ids, ElementsAre("other"));
    const EntityAsOf ann = store_->ReadUser("ann", EverythingKnown()).value();
    EXPECT_FALSE(ann.exists);
    EXPECT_TRUE(ann.erased);
    EXPECT_EQ(ann.erased_at_ms, 300);
    Open();
  }
  // A replayed event does not come back; a new one does not bring the others back.
  EXPECT_EQ(Live(400, Action("own", "ann", "lamp", 190)).outcome, EventOutcome::kDuplicate);
  EXPECT_EQ(Live(410, Action("new", "ann", "desk", 405)).position, 5u);
  EXPECT_THAT(ItemsOf({.user = "ann"}, EverythingKnown()), ElementsAre("desk"));
  EXPECT_FALSE(store_->ReadUser("ann", EverythingKnown())->erased);
}

TEST_F(EventStoreTest, ListenerHearsEachBatchOnceInOrderBeforeTheWritersAnswer) {
  std::vector<Position> heard;
  store_->SetCommitListener([&](absl::Span<const LoggedEvent> committed) {
    for (const LoggedEvent& logged : committed) {
      EXPECT_TRUE(store_->FindEvent(logged.event.id).ok());
      heard.push_back(logged.position);
    }
  });
  Live(100, Action("a", "ann", "lamp", 90));
  Live(100, Action("a", "ann", "lamp", 90));
  Import(Action("b", "ann", "sofa", 95));
  EXPECT_THAT(heard, ElementsAre(0, 1));
}

TEST_F(EventStoreTest, SmallValuesAreKeptAndDoNotMeetTheStoresOwn) {
  EXPECT_TRUE(absl::IsNotFound(store_->GetValue("s").status()));
  Import(Action("a", "ann", "lamp", 90));
  ASSERT_TRUE(store_->PutValue("s", "mark").ok());
  Open();
  EXPECT_EQ(store_->GetValue("s").value(), "mark");
  EXPECT_EQ(store_->EndPosition(), 1u);
}

TEST_F(EventStoreTest, SecondOpenerIsRefused) {
  const auto second = EventStore::Open(options_, &clock_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
}

TEST_F(EventStoreTest, AnotherFormatVersionIsRefusedNamingBoth) {
  store_.reset();
  std::ofstream(options_.directory + "/FORMAT") << "fourfold event store\nversion 7\n";
  const auto opened = EventStore::Open(options_, &clock_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(opened.status().ToString(), HasSubstr("version 7"));
  EXPECT_THAT(opened.status().ToString(), HasSubstr("version 1"));
}

TEST_F(EventStoreTest, ForeignDirectoryIsRefusedAndLeftAlone) {
  EventStoreOptions options = options_;
  options.directory = options_.directory + "/foreign";
  std::filesystem::create_directories(options.directory);
  std::ofstream(options.directory + "/letters.txt") << "dear";
  const auto opened = EventStore::Open(options, &clock_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(opened.status().ToString(), HasSubstr("letters.txt"));
  EXPECT_FALSE(std::filesystem::exists(options.directory + "/FORMAT"));
  options.directory = options_.directory + "/absent";
  options.create_if_missing = false;
  EXPECT_EQ(EventStore::Open(options, &clock_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(EventStoreTest, DamagedDirectoryIsAnErrorAndNeverAnEmptyStore) {
  for (int i = 0; i < 2'000; ++i) Import(Action(StrCat("e", i), "ann", StrCat("i", i), i));
  ASSERT_TRUE(store_->Flush().ok());
  store_.reset();
  const std::string database = options_.directory + "/rocksdb";
  std::filesystem::rename(database + "/CURRENT", database + "/moved");
  EXPECT_EQ(EventStore::Open(options_, &clock_).status().code(), absl::StatusCode::kDataLoss);
  std::filesystem::rename(database + "/moved", database + "/CURRENT");
  std::string table;
  for (const auto& entry : std::filesystem::directory_iterator(database)) {
    if (entry.path().extension() == ".sst") table = entry.path();
  }
  ASSERT_FALSE(table.empty());
  std::filesystem::remove(table);
  EXPECT_EQ(EventStore::Open(options_, &clock_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(EventStoreTest, ConcurrentWritersAndReadersSeeWholeEventsAndNoPositionTwice) {
  constexpr int kWriters = 3;
  constexpr int kEach = 150;
  std::atomic<int> writing = kWriters;
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (int i = 0; i < kEach; ++i) {
        // Every second id is shared by all writers: one of them takes it.
        Event event = Action(i % 2 == 0 ? StrCat("shared", i) : StrCat("own", writer, ".", i),
                             i % 3 == 0 ? "" : "ann", "lamp", kNoTimeMs);
        event.session = StrCat("s", i % 5);
        const auto results =
            store_->Append({&event, 1}, i % 4 == 0 ? Durability::kSynced : Durability::kBuffered);
        ASSERT_TRUE(results.ok());
        clock_.Advance(1);
        const Position position = (*results)[0].position;
        ASSERT_LT(position, store_->EndPosition());
        ASSERT_EQ(store_->FindEvent(event.id)->position, position);
      }
      --writing;
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      while (writing > 0) {
        const ReadPoint now = store_->Now();
        const auto before = History({.user = "ann", .limit = 10'000}, now);
        const auto again = History({.user = "ann", .limit = 10'000}, now);
        ASSERT_EQ(before, again);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_->EndPosition(), kEach / 2u + kWriters * (kEach / 2u));
  Position next = 0;
  ASSERT_TRUE(store_
                  ->ScanLog(0, store_->EndPosition(),
                            [&](const LoggedEvent& logged) { return logged.position == next++; })
                  .ok());
  EXPECT_EQ(next, store_->EndPosition());
}

}  // namespace
}  // namespace fourfold
