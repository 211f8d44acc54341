#include "feature/state/live_state.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "feature/event_store_testing.h"
#include "feature/plan/feature_reader.h"
#include "feature/state/stored_state.h"

namespace fourfold {
namespace {

std::shared_ptr<const FeaturePlan> Plan(bool with_global) {
  const auto text = [](const char* value) { return FieldValue(std::string(value)); };
  std::vector<FeatureDeclaration> declared = {
      {"of_item", "count", {{"entity", text("item")}}},
      {"mine", "count", {{"entity", text("user_item")}, {"window", text("1h")}}},
      {"paid", "sum", {{"entity", text("item")}, {"field", text("price")}}},
      {"since", "recency", {{"entity", text("session")}}},
      {"price", "attribute", {{"entity", text("item")}, {"field", text("price")}}},
      {"age", "attribute", {{"entity", text("user")}, {"field", text("age")}}},
      {"latest", "sequence", {{"entity", text("user")}, {"length", 5.0}}},
      {"alike", "affinity", {{"entity", text("user")}, {"field", text("price")}}}};
  if (with_global) declared.push_back({"of_all", "count", {{"entity", text("global")}}});
  return FeaturePlan::Compile(declared).value();
}

class LiveStateTest : public EventStoreTest {
 protected:
  static Event RandomEvent(std::mt19937_64* random, int number) {
    const auto name = [&](const char* kind, std::uint64_t count) {
      return StrCat(kind, (*random)() % count);
    };
    Event event;
    event.id = StrCat("e", number);
    if (number % 11 == 0) {
      event.kind = EventKind::kItem;
      event.item = name("i", 20);
      event.fields = {{"price", static_cast<double>((*random)() % 9)}};
    } else if (number % 13 == 0) {
      event.kind = EventKind::kUser;
      event.user = name("u", 10);
      event.fields = {{"age", static_cast<double>((*random)() % 90)}};
    } else {
      event.kind = EventKind::kInteraction;
      event.type = "click";
      event.item = name("i", 20);
      event.session = name("s", 12);
      if ((*random)() % 3 != 0) event.user = name("u", 10);
      event.fields = {{"price", static_cast<double>((*random)() % 9)}};
    }
    return event;
  }
  FeatureRequest RandomRequest(std::mt19937_64* random, Position end) {
    FeatureRequest request;
    request.user = StrCat("u", (*random)() % 11);
    request.session = StrCat("s", (*random)() % 13);
    request.at.position_end = end;
    request.now_ms = 10'000;
    for (int i = 0; i < 4; ++i) {
      request.candidates.push_back({StrCat("i", (*random)() % 21), {}, 0});
    }
    return request;
  }
  static std::vector<std::uint32_t> BitsOf(const FeatureTable& table) {
    std::vector<std::uint32_t> bits;
    for (const std::vector<float>& column : table.columns) {
      for (const float value : column) bits.push_back(std::bit_cast<std::uint32_t>(value));
    }
    for (const std::int64_t time_ms : table.sequences[0].event_times_ms) {
      bits.push_back(static_cast<std::uint32_t>(time_ms));
    }
    return bits;
  }
  std::vector<std::uint32_t> Stored(const FeaturePlan& plan, const FeatureRequest& request) {
    const StoredState stored(&plan.schema(), store_.get());
    FeatureTable table;
    EXPECT_TRUE(ReadFeatures(plan, stored, request, &table).ok());
    return BitsOf(table);
  }
};

TEST_F(LiveStateTest, ReadsBesideCommitsAreExactUnderATinyCap) {
  const auto plan = Plan(/*with_global=*/true);
  LiveState live(plan->schema(), store_.get(),
                 {.bytes_max = 20'000, .spill_directory = options_.directory});
  store_->SetCommitListener(
      [&](absl::Span<const LoggedEvent> committed) { live.Follow(committed); });
  // Past the cap before anybody reads.
  std::mt19937_64 first(4);
  std::vector<Event> events;
  for (int number = 0; number < 400; ++number) events.push_back(RandomEvent(&first, number));
  ASSERT_TRUE(store_->Append(events).ok());
  ASSERT_TRUE(live.ReadStats().is_caching);
  std::thread writer([&] {
    std::mt19937_64 random(1);
    for (int number = 400; number < 1500;) {
      std::vector<Event> batch;
      for (std::uint64_t size = 1 + random() % 5; size > 0; --size) {
        batch.push_back(RandomEvent(&random, number++));
      }
      ASSERT_TRUE(store_->Append(batch, Durability::kBuffered).ok());
      clock_.Advance(1);
    }
  });
  // What was read while the log went on must be what the histories say of that point afterwards.
  std::vector<std::pair<FeatureRequest, std::vector<std::uint32_t>>> read[2];
  std::vector<std::thread> readers;
  for (std::uint64_t reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      std::mt19937_64 random(2 + reader);
      FeatureTable table;
      for (int i = 0; i < 150; ++i) {
        const FeatureRequest request = RandomRequest(&random, live.end());
        ASSERT_TRUE(live.Read(*plan, request, &table).ok());
        read[reader].emplace_back(request, BitsOf(table));
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  writer.join();
  const LiveState::Stats stats = live.ReadStats();
  EXPECT_TRUE(stats.is_caching);
  EXPECT_GT(stats.cache.misses, 0u);
  EXPECT_LT(stats.cache.misses, stats.cache.reads);
  for (const auto& of_reader : read) {
    for (const auto& [request, bits] : of_reader) ASSERT_EQ(bits, Stored(*plan, request));
  }
  store_->SetCommitListener(nullptr);
}

TEST_F(LiveStateTest, PastItsCapItKeepsWhatWasAskedForLatelyAndNoMore) {
  const auto plan = Plan(/*with_global=*/false);
  std::mt19937_64 random(3);
  std::vector<Event> events;
  for (int number = 0; number < 2000; ++number) events.push_back(RandomEvent(&random, number));
  ASSERT_TRUE(store_->Append(events).ok());

  LiveState whole(plan->schema(), store_.get(), {.bytes_max = 100 << 20});
  ASSERT_TRUE(whole.Fill().ok());
  EXPECT_FALSE(whole.ReadStats().is_caching);

  constexpr std::size_t kCap = 200'000;
  LiveState capped(plan->schema(), store_.get(), {.bytes_max = kCap});
  ASSERT_TRUE(capped.Fill().ok());
  EXPECT_EQ(capped.end(), store_->EndPosition());
  EXPECT_TRUE(capped.ReadStats().is_caching);
  FeatureTable expected;
  FeatureTable table;
  for (int i = 0; i < 200; ++i) {
    const FeatureRequest request = RandomRequest(&random, store_->EndPosition());
    ASSERT_TRUE(whole.Read(*plan, request, &expected).ok());
    ASSERT_TRUE(capped.Read(*plan, request, &table).ok());
    ASSERT_EQ(BitsOf(table), BitsOf(expected));
    ASSERT_LE(capped.ReadStats().bytes, kCap);
  }
  // The same request again finds all it needs; its user may have sessions that became theirs,
  // which are read anew at each read point.
  FeatureRequest request = RandomRequest(&random, store_->EndPosition());
  ASSERT_TRUE(capped.Read(*plan, request, &table).ok());
  const std::uint64_t misses = capped.ReadStats().cache.misses;
  ASSERT_TRUE(capped.Read(*plan, request, &table).ok());
  EXPECT_EQ(capped.ReadStats().cache.misses, misses);
}

// Half of the log is there when the state is made, the rest is followed beside requests.
TEST_F(LiveStateTest, LongHistoriesAreReadOnceThenFollowAndComeBackFromTheFile) {
  const auto plan = Plan(/*with_global=*/false);
  std::mt19937_64 random(5);
  const auto append = [&](int begin, int end) {
    std::vector<Event> events;
    for (int number = begin; number < end; ++number) {
      Event event = RandomEvent(&random, number);
      // Facts are not packed: few of them.
      if (number < 300 || event.kind == EventKind::kInteraction) events.push_back(std::move(event));
    }
    ASSERT_TRUE(store_->Append(events, Durability::kBuffered).ok());
    clock_.Advance(1);
  };
  constexpr int kEvents = 12'000;
  ASSERT_NO_FATAL_FAILURE(append(0, kEvents / 2));
  LiveState whole(plan->schema(), store_.get());
  // Their packed actions alone are past half of this.
  constexpr std::size_t kCap = 300'000;
  LiveState capped(plan->schema(), store_.get(),
                   {.bytes_max = kCap, .spill_directory = options_.directory});
  store_->SetCommitListener([&](absl::Span<const LoggedEvent> committed) {
    whole.Follow(committed);
    capped.Follow(committed);
  });
  ASSERT_TRUE(whole.Fill().ok());
  ASSERT_TRUE(capped.Fill().ok());
  ASSERT_TRUE(capped.ReadStats().is_caching);
  // No item was asked for yet, and all of them are there.
  EXPECT_GE(capped.ReadStats().cache.entities, 20u);
  FeatureTable expected;
  FeatureTable table;
  for (int number = kEvents / 2; number < kEvents; number += 50) {
    ASSERT_NO_FATAL_FAILURE(append(number, number + 50));
    const FeatureRequest request = RandomRequest(&random, store_->EndPosition());
    ASSERT_TRUE(whole.Read(*plan, request, &expected).ok());
    ASSERT_TRUE(capped.Read(*plan, request, &table).ok());
    ASSERT_EQ(BitsOf(table), BitsOf(expected));
    ASSERT_LE(capped.ReadStats().bytes, kCap);
  }
  const EntityCache::Stats stats = capped.ReadStats().cache;
  EXPECT_GT(stats.unpacked, 100u);
  EXPECT_GT(stats.file_bytes, 0u);
  // Both parts of users, and sessions, each once at most; of items nothing.
  EXPECT_LE(stats.misses, 2 * 11u + 13);
  store_->SetCommitListener(nullptr);
}

TEST_F(LiveStateTest, WhatIsAskedForByManyAtOnceIsReadOnce) {
  const auto plan = Plan(/*with_global=*/false);
  std::mt19937_64 random(6);
  std::vector<Event> events;
  for (int number = 0; number < 3000; ++number) events.push_back(RandomEvent(&random, number));
  ASSERT_TRUE(store_->Append(events).ok());
  LiveState capped(plan->schema(), store_.get(), {.bytes_max = 200'000});
  ASSERT_TRUE(capped.Fill().ok());
  const FeatureRequest request = RandomRequest(&random, store_->EndPosition());
  const std::vector<std::uint32_t> expected = Stored(*plan, request);
  const std::uint64_t before = capped.ReadStats().cache.misses;
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 8; ++reader) {
    readers.emplace_back([&] {
      FeatureTable table;
      ASSERT_TRUE(capped.Read(*plan, request, &table).ok());
      ASSERT_EQ(BitsOf(table), expected);
    });
  }
  for (std::thread& reader : readers) reader.join();
  // The user, their facts, the session.
  EXPECT_LE(capped.ReadStats().cache.misses - before, 3u);
}

// As where an erasure meets the removal of old history, which began to read before it.
TEST_F(LiveStateTest, OfTwoFillsAnewTheOneThatBeganLaterStays) {
  const auto plan = Plan(/*with_global=*/true);
  std::mt19937_64 random(7);
  std::vector<Event> events;
  for (int number = 0; number < 3000; ++number) events.push_back(RandomEvent(&random, number));
  ASSERT_TRUE(store_->Append(events).ok());
  for (const std::size_t bytes_max : {std::size_t{100} << 20, std::size_t{20'000}}) {
    const std::string erased = bytes_max > 20'000 ? "u1" : "u2";
    LiveState live(plan->schema(), store_.get(), {.bytes_max = bytes_max});
    ASSERT_TRUE(live.Fill().ok());
    int looks = 0;
    // The first has read them by then, and goes on after the second has ended.
    const absl::Status first = live.FillAnew([&] {
      if (++looks != 3) return false;
      std::thread second([&] {
        ASSERT_GT(store_->EraseUser(erased).value(), 50u);
        ASSERT_TRUE(live.FillAnew().ok());
      });
      second.join();
      return false;
    });
    ASSERT_TRUE(first.ok()) << first;
    ASSERT_EQ(looks, 3);
    FeatureRequest request = RandomRequest(&random, store_->EndPosition());
    FeatureTable table;
    for (int i = 0; i < 30; ++i) {
      ASSERT_TRUE(live.Read(*plan, request, &table).ok());
      ASSERT_EQ(BitsOf(table), Stored(*plan, request)) << request.user;
      request = RandomRequest(&random, store_->EndPosition());
      if (i % 2 == 0) request.user = erased;
    }
    // It is followed as any other.
    Event event = RandomEvent(&random, 3000);
    event.id = StrCat("after", bytes_max);
    store_->SetCommitListener(
        [&](absl::Span<const LoggedEvent> committed) { live.Follow(committed); });
    ASSERT_TRUE(store_->Append({&event, 1}).ok());
    store_->SetCommitListener(nullptr);
    EXPECT_EQ(live.end(), store_->EndPosition());
  }
}

}  // namespace
}  // namespace fourfold
