// fourfold_retention_crash_test: a process removes old history while others write to the same
// store, and is killed at a random moment of it, again and again over the same directory. After
// each kill nothing above the horizon may be lost, doubled or changed, every read above it must be
// that of the plain twin, which keeps everything, and what lies below must stay refused.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "feature/event_store.h"
#include "feature/event_store_plain.h"
#include "feature/killed_process.h"

namespace fourfold {
namespace {

// The clock stands still while a process runs, and moves on with each.
constexpr std::int64_t kStartMs = 1'700'000'000'000;
constexpr std::int64_t kRoundMs = 10'000;
constexpr std::int64_t kRetainMs = 40'000;
// So near to the clock no horizon comes.
constexpr std::int64_t kLiveMs = 5'000;
constexpr int kWriters = 2;
constexpr int kEventsPerRound = 400;

struct Arguments {
  int kills = 30;
  std::uint64_t seed = 1;
  std::string directory;
  // Of the process that is killed:
  int acknowledge_fd = -1;
  int round = 0;
};

std::int64_t NowMs(int round) { return kStartMs + round * kRoundMs; }

EventStoreOptions OptionsOf(const Arguments& arguments) {
  EventStoreOptions options;
  options.directory = arguments.directory;
  options.retain_ms = kRetainMs;
  // Small, so that kills meet flushes and compactions.
  options.gather_bytes = 64 << 10;
  options.write_buffer_bytes = std::size_t{128} << (10 + 2 * (arguments.round % 3));
  return options;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : random_(seed) {}
  std::int64_t Draw(std::int64_t first, std::int64_t last) {
    return std::uniform_int_distribution<std::int64_t>(first, last)(random_);
  }
  bool Chance(int percent) { return Draw(1, 100) <= percent; }
  std::string Name(const char* kind, int count) { return StrCat(kind, Draw(0, count - 1)); }

  Event NextEvent(std::string id, std::int64_t first_ms, std::int64_t last_ms) {
    Event event;
    event.id = std::move(id);
    event.event_time_ms = Draw(first_ms, last_ms);
    const std::int64_t kind = Draw(0, 9);
    if (kind <= 1) {
      event.kind = EventKind::kItem;
      event.item = Name("i", 12);
      event.deleted = Chance(15);
      if (!event.deleted) event.fields = {{Name("f", 3), static_cast<double>(Draw(0, 99))}};
      return event;
    }
    if (Chance(70)) event.session = Name("s", 30);
    if (Chance(40) || event.session.empty() || kind == 2) event.user = Name("u", 8);
    if (kind == 2) {
      event.kind = EventKind::kUser;
      event.fields = {{Name("f", 3), Name("v", 9)}};
    } else if (kind == 3) {
      event.kind = EventKind::kRanking;
      event.items = {{Name("i", 12), {}}, {"other", {}}};
    } else {
      event.item = Name("i", 12);
      event.type = "click";
      if (Chance(20)) event.tie_group = Name("g", 5);
    }
    return event;
  }

 private:
  std::mt19937_64 random_;
};

// The process that is killed.

void WriteLive(EventStore* store, const Arguments& arguments, int writer) {
  Random random(arguments.seed * 1'000'003 + static_cast<std::uint64_t>(arguments.round) * 101 +
                static_cast<std::uint64_t>(writer));
  const std::int64_t now_ms = NowMs(arguments.round);
  const std::int64_t horizon_ms = store->HorizonMs();
  for (int next = 0;; ++next) {
    const bool is_synced = random.Chance(80);
    const bool is_late = horizon_ms != kSinceForEverMs && random.Chance(10);
    const Event event =
        is_late ? random.NextEvent(StrCat("late", arguments.round, ".", writer, ".", next),
                                   horizon_ms - kRetainMs, horizon_ms - 1)
                : random.NextEvent(StrCat("live", arguments.round, ".", writer, ".", next),
                                   now_ms - kLiveMs, now_ms);
    const bool is_fact = event.kind == EventKind::kItem || event.kind == EventKind::kUser;
    // The twin would have to know of a fact that the same removal may take.
    if (is_late && is_fact) continue;
    const auto results =
        store->Append({&event, 1}, is_synced ? Durability::kSynced : Durability::kBuffered);
    if (!results.ok()) FailCrashTest(results.status().ToString());
    const AppendResult& result = results->front();
    if (is_late) {
      if (result.outcome != EventOutcome::kRejected) {
        FailCrashTest(StrCat(event.id, " came below the horizon and was taken in"));
      }
      continue;
    }
    if (result.outcome != EventOutcome::kAccepted) FailCrashTest(result.status.ToString());
    if (is_synced) {
      TellParent(arguments.acknowledge_fd, StrCat("event ", result.id, " ", result.position, "\n"));
    }
  }
}

void Remove(EventStore* store, const Arguments& arguments) {
  Random random(arguments.seed * 7'000'003 + static_cast<std::uint64_t>(arguments.round));
  const std::int64_t last_ms = NowMs(arguments.round) - kLiveMs - 1;
  std::int64_t horizon_ms = std::max(store->HorizonMs(), NowMs(arguments.round) - kRetainMs);
  RetentionOptions options;
  options.events_per_batch = static_cast<std::size_t>(random.Draw(1, 12));
  TellParent(arguments.acknowledge_fd, "removing 0 0\n");
  for (;;) {
    const auto counts = store->RemoveBefore(horizon_ms, options);
    if (!counts.ok()) FailCrashTest(counts.status().ToString());
    TellParent(arguments.acknowledge_fd,
               StrCat("removed ", counts->events, " ", counts->horizon_ms, "\n"));
    horizon_ms = std::min(last_ms, counts->horizon_ms + random.Draw(1, 400));
  }
}

[[noreturn]] void RunUntilKilled(const Arguments& arguments) {
  DieWithParent(arguments.acknowledge_fd);
  const ManualClock clock(NowMs(arguments.round));
  const auto store = EventStore::Open(OptionsOf(arguments), &clock);
  if (!store.ok()) FailCrashTest(store.status().ToString());
  std::vector<std::thread> threads;
  threads.reserve(kWriters);
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] { WriteLive(store->get(), arguments, writer); });
  }
  Remove(store->get(), arguments);
  std::abort();  // it never ends
}

