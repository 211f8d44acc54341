#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "feature/event_store.h"
#include "feature/event_store_plain.h"
#include "feature/event_store_testing.h"
#include "feature/live_dates.h"

// A store and its plain twin, on logs full of what goes wrong in practice.
namespace fourfold {

class RandomLogTest : public EventStoreTest {
 protected:
  void Start(std::uint64_t seed, bool has_live_events) {
    random_.seed(seed);
    has_live_events_ = has_live_events;
    // A few dozen events, so that batches of the bulk path are of one call or of several.
    options_.gather_bytes = 16 << 10;
    // Steps of milliseconds meet all at once; steps of hours spread sessions over days.
    step_ms_ = seed % 2 == 0 ? 1 : 1'000'000;
    plain_ = {};
    taken_ids_.clear();
    last_known_ms_ = kSinceForEverMs;
    end_ = 0;
    horizon_ms_ = kSinceForEverMs;
    next_id_ = 0;
    clock_.Set(1'000);
    store_.reset();
    std::filesystem::remove_all(options_.directory);
    Reopen();
  }

  void Reopen() {
    Open();
    dates_.emplace(last_known_ms_);
  }

  std::int64_t Draw(std::int64_t first, std::int64_t last) {
    return std::uniform_int_distribution<std::int64_t>(first, last)(random_);
  }
  bool Chance(int percent) { return Draw(1, 100) <= percent; }
  // A span of time within [first, last] steps.
  std::int64_t DrawSpan(std::int64_t first, std::int64_t last) {
    return Draw(first, last) * step_ms_;
  }
  std::string Name(const char* kind, int count) { return StrCat(kind, Draw(0, count - 1)); }

  std::vector<Field> RandomFields() {
    std::vector<Field> fields;
    for (const char* name : {"price", "kind", "stock"}) {
      if (Chance(50)) continue;
      if (Chance(20)) {
        fields.push_back({name, std::monostate()});
      } else if (Chance(40)) {
        fields.push_back({name, static_cast<double>(Draw(0, 900)) / 100});
      } else if (Chance(20)) {
        fields.push_back({name, std::vector<std::string>{Name("v", 5), Name("v", 5)}});
      } else if (Chance(10)) {
        fields.push_back({name, Chance(50)});
      } else {
        fields.push_back({name, Name("v", 5)});
      }
    }
    if (Chance(50)) {
      fields.push_back({"query", Chance(10)   ? FieldValue(1.0)
                                 : Chance(10) ? FieldValue(std::string())
                                              : FieldValue(Name("q", 3))});
    }
    return fields;
  }

  Event RandomEvent() {
    Event event;
    // An id of before: a duplicate, whatever else it says.
    event.id =
        Chance(15) && next_id_ > 0 ? StrCat("e", Draw(0, next_id_ - 1)) : StrCat("e", next_id_++);
    event.event_time_ms = Chance(5) ? kNoTimeMs : clock_.NowMs() + DrawSpan(-60, 20);
    const std::int64_t kind = Draw(1, 10);
    if (kind <= 2) {
      event.kind = EventKind::kItem;
      event.item = Name("i", 5);
      if (Chance(10)) event.event_time_ms = kSinceForEverMs;
      event.deleted = Chance(20);
      if (!event.deleted) event.fields = RandomFields();
      return event;
    }
    if (Chance(70)) event.session = Name("s", 6);
    if (kind == 3 || Chance(50) || event.session.empty()) event.user = Name("u", 4);
    if (kind == 3) {
      event.kind = EventKind::kUser;
      event.fields = RandomFields();
      return event;
    }
    if (Chance(20)) event.tie_group = Name("g", 3);
    event.step = Draw(0, 3);
    if (kind == 4) {
      event.kind = EventKind::kRanking;
      event.items = {{"i1", {}}, {"i0", {}}};
      return event;
    }
    event.kind = EventKind::kInteraction;
    event.item = Name("i", 5);
    event.type = Name("type", 3);
    if (Chance(20)) event.ranking = "slate";
    if (Chance(60)) event.fields = RandomFields();
    return event;
  }

  // What the store must make of an event: written anew from the rules of Time.
  void Expect(Event event, bool is_live, std::int64_t known_time_ms, const AppendResult& result) {
    if (const auto first = taken_ids_.find(event.id); first != taken_ids_.end()) {
      ASSERT_EQ(result.outcome, EventOutcome::kDuplicate);
      ASSERT_EQ(result.position, first->second);
      return;
    }
    std::int64_t now_ms = std::max(clock_.NowMs(), last_known_ms_);
    if (IsLate(event, is_live)) {
      ASSERT_EQ(result.outcome, EventOutcome::kRejected);
      ASSERT_NE(result.status.message().find("below the horizon"), absl::string_view::npos);
      return;
    }
    LoggedEvent logged;
    logged.position = end_++;
    if (is_live) {
      logged.event = event;
      dates_->Date(clock_.NowMs(), &now_ms, &logged);
      event.event_time_ms = logged.event.event_time_ms;
      known_time_ms = last_known_ms_ = now_ms;
    } else if (event.event_time_ms == kNoTimeMs) {
      event.event_time_ms = now_ms;
    }
    logged.known_time_ms = known_time_ms;
    logged.event = event;
    ASSERT_EQ(result.outcome, EventOutcome::kAccepted) << result.status;
    ASSERT_EQ(result.position, logged.position);
    ASSERT_EQ(result.event_time_ms, event.event_time_ms);
    ASSERT_EQ(result.known_time_ms, known_time_ms);
    taken_ids_.emplace(event.id, logged.position);
    plain_.Add(std::move(logged));
  }

  // Takes a few batches in through the bulk path, of which some are written while others gather.
  void GatherSome() {
    for (std::int64_t batch = Draw(1, 6); batch > 0; --batch) {
      std::vector<TimedEvent> events;
      std::uint64_t accepted = 0;
      std::vector<std::size_t> late;
      for (std::int64_t i = Draw(1, 40); i > 0; --i) {
        TimedEvent timed{RandomEvent(), clock_.NowMs() + DrawSpan(-60, 60)};
        LoggedEvent logged{end_, timed.known_time_ms, kNoTimeMs, timed.event};
        if (logged.event.event_time_ms == kNoTimeMs) {
          logged.event.event_time_ms = std::max(clock_.NowMs(), last_known_ms_);
        }
        events.push_back(std::move(timed));
        if (!taken_ids_.contains(logged.event.id) && IsLate(logged.event, /*is_live=*/false)) {
          late.push_back(events.size() - 1);
          continue;
        }
        if (!taken_ids_.emplace(logged.event.id, end_).second) continue;
        ++accepted;
        ++end_;
        plain_.Add(std::move(logged));
      }
      const std::size_t count = events.size();
      const auto counts = store_->GatherImported(absl::MakeSpan(events));
      ASSERT_TRUE(counts.ok()) << counts.status();
      std::vector<std::size_t> rejected;
      for (const auto& [index, status] : counts->rejected) rejected.push_back(index);
      ASSERT_EQ(rejected, late);
      ASSERT_EQ(counts->accepted, accepted);
      ASSERT_EQ(counts->duplicates, count - accepted - late.size());
    }
    ASSERT_TRUE(store_->Flush().ok());
  }

  void AppendSome() {
    if (!has_live_events_ && Chance(60)) return GatherSome();
    const auto count = static_cast<std::size_t>(Draw(1, 8));
    if (has_live_events_ && Chance(50)) {
      std::vector<Event> events;
      for (std::size_t i = 0; i < count; ++i) events.push_back(RandomEvent());
      const auto results =
          store_->Append(events, Chance(90) ? Durability::kBuffered : Durability::kSynced);
      ASSERT_TRUE(results.ok()) << results.status();
      for (std::size_t i = 0; i < count; ++i) Expect(events[i], true, 0, (*results)[i]);
    } else {
      std::vector<TimedEvent> events;
      for (std::size_t i = 0; i < count; ++i) {
        Event event = RandomEvent();
        const std::int64_t known_ms = clock_.NowMs() + DrawSpan(-60, 60);
        events.push_back({std::move(event), known_ms});
      }
      const auto results = store_->AppendImported(events);
      ASSERT_TRUE(results.ok()) << results.status();
      for (std::size_t i = 0; i < count; ++i) {
        Expect(events[i].event, false, events[i].known_time_ms, (*results)[i]);
      }
    }
  }

  void Erase() {
    const std::string user = Name("u", 4);
    const std::int64_t now_ms = std::max(clock_.NowMs(), last_known_ms_);
    const std::size_t expected = plain_.EraseUser(user, now_ms);
    const auto erased = store_->EraseUser(user);
    ASSERT_TRUE(erased.ok()) << erased.status();
    if (horizon_ms_ == kSinceForEverMs) {
      ASSERT_EQ(*erased, expected);
    }
  }

  // Moves the horizon and removes what lies below it, now and then in several goes. The twin keeps
  // everything: nobody may notice.
  void Retain() {
    const std::int64_t horizon_ms = clock_.NowMs() - DrawSpan(10, 60);
    horizon_ms_ = std::max(horizon_ms_, horizon_ms);
    RetentionOptions options;
    options.events_per_batch = static_cast<std::size_t>(Draw(1, 9));
    if (Chance(50)) {
      options.is_cancelled = [left = Draw(0, 5)]() mutable { return left-- <= 0; };
    }
    const auto counts = store_->RemoveBefore(horizon_ms, options);
    ASSERT_TRUE(counts.ok() || absl::IsCancelled(counts.status())) << counts.status();
    ASSERT_EQ(store_->HorizonMs(), horizon_ms_);
    ASSERT_EQ(store_->IsRemovalUnfinished(), !counts.ok());
  }

  // Whether a read must be an error, where that can be told: a read point may name a position that
  // the horizon has passed.
  std::optional<bool> IsBelowHorizon(const ReadPoint& at, std::int64_t since_ms) const {
    if (horizon_ms_ == kSinceForEverMs) return false;
    if (std::min({at.as_of_ms, at.known_at_ms, since_ms}) < horizon_ms_) return true;
    if (at.position_end < end_) return std::nullopt;
    return false;
  }

  bool IsLate(const Event& event, bool is_live) const {
    const std::int64_t now_ms = std::max(clock_.NowMs(), last_known_ms_);
    std::int64_t time_ms = event.event_time_ms == kNoTimeMs ? now_ms : event.event_time_ms;
    if (is_live) time_ms = std::min(time_ms, now_ms);
    return (event.kind == EventKind::kInteraction || event.kind == EventKind::kRanking) &&
           time_ms < horizon_ms_;
  }

  ReadPoint RandomReadPoint() {
    ReadPoint at;
    if (Chance(10)) return store_->Now();
    if (Chance(80)) at.as_of_ms = clock_.NowMs() + DrawSpan(-100, 10);
    if (Chance(60)) at.known_at_ms = clock_.NowMs() + DrawSpan(-100, 60);
    if (Chance(30)) at.position_end = static_cast<Position>(Draw(0, static_cast<int>(end_) + 3));
    if (Chance(30)) {
      at.own_session = Name("s", 6);
      at.before_step = Draw(0, 4);
    }
    if (Chance(20)) at.hidden_tie_group = Name("g", 3);
    return at;
  }

  std::mt19937_64 random_;
  PlainEvents plain_;
  std::map<std::string, Position> taken_ids_;
  std::int64_t step_ms_ = 1;
  std::int64_t last_known_ms_ = kSinceForEverMs;
  std::optional<LiveDates> dates_;
  bool has_live_events_ = true;
  Position end_ = 0;
  std::int64_t horizon_ms_ = kSinceForEverMs;
  int next_id_ = 0;
};

}  // namespace fourfold
