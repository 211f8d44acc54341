#include "feature/state/timeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/strings.h"
#include "feature/kinds/action_view.h"

namespace fourfold {
namespace {

struct Stored {
  ActionEntry entry;
  double value = 0;
  ActionIndex action = 0;
};

// Thousands of entries, in the disorder that logs have, beside a plain list of them.
class TimelineTest : public testing::Test {
 protected:
  std::int64_t Draw(std::int64_t first, std::int64_t last) {
    return std::uniform_int_distribution<std::int64_t>(first, last)(random_);
  }

  void Add(std::int64_t event_time_ms, std::int64_t known_time_ms) {
    Stored stored;
    stored.entry.event_time_ms = event_time_ms;
    stored.entry.known_time_ms = known_time_ms;
    stored.entry.position = all_.size();
    stored.entry.event_digest = DigestOf(StrCat("event ", all_.size()));
    stored.entry.session = static_cast<std::uint64_t>(Draw(0, 3));
    stored.entry.tie_group =
        tie_groups_are_short_ ? 1 + all_.size() / 20 : static_cast<std::uint64_t>(Draw(0, 5));
    stored.entry.step = Draw(0, 3);
    stored.entry.type = static_cast<std::uint16_t>(Draw(0, 2));
    stored.value = Draw(0, 20) == 0 ? std::numeric_limits<double>::quiet_NaN()
                                    : static_cast<double>(Draw(-5000, 5000)) / 100;
    stored.action = actions_.Add(stored.entry, {&stored.value, 1});
    timeline_.Insert(stored.action, known_time_ms);
    all_.push_back(stored);
  }

  // `late_percent` of the entries happened up to `late_ms` before they arrive; a seed of this.
  void Fill(std::size_t count, int late_percent, std::int64_t late_ms) {
    std::int64_t clock_ms = 0;
    for (std::size_t i = 0; i < count; ++i) {
      clock_ms += Draw(0, 3);
      const bool is_late = Draw(1, 100) <= late_percent;
      Add(is_late ? clock_ms - Draw(0, late_ms) : clock_ms, clock_ms);
    }
    end_ms_ = clock_ms;
  }

  StateRead RandomRead() {
    StateRead read;
    read.as_of_ms = Draw(-10, end_ms_ + 10);
    read.known_at_ms = Draw(0, 2) == 0 ? read.as_of_ms : Draw(-10, end_ms_ + 10);
    read.position_end = Draw(0, 2) == 0 ? static_cast<Position>(Draw(0, all_.size()))
                                        : std::numeric_limits<Position>::max();
    if (Draw(0, 2) == 0) {
      read.own_session = static_cast<std::uint64_t>(Draw(1, 3));
      read.before_step = Draw(0, 3);
    }
    if (Draw(0, 3) == 0 || tie_groups_are_short_) {
      const std::int64_t last =
          tie_groups_are_short_ ? static_cast<std::int64_t>(all_.size()) / 20 : 5;
      read.hidden_tie_group = static_cast<std::uint64_t>(Draw(1, last));
    }
    read.now_ms = read.as_of_ms + Draw(0, 2);
    return read;
  }