// The one that kills it.

class RetentionCrashTest {
 public:
  explicit RetentionCrashTest(Arguments arguments)
      : arguments_(std::move(arguments)), random_(arguments_.seed) {}

  void Run() {
    for (arguments_.round = 0; arguments_.round < arguments_.kills; ++arguments_.round) {
      clock_.Set(NowMs(arguments_.round));
      ImportMore();
      std::map<std::string, Position> acknowledged = RunAndKill();
      Verify(acknowledged);
    }
    if (unfinished_ * 4 < arguments_.kills || compared_ < 10 * arguments_.kills ||
        refused_ < 10 * arguments_.kills) {
      FailCrashTest(StrCat("too little happened: ", unfinished_, " removals were cut short, ",
                           compared_, " reads compared, ", refused_, " refused"));
    }
    std::printf(
        "kills %d, of which %d cut a removal short; events %zu, still in the log %zu; reads "
        "compared %d, refused %d: none lost, none doubled\n",
        arguments_.kills, unfinished_, twin_.log.size(), logged_, compared_, refused_);
  }

 private:
  std::unique_ptr<EventStore> Open() {
    auto store = EventStore::Open(OptionsOf(arguments_), &clock_);
    if (!store.ok()) FailCrashTest(store.status().ToString());
    return *std::move(store);
  }

