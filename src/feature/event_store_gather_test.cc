#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "feature/event_store.h"
#include "feature/event_store_testing.h"

// The bulk path's own promises; event_store_random_test.cc compares what it leaves with a plain
// twin.
namespace fourfold {
namespace {

using testing::ElementsAre;

class EventStoreGatherTest : public EventStoreTest {
 protected:
  ImportCounts Gather(std::vector<Event> events) {
    std::vector<TimedEvent> timed;
    for (Event& event : events) timed.push_back({std::move(event), 50});
    const auto counts = store_->GatherImported(absl::MakeSpan(timed));
    EXPECT_TRUE(counts.ok()) << counts.status();
    return counts.ok() ? *counts : ImportCounts();
  }
  // Small enough that a few dozen events are a batch.
  void OpenWithSmallBatches() {
    options_.gather_bytes = 16 << 10;
    Open();
  }
};

TEST_F(EventStoreGatherTest, CanBeReadAfterFlush) {
  Gather({Action("a", "ann", "lamp", 10)});
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_THAT(ItemsOf({.user = "ann"}, EverythingKnown()), ElementsAre("lamp"));
  EXPECT_EQ(store_->LastEventTimeMs(), 10);
}

TEST_F(EventStoreGatherTest, LiveEventsComeAfterThoseGatheredBefore) {
  Gather({Action("a", "ann", "lamp", 10), Action("b", "ann", "sofa", 20)});
  EXPECT_EQ(Live(100, Action("c", "ann", "desk", 90)).position, 2u);
  EXPECT_THAT(ItemsOf({.user = "ann"}, EverythingKnown()), ElementsAre("desk", "sofa", "lamp"));
  EXPECT_EQ(Live(100, Action("b", "ann", "sofa", 20)).outcome, EventOutcome::kDuplicate);
  EXPECT_EQ(Gather({Action("d", "ann", "vase", 30), Action("a", "ann", "lamp", 10)}).duplicates,
            1u);
  EXPECT_EQ(store_->FindEvent("d")->position, 3u);
}

TEST_F(EventStoreGatherTest, ErasureReachesGatheredEvents) {
  Gather({Action("a", "ann", "lamp", 10), Action("b", "bob", "lamp", 20)});
  EXPECT_EQ(*store_->EraseUser("ann"), 1u);
  EXPECT_THAT(ItemsOf({.user = "ann"}, EverythingKnown()), ElementsAre());
  EXPECT_THAT(ItemsOf({.user = "bob"}, EverythingKnown()), ElementsAre("lamp"));
}

TEST_F(EventStoreGatherTest, RejectedEventsAreNamedAndLeftAlone) {
  std::vector<TimedEvent> events = {{Action("a", "ann", "lamp", 10), 10},
                                    {Action("b", "ann", "", 10), 10},
                                    {Action("a", "ann", "lamp", 10), 10}};
  const auto counts = store_->GatherImported(absl::MakeSpan(events));
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->accepted, 1u);
  EXPECT_EQ(counts->duplicates, 1u);
  ASSERT_EQ(counts->rejected.size(), 1u);
  EXPECT_EQ(counts->rejected[0].first, 1u);
  EXPECT_EQ(counts->rejected[0].second.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(events[1].event, Action("b", "ann", "", 10));
}

TEST_F(EventStoreGatherTest, ListenerHearsEachEventOnceInOrder) {
  OpenWithSmallBatches();
  std::vector<Position> heard;
  store_->SetCommitListener([&](absl::Span<const LoggedEvent> committed) {
    for (const LoggedEvent& logged : committed) {
      EXPECT_EQ(logged.event.id, StrCat("e", logged.position));
      EXPECT_LT(logged.position, store_->EndPosition());
      heard.push_back(logged.position);
    }
  });
  constexpr int kEvents = 500;
  for (int i = 0; i < kEvents; ++i) Gather({Action(StrCat("e", i), "ann", "lamp", i)});
  EXPECT_FALSE(heard.empty());
  ASSERT_TRUE(store_->Flush().ok());
  std::vector<Position> expected(kEvents);
  std::iota(expected.begin(), expected.end(), Position{0});
  EXPECT_EQ(heard, expected);
}

TEST_F(EventStoreGatherTest, LiveWritersMayComeInTheMiddle) {
  OpenWithSmallBatches();
  constexpr int kGathered = 2000;
  constexpr int kLive = 50;
  std::thread reader([&] {
    while (store_->EndPosition() < kGathered / 2) {
      for (const HistoryEntry& entry : History({.user = "ann", .limit = 5}, EverythingKnown())) {
        ASSERT_LT(entry.position, store_->EndPosition());
      }
    }
  });
  std::thread live([&] {
    while (store_->EndPosition() < kGathered / 2) std::this_thread::yield();
    for (int i = 0; i < kLive; ++i) {
      const Event event = Action(StrCat("live", i), "ann", "sofa", kNoTimeMs);
      const auto results = store_->Append({&event, 1});
      ASSERT_TRUE(results.ok() && (*results)[0].outcome == EventOutcome::kAccepted);
    }
  });
  std::uint64_t accepted = 0;
  for (int i = 0; i < kGathered; i += 10) {
    std::vector<Event> events;
    for (int j = i; j < i + 10; ++j) {
      events.push_back(InSession(Action(StrCat("e", j), "ann", "lamp", j), StrCat("s", j / 3)));
    }
    accepted += Gather(std::move(events)).accepted;
  }
  reader.join();
  live.join();
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(accepted, static_cast<std::uint64_t>(kGathered));
  std::set<std::string> ids;
  Position next = 0;
  ASSERT_TRUE(store_
                  ->ScanLog(0, store_->EndPosition(),
                            [&](const LoggedEvent& logged) {
                              ids.insert(logged.event.id);
                              return logged.position == next++;
                            })
                  .ok());
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kGathered + kLive));
  EXPECT_EQ(next, static_cast<Position>(kGathered + kLive));
}

}  // namespace
}  // namespace fourfold