  void Compare() {
    const StateRead read = RandomRead();
    const TimelineAt at(&timeline_, &read);
    const std::int64_t from_ms = Draw(0, 3) == 0 ? INT64_MIN : Draw(-10, end_ms_);
    std::vector<const Stored*> seen;
    for (const Stored& stored : all_) {
      if (read.Sees(stored.entry) && stored.entry.event_time_ms >= from_ms) {
        seen.push_back(&stored);
      }
    }
    for (std::size_t which = 0; which < aggregates_.size(); ++which) {
      FixedSum expected = 0;
      for (const Stored* stored : seen) {
        if ((aggregates_[which].type_mask >> stored->entry.type & 1) == 0) continue;
        expected += aggregates_[which].field < 0 ? 1 : ToFixed(stored->value);
      }
      ASSERT_TRUE(at.Sum(which, from_ms) == expected);
    }
    std::sort(seen.begin(), seen.end(),
              [](const Stored* a, const Stored* b) { return IsOlder(b->entry, a->entry); });
    const auto mask = static_cast<std::uint64_t>(Draw(1, 7));
    std::erase_if(seen,
                  [&](const Stored* stored) { return (mask >> stored->entry.type & 1) == 0; });
    const TimelineEntry* newest = at.Newest(mask, from_ms);
    ASSERT_EQ(newest == nullptr, seen.empty());
    if (newest != nullptr) {
      ASSERT_EQ(newest->action, seen.front()->action);
    }
    std::size_t next = 0;
    at.VisitNewest(mask, from_ms, [&](const TimelineEntry& entry) {
      EXPECT_LT(next, seen.size());
      if (next >= seen.size()) return false;
      EXPECT_EQ(entry.action, seen[next]->action);
      ++next;
      return true;
    });
    ASSERT_EQ(next, seen.size());
    std::vector<ActionIndex> visited;
    at.VisitAll(mask, from_ms,
                [&](const TimelineEntry& entry) { visited.push_back(entry.action); });
    std::vector<ActionIndex> expected;
    for (const Stored* stored : seen) expected.push_back(stored->action);
    std::sort(visited.begin(), visited.end());
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(visited, expected);
  }