  // Events of any time from below the horizon on, known when they happened or later.
  void ImportMore() {
    const auto store = Open();
    const std::int64_t now_ms = clock_.NowMs();
    std::vector<TimedEvent> events;
    for (int i = 0; i < kEventsPerRound; ++i) {
      Event event =
          random_.NextEvent(StrCat("e", arguments_.round, ".", i), now_ms - 2 * kRetainMs, now_ms);
      const std::int64_t known_ms = event.event_time_ms + random_.Draw(0, kRetainMs);
      events.push_back({std::move(event), known_ms});
    }
    const auto results = store->AppendImported(events);
    if (!results.ok()) FailCrashTest(results.status().ToString());
    for (std::size_t i = 0; i < events.size(); ++i) {
      const Event& event = events[i].event;
      const bool is_fact = event.kind == EventKind::kItem || event.kind == EventKind::kUser;
      const bool is_late = !is_fact && event.event_time_ms < horizon_ms_;
      const AppendResult& result = (*results)[i];
      if ((result.outcome == EventOutcome::kRejected) != is_late) {
        FailCrashTest(StrCat(event.id, " of ", event.event_time_ms, " beside the horizon ",
                             horizon_ms_, " was ", is_late ? "taken in" : "rejected"));
      }
      if (is_late) continue;
      twin_.Add({result.position, events[i].known_time_ms, kNoTimeMs, event});
      known_ids_.emplace(event.id, result.position);
    }
    if (const absl::Status flushed = store->Flush(); !flushed.ok()) {
      FailCrashTest(flushed.ToString());
    }
    end_ = store->EndPosition();
  }

  std::map<std::string, Position> RunAndKill() {
    const std::string lines =
        RunSelfAndKill({"fourfold_retention_crash_test", "--directory", arguments_.directory,
                        "--seed", StrCat(arguments_.seed), "--round", StrCat(arguments_.round)},
                       /*early=*/random_.Chance(10), static_cast<int>(random_.Draw(0, 120)));
    std::map<std::string, Position> acknowledged;
    std::istringstream stream(lines);
    std::string what;
    std::string first;
    std::int64_t second = 0;
    while (stream >> what >> first >> second) {
      if (what == "event") acknowledged.emplace(first, static_cast<Position>(second));
      if (what == "removed") horizon_ms_ = std::max(horizon_ms_, second);
    }
    return acknowledged;
  }

  void Verify(const std::map<std::string, Position>& acknowledged) {
    const auto store = Open();
    if (store->HorizonMs() < horizon_ms_) FailCrashTest("the horizon went back");
    horizon_ms_ = store->HorizonMs();
    if (store->IsRemovalUnfinished()) ++unfinished_;
    VerifyLog(*store, acknowledged);
    for (int i = 0; i < 200; ++i) CompareRead(*store);
    VerifyRefused(store.get());
    if (random_.Chance(30)) {
      const auto counts = store->RemoveBefore(horizon_ms_);
      if (!counts.ok()) FailCrashTest(counts.status().ToString());
      if (store->IsRemovalUnfinished()) FailCrashTest("the removal does not end");
      VerifyLog(*store, {});
      VerifyNothingBelow(*store);
      for (int i = 0; i < 200; ++i) CompareRead(*store);
    }
    end_ = store->EndPosition();
  }

