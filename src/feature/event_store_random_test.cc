#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "feature/event_store.h"
#include "feature/event_store_plain.h"
#include "feature/event_store_testing.h"
#include "feature/live_dates.h"

// The store against its plain twin, on logs full of what goes wrong in practice.
namespace fourfold {
namespace {

class EventStoreRandomTest : public EventStoreTest {
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
      } else if (Chance(50)) {
        fields.push_back({name, static_cast<double>(Draw(0, 9))});
      } else {
        fields.push_back({name, Name("v", 5)});
      }
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
      for (std::int64_t i = Draw(1, 40); i > 0; --i) {
        TimedEvent timed{RandomEvent(), clock_.NowMs() + DrawSpan(-60, 60)};
        LoggedEvent logged{end_, timed.known_time_ms, kNoTimeMs, timed.event};
        if (logged.event.event_time_ms == kNoTimeMs) {
          logged.event.event_time_ms = std::max(clock_.NowMs(), last_known_ms_);
        }
        events.push_back(std::move(timed));
        if (!taken_ids_.emplace(logged.event.id, end_).second) continue;
        ++accepted;
        ++end_;
        plain_.Add(std::move(logged));
      }
      const std::size_t count = events.size();
      const auto counts = store_->GatherImported(absl::MakeSpan(events));
      ASSERT_TRUE(counts.ok()) << counts.status();
      ASSERT_TRUE(counts->rejected.empty());
      ASSERT_EQ(counts->accepted, accepted);
      ASSERT_EQ(counts->duplicates, count - accepted);
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
    if (expected > 0) last_known_ms_ = now_ms;
    const auto erased = store_->EraseUser(user);
    ASSERT_TRUE(erased.ok()) << erased.status();
    ASSERT_EQ(*erased, expected);
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

  void Compare() {
    const ReadPoint at = RandomReadPoint();
    EventStore::HistoryRequest request;
    const std::string user = Name("u", 5);
    const std::string session = Name("s", 7);
    if (Chance(75)) request.user = user;
    if (request.user.empty() || Chance(40)) request.session = session;
    request.limit = Chance(50) ? 100 : static_cast<std::size_t>(Draw(0, 6));
    if (Chance(30)) request.since_ms = clock_.NowMs() + DrawSpan(-120, 0);
    request.actions = Chance(80);
    request.impressions = Chance(50);
    ASSERT_EQ(Describe(History(request, at)), Describe(plain_.ReadHistory(request, at)))
        << "user " << request.user << " session " << request.session;

    const std::string item = Name("i", 6);
    std::vector<HistoryEntry> of_item;
    ASSERT_TRUE(store_->ReadItemHistory(item, at, request.limit, &of_item).ok());
    ASSERT_EQ(Describe(of_item), Describe(plain_.ReadItemHistory(item, at, request.limit)));
    ASSERT_EQ(Describe(store_->ReadItem(item, at).value()), Describe(plain_.ReadItem(item, at)));
    ASSERT_EQ(Describe(store_->ReadUser(user, at).value()), Describe(plain_.ReadUser(user, at)));
  }

  void CompareWhole() {
    std::vector<LoggedEvent> log;
    ASSERT_TRUE(store_
                    ->ScanLog(0, store_->EndPosition(),
                              [&](const LoggedEvent& logged) {
                                log.push_back(logged);
                                return true;
                              })
                    .ok());
    ASSERT_EQ(log.size(), plain_.log.size());
    for (std::size_t i = 0; i < log.size(); ++i) {
      ASSERT_EQ(log[i].position, plain_.log[i].position);
      ASSERT_EQ(log[i].known_time_ms, plain_.log[i].known_time_ms);
      ASSERT_EQ(log[i].client_time_ms, plain_.log[i].client_time_ms);
      ASSERT_TRUE(log[i].event == plain_.log[i].event);
    }
    std::vector<std::string> users;
    ASSERT_TRUE(store_->ScanUsers([&](auto id) { return users.emplace_back(id), true; }).ok());
    const std::set<std::string> expected_users = plain_.Users();
    ASSERT_EQ(users, std::vector<std::string>(expected_users.begin(), expected_users.end()));
    std::vector<std::string> items;
    ASSERT_TRUE(store_->ScanItems([&](auto id) { return items.emplace_back(id), true; }).ok());
    const std::set<std::string> expected_items = plain_.Items();
    ASSERT_EQ(items, std::vector<std::string>(expected_items.begin(), expected_items.end()));
    ASSERT_EQ(store_->EndPosition(), end_);
    for (const auto& [id, position] : taken_ids_) {
      const auto found = store_->FindEvent(id);
      const bool is_kept =
          std::any_of(plain_.log.begin(), plain_.log.end(),
                      [&, &wanted = id](const auto& logged) { return logged.event.id == wanted; });
      ASSERT_EQ(found.ok(), is_kept) << id << found.status();
      if (found.ok()) {
        ASSERT_EQ(found->position, position);
      }
    }
  }

  void Run(std::uint64_t seed, bool has_live_events, int steps) {
    SCOPED_TRACE(StrCat("seed ", seed));
    Start(seed, has_live_events);
    for (int step = 0; step < steps; ++step) {
      ASSERT_NO_FATAL_FAILURE(AppendSome());
      // Sometimes backwards: then the last known time holds it.
      clock_.Advance(DrawSpan(-5, 15));
      if (Chance(2)) {
        ASSERT_NO_FATAL_FAILURE(Erase());
      }
      if (Chance(2)) Reopen();
      for (int read = 0; read < 8; ++read) ASSERT_NO_FATAL_FAILURE(Compare());
    }
    ASSERT_NO_FATAL_FAILURE(CompareWhole());
    Reopen();
    ASSERT_NO_FATAL_FAILURE(CompareWhole());
  }

  std::mt19937_64 random_;
  PlainEvents plain_;
  std::map<std::string, Position> taken_ids_;
  std::int64_t step_ms_ = 1;
  std::int64_t last_known_ms_ = kSinceForEverMs;
  std::optional<LiveDates> dates_;
  bool has_live_events_ = true;
  Position end_ = 0;
  int next_id_ = 0;
};

TEST_F(EventStoreRandomTest, EveryReadEqualsThePlainTwins) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Run(seed, /*has_live_events=*/true, /*steps=*/80));
  }
}

TEST_F(EventStoreRandomTest, EveryReadAfterTheBulkPathEqualsThePlainTwins) {
  for (std::uint64_t seed = 11; seed <= 16; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Run(seed, /*has_live_events=*/false, /*steps=*/30));
  }
}

}  // namespace
}  // namespace fourfold