  std::mt19937_64 random_{7};
  std::vector<Aggregate> aggregates_ = {{1, -1}, {6, -1}, {~std::uint64_t{0}, 0}, {2, 0}};
  ActionTable actions_{1};
  Timeline timeline_{&actions_, &aggregates_};
  std::vector<Stored> all_;
  std::int64_t end_ms_ = 0;
  bool tie_groups_are_short_ = false;  // 20 entries one after the other, as a basket's lines
};

TEST_F(TimelineTest, ReadsEqualAScanOfTheListWhenFewAreLate) {
  Fill(5000, 1, 1000);
  for (int i = 0; i < 200; ++i) ASSERT_NO_FATAL_FAILURE(Compare());
}

TEST_F(TimelineTest, ReadsEqualAScanOfTheListWhenMostAreLate) {
  Fill(3000, 70, 3000);
  for (int i = 0; i < 200; ++i) ASSERT_NO_FATAL_FAILURE(Compare());
}

TEST_F(TimelineTest, ReadsEqualAScanOfTheListAfterAnImportOfOlderEvents) {
  Fill(1000, 0, 0);
  for (std::int64_t i = 0; i < 1000; ++i) Add(i - 500, end_ms_);
  for (int i = 0; i < 200; ++i) ASSERT_NO_FATAL_FAILURE(Compare());
}

TEST_F(TimelineTest, ReadsEqualAScanOfTheListWithoutABasket) {
  tie_groups_are_short_ = true;
  Fill(3000, 5, 500);
  for (int i = 0; i < 300; ++i) ASSERT_NO_FATAL_FAILURE(Compare());
}

TEST_F(TimelineTest, TheOldestIsTheFirstSeenOfItsTypes) {
  Fill(500, 30, 200);
  for (int i = 0; i < 200; ++i) {
    const StateRead read = RandomRead();
    const auto mask = static_cast<std::uint64_t>(Draw(1, 7));
    const ActionEntry* expected = nullptr;
    for (const Stored& stored : all_) {
      if (!read.Sees(stored.entry) || (mask >> stored.entry.type & 1) == 0) continue;
      if (expected == nullptr || IsOlder(stored.entry, *expected)) expected = &stored.entry;
    }
    const TimelineAt at(&timeline_, &read);
    const TimelineEntry* oldest = at.Oldest(mask);
    ASSERT_EQ(oldest == nullptr, expected == nullptr);
    if (oldest != nullptr) {
      ASSERT_TRUE(at.ActionOf(*oldest) == *expected);
    }
  }
}

TEST_F(TimelineTest, DecayedSumsOfManyEntriesEqualTermByTerm) {
  Fill(10'000, 10, 500);
  for (int i = 0; i < 100; ++i) {
    const StateRead read = RandomRead();
    const std::int64_t half_life_ms = Draw(1, 3000);
    const std::int64_t from_ms = Draw(0, 1) == 0 ? INT64_MIN : Draw(0, end_ms_);
    const std::size_t which = static_cast<std::size_t>(Draw(0, 3));
    const ActionSum sum{which, aggregates_[which], half_life_ms};
    // The same entries in timelines too small to be summed stepwise.
    double expected = 0;
    std::size_t next = 0;
    while (next < all_.size()) {
      Timeline part(&actions_, &aggregates_);
      for (std::size_t n = 0; n < 500 && next < all_.size(); ++n, ++next) {
        part.Insert(all_[next].action, all_[next].entry.known_time_ms);
      }
      // Each part's sum is a multiple of 2^-60 below 2^53 of them only by luck; 1e-9 is far below
      // any single entry's weight here.
      expected += sum.Compute(TimelineAt(&part, &read), from_ms, read.now_ms);
    }
    ASSERT_NEAR(sum.Compute(TimelineAt(&timeline_, &read), from_ms, read.now_ms), expected,
                1e-9 * std::max(1.0, std::abs(expected)));
  }
}

TEST_F(TimelineTest, EachInsertSaysByHowMuchTheBytesGrew) {
  Fill(3'000, 30, 500);
  Timeline timeline(&actions_, &aggregates_);
  std::size_t bytes = timeline.bytes();
  for (const Stored& stored : all_) {
    bytes += timeline.Insert(stored.action, stored.entry.known_time_ms);
    ASSERT_EQ(bytes, timeline.bytes());
  }
}

TEST_F(TimelineTest, AnActionLosesHalfItsWeightInAHalfLife) {
  Add(8'000, 8'000);
  StateRead read{.as_of_ms = 100'000,
                 .known_at_ms = 100'000,
                 .position_end = 10,
                 .own_session = 0,
                 .before_step = 0,
                 .hidden_tie_group = 0,
                 .now_ms = 8'000};
  const std::vector<Aggregate> count = {{~std::uint64_t{0}, -1}};
  Timeline timeline(&actions_, &count);
  timeline.Insert(all_.back().action, 8'000);
  const ActionSum sum{0, count[0], 8'000};
  EXPECT_EQ(sum.Compute(TimelineAt(&timeline, &read), INT64_MIN, read.now_ms), 1);
  read.now_ms = 16'000;
  EXPECT_EQ(sum.Compute(TimelineAt(&timeline, &read), INT64_MIN, read.now_ms), .5);
  read.now_ms = 24'000;
  EXPECT_EQ(sum.Compute(TimelineAt(&timeline, &read), INT64_MIN, read.now_ms), .25);
  read.now_ms = 8'000 + 41 * 8'000;
  EXPECT_EQ(sum.Compute(TimelineAt(&timeline, &read), INT64_MIN, read.now_ms), 0);
}

TEST_F(TimelineTest, SumsAreExactAndBounded) {
  EXPECT_EQ(ToFixed(1.5), 3 << 19);
  EXPECT_EQ(ToFixed(std::numeric_limits<double>::quiet_NaN()), 0);
  EXPECT_EQ(ToFixed(1e300), ToFixed(kFixedMagnitudeMax));
  EXPECT_EQ(ToFixed(-1e300), -ToFixed(kFixedMagnitudeMax));
  EXPECT_EQ(FromFixed(3 << 19), 1.5);
}

TEST_F(TimelineTest, ACopyReadsTheSameAndGrowsAlone) {
  Fill(2000, 30, 500);
  const Timeline copy = timeline_;
  const StateRead read = RandomRead();
  const FixedSum sum = TimelineAt(&timeline_, &read).Sum(0, INT64_MIN);
  EXPECT_EQ(copy.size(), 2000u);
  EXPECT_TRUE(TimelineAt(&copy, &read).Sum(0, INT64_MIN) == sum);
  Add(end_ms_ - 100, end_ms_);
  EXPECT_EQ(copy.size(), 2000u);
  EXPECT_EQ(timeline_.size(), 2001u);
}

}  // namespace
}  // namespace fourfold