  // Whatever is new goes to the twin, too; it happened above any horizon.
  void VerifyLog(const EventStore& store, const std::map<std::string, Position>& acknowledged) {
    std::map<Position, const LoggedEvent*> expected;
    for (const LoggedEvent& logged : twin_.log) {
      const EventKind kind = logged.event.kind;
      const bool stays = kind == EventKind::kInteraction || kind == EventKind::kRanking;
      if (stays && logged.event.event_time_ms >= horizon_ms_) {
        expected.emplace(logged.position, &logged);
      }
    }
    std::vector<LoggedEvent> added;
    Position next = 0;
    logged_ = 0;
    const absl::Status scanned =
        store.ScanLog(0, store.EndPosition(), [&](const LoggedEvent& logged) {
          if (logged.position < next) FailCrashTest("the log is out of order");
          next = logged.position + 1;
          ++logged_;
          const auto [known, is_new] = known_ids_.emplace(logged.event.id, logged.position);
          if (known->second != logged.position) {
            FailCrashTest(StrCat(logged.event.id, " is in the log twice"));
          }
          if (is_new) {
            if (logged.position < end_)
              FailCrashTest(StrCat(logged.event.id, " came from nowhere"));
            added.push_back(logged);
            return true;
          }
          const auto wanted = expected.find(logged.position);
          if (wanted == expected.end()) return true;
          if (!(wanted->second->event == logged.event) ||
              wanted->second->known_time_ms != logged.known_time_ms) {
            FailCrashTest(StrCat(logged.event.id, " has changed"));
          }
          expected.erase(wanted);
          return true;
        });
    if (!scanned.ok()) FailCrashTest(scanned.ToString());
    if (!expected.empty()) {
      FailCrashTest(StrCat(expected.begin()->second->event.id, " above the horizon is lost"));
    }
    for (LoggedEvent& logged : added) {
      if (logged.event.event_time_ms < horizon_ms_) {
        FailCrashTest(StrCat(logged.event.id, " was taken in below the horizon"));
      }
      twin_.Add(std::move(logged));
    }
    for (const auto& [id, position] : acknowledged) {
      const auto found = known_ids_.find(id);
      if (found == known_ids_.end()) FailCrashTest(StrCat(id, " was acknowledged and is lost"));
      if (found->second != position) FailCrashTest(StrCat(id, " moved in the log"));
    }
  }

  static void VerifyNothingBelow(const EventStore& store) {
    const absl::Status scanned =
        store.ScanLog(0, store.EndPosition(), [&](const LoggedEvent& logged) {
          const EventKind kind = logged.event.kind;
          if ((kind == EventKind::kInteraction || kind == EventKind::kRanking) &&
              logged.event.event_time_ms < store.HorizonMs()) {
            FailCrashTest(StrCat(logged.event.id, " is below the horizon and still there"));
          }
          return true;
        });
    if (!scanned.ok()) FailCrashTest(scanned.ToString());
  }

  ReadPoint RandomReadPoint(const EventStore& store) {
    ReadPoint at = store.Now();
    if (random_.Chance(70)) at.as_of_ms -= random_.Draw(0, 2 * kRetainMs);
    if (random_.Chance(50)) at.known_at_ms -= random_.Draw(0, 2 * kRetainMs);
    if (random_.Chance(30)) at.known_at_ms += kRetainMs;
    if (random_.Chance(20)) {
      at.position_end = static_cast<Position>(random_.Draw(0, static_cast<std::int64_t>(end_)));
    }
    return at;
  }

  // Whether there is something to compare. Below the horizon there must be an error.
  bool IsAnswered(const absl::Status& status, const ReadPoint& at, std::int64_t since_ms) {
    const bool is_below = std::min({at.as_of_ms, at.known_at_ms, since_ms}) < horizon_ms_;
    if (!status.ok() && !absl::IsOutOfRange(status)) FailCrashTest(status.ToString());
    if (is_below && status.ok()) FailCrashTest("a read below the horizon was answered");
    // A position may lie below the horizon, too.
    if (!is_below && !status.ok() && at.position_end >= end_) FailCrashTest(status.ToString());
    ++(status.ok() ? compared_ : refused_);
    return status.ok();
  }

  void CompareRead(const EventStore& store) {
    const ReadPoint at = RandomReadPoint(store);
    const std::string item = random_.Name("i", 13);
    const auto facts = store.ReadItem(item, at);
    if (IsAnswered(facts.status(), at, at.as_of_ms) && !(*facts == twin_.ReadItem(item, at))) {
      FailCrashTest(StrCat("fields of ", item, " differ"));
    }
    const std::string user = random_.Name("u", 9);
    const auto user_facts = store.ReadUserFields(user, at);
    if (IsAnswered(user_facts.status(), at, at.as_of_ms) &&
        user_facts->fields != twin_.ReadUser(user, at).fields) {
      FailCrashTest(StrCat("fields of ", user, " differ"));
    }
    const std::string session = random_.Name("s", 31);
    EventStore::HistoryRequest request;
    if (random_.Chance(75)) request.user = user;
    if (request.user.empty() || random_.Chance(40)) request.session = session;
    request.limit = random_.Chance(70) ? 1'000'000 : static_cast<std::size_t>(random_.Draw(0, 9));
    request.impressions = random_.Chance(50);
    if (random_.Chance(70)) request.since_ms = at.as_of_ms - random_.Draw(0, kRetainMs);
    EventStore::HistoryRequest retained = request;
    retained.since_ms = std::max(request.since_ms, at.as_of_ms - kRetainMs + 1);
    std::vector<HistoryEntry> entries;
    const absl::Status status = store.ReadHistory(request, at, &entries);
    if (!IsAnswered(status, at, retained.since_ms)) return;
    if (entries != twin_.ReadHistory(retained, at)) {
      FailCrashTest(StrCat("the history of ", request.user, " ", request.session, " differs"));
    }
  }

  // What came before is a duplicate for ever, removed or not; what is new below the horizon is
  // rejected.
  void VerifyRefused(EventStore* store) {
    if (horizon_ms_ == kSinceForEverMs) return;
    std::vector<TimedEvent> events;
    for (const auto& [id, position] : known_ids_) {
      if (random_.Chance(90)) continue;
      Event event = random_.NextEvent(id, horizon_ms_ - kRetainMs, clock_.NowMs());
      const std::int64_t time_ms = event.event_time_ms;
      events.push_back({std::move(event), time_ms});
    }
    const std::size_t duplicates = events.size();
    for (int i = 0; i < 5; ++i) {
      Event event;
      event.id = StrCat("refused", arguments_.round, ".", i);
      event.user = "u0";
      event.item = "i0";
      event.type = "click";
      event.event_time_ms = horizon_ms_ - random_.Draw(1, kRetainMs);
      events.push_back({std::move(event), clock_.NowMs()});
    }
    const auto results = store->AppendImported(events);
    if (!results.ok()) FailCrashTest(results.status().ToString());
    for (std::size_t i = 0; i < events.size(); ++i) {
      const AppendResult& result = (*results)[i];
      const std::string& id = events[i].event.id;
      if (i >= duplicates) {
        if (result.outcome != EventOutcome::kRejected) FailCrashTest(id + " was taken in");
      } else if (result.outcome != EventOutcome::kDuplicate ||
                 result.position != known_ids_.at(id)) {
        FailCrashTest(id + " is no duplicate any more");
      }
    }
  }

  Arguments arguments_;
  Random random_;
  ManualClock clock_{kStartMs};
  PlainEvents twin_;                           // of all events ever taken in
  std::map<std::string, Position> known_ids_;  // of the same
  Position end_ = 0;
  std::int64_t horizon_ms_ = kSinceForEverMs;
  std::size_t logged_ = 0;
  int unfinished_ = 0;
  int compared_ = 0;
  int refused_ = 0;
};

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Kills a process that removes old history and looks for what got lost.");
  app.add_option("--kills", arguments.kills, "How often");
  app.add_option("--seed", arguments.seed, "Of events and moments");
  app.add_option("--directory", arguments.directory, "An empty one, kept afterwards")->required();
  app.add_option("--acknowledge-fd", arguments.acknowledge_fd)->group("");
  app.add_option("--round", arguments.round)->group("");
  CLI11_PARSE(app, argc, argv);
  if (arguments.acknowledge_fd >= 0) RunUntilKilled(arguments);
  RetentionCrashTest(arguments).Run();
  return 0;
}

}  // namespace
}  // namespace fourfold

int main(int argc, char** argv) { return fourfold::Main(argc, argv); }
