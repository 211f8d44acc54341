// fourfold_crash_test: a process writes to an event store from several threads and is killed at a
// random moment, again and again over the same directory. After each kill every event that it
// acknowledged must be there exactly once, and nothing may be half there.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "feature/event_store.h"
#include "feature/event_store_plain.h"
#include "feature/killed_process.h"

namespace fourfold {
namespace {

constexpr int kThreads = 4;
// Entities live through this many kills; then new ones take their place, so that comparing them
// with the plain twin stays quick.
constexpr int kRoundsPerGeneration = 4;

struct Arguments {
  int kills = 20;
  std::uint64_t seed = 1;
  std::string directory;
  // Of the process that writes:
  int acknowledge_fd = -1;
  int round = 0;
};

[[noreturn]] void Fail(const std::string& message) { FailCrashTest(message); }

bool IsImportRound(int round) { return round % 4 == 3; }
// Of those, every other one goes the bulk path: kills meet files that are being taken in.
bool IsGatherRound(int round) { return round % 8 == 7; }

EventStoreOptions OptionsOf(const Arguments& arguments) {
  EventStoreOptions options;
  options.directory = arguments.directory;
  // Small buffers too, so that kills meet flushes and compactions.
  options.gather_bytes = 64 << 10;
  options.write_buffer_bytes = std::size_t{256} << (10 + 2 * (arguments.round % 3));
  return options;
}

// What one thread writes.
class Load {
 public:
  Load(const Arguments& arguments, int thread)
      : round_(arguments.round),
        thread_(thread),
        random_(arguments.seed * 1'000'003 + static_cast<std::uint64_t>(arguments.round) * 101 +
                static_cast<std::uint64_t>(thread)) {}

  Event Next(std::int64_t now_ms) {
    Event event;
    event.id = Id();
    event.event_time_ms = now_ms + Draw(-2'000, 500);
    const int generation = round_ / kRoundsPerGeneration;
    const std::string user = StrCat("u", generation, ".", Draw(0, 9));
    event.item = StrCat("i", generation, ".", Draw(0, 19));
    const std::int64_t kind = Draw(0, 9);
    if (kind == 0) {
      event.kind = EventKind::kItem;
      event.fields = {{"price", static_cast<double>(Draw(0, 99))}};
      event.deleted = Draw(0, 9) == 0;
      return event;
    }
    if (Draw(0, 9) < 7) event.session = StrCat("s", generation, ".", Draw(0, 29));
    if (Draw(0, 9) < 4 || event.session.empty() || kind == 1) event.user = user;
    if (kind == 1) {
      event.kind = EventKind::kUser;
      event.item.clear();
      event.fields = {{"name", StrCat("n", Draw(0, 99))}};
    } else if (kind == 2) {
      event.kind = EventKind::kRanking;
      event.items = {{event.item, {}}, {"other", {}}};
      event.item.clear();
    } else {
      event.type = "click";
    }
    return event;
  }
  std::int64_t Draw(std::int64_t first, std::int64_t last) {
    return std::uniform_int_distribution<std::int64_t>(first, last)(random_);
  }

 private:
  // One in ten was used before: by this thread, by another or by an earlier process.
  std::string Id() {
    if (Draw(0, 9) > 0) return StrCat("e", round_, ".", thread_, ".", next_++);
    const std::int64_t round = Draw(std::max(0, round_ - 1), round_);
    return StrCat("e", round, ".", Draw(0, kThreads - 1), ".", Draw(0, next_ + 3));
  }

  int round_;
  int thread_;
  std::mt19937_64 random_;
  std::int64_t next_ = 0;
};

void Acknowledge(int fd, const AppendResult& result) {
  TellParent(fd, StrCat(result.id, " ", result.position, "\n"));
}

void WriteLive(EventStore* store, const Arguments& arguments, int thread) {
  Load load(arguments, thread);
  for (;;) {
    std::vector<Event> events;
    for (std::int64_t i = load.Draw(1, 5); i > 0; --i) events.push_back(load.Next(store->NowMs()));
    const bool is_synced = load.Draw(0, 4) > 0;
    const auto results =
        store->Append(events, is_synced ? Durability::kSynced : Durability::kBuffered);
    if (!results.ok()) Fail(results.status().ToString());
    for (const AppendResult& result : *results) {
      if (result.outcome == EventOutcome::kRejected) Fail(result.status.ToString());
      if (is_synced) Acknowledge(arguments.acknowledge_fd, result);
    }
  }
}

void WriteImport(EventStore* store, const Arguments& arguments) {
  Load load(arguments, 0);
  for (;;) {
    std::vector<AppendResult> waiting;
    std::vector<std::string> gathered;
    for (int batch = 0; batch < 8; ++batch) {
      std::vector<TimedEvent> events;
      for (int i = 0; i < 100; ++i) {
        Event event = load.Next(store->NowMs());
        const std::int64_t known_time_ms = event.event_time_ms + load.Draw(0, 1'000);
        events.push_back({std::move(event), known_time_ms});
      }
      if (IsGatherRound(arguments.round)) {
        for (const TimedEvent& timed : events) gathered.push_back(timed.event.id);
        const auto counts = store->GatherImported(absl::MakeSpan(events));
        if (!counts.ok()) Fail(counts.status().ToString());
        continue;
      }
      const auto results = store->AppendImported(events);
      if (!results.ok()) Fail(results.status().ToString());
      waiting.insert(waiting.end(), results->begin(), results->end());
    }
    if (const absl::Status flushed = store->Flush(); !flushed.ok()) Fail(flushed.ToString());
    for (const std::string& id : gathered) {
      const auto logged = store->FindEvent(id);
      if (!logged.ok()) Fail(logged.status().ToString());
      waiting.emplace_back().id = id;
      waiting.back().position = logged->position;
    }
    for (const AppendResult& result : waiting) Acknowledge(arguments.acknowledge_fd, result);
  }
}

[[noreturn]] void Write(const Arguments& arguments) {
  DieWithParent(arguments.acknowledge_fd);
  const SystemClock clock;
  auto store = EventStore::Open(OptionsOf(arguments), &clock);
  if (!store.ok()) Fail(store.status().ToString());
  if (IsImportRound(arguments.round)) WriteImport(store->get(), arguments);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] { WriteLive(store->get(), arguments, thread); });
  }
  for (std::thread& thread : threads) thread.join();
  std::abort();  // they never end
}

class CrashTest {
 public:
  explicit CrashTest(Arguments arguments) : arguments_(std::move(arguments)) {
    random_.seed(arguments_.seed);
  }

  void Run() {
    for (arguments_.round = 0; arguments_.round < arguments_.kills; ++arguments_.round) {
      RunAndKill();
      Verify();
    }
    std::printf("kills %d, events %zu, acknowledged %zu: none lost, none doubled\n",
                arguments_.kills, positions_.size(), acknowledged_.size());
  }

 private:
  std::int64_t Draw(std::int64_t first, std::int64_t last) {
    return std::uniform_int_distribution<std::int64_t>(first, last)(random_);
  }

  void RunAndKill() {
    // One in ten while it opens the store, the others while it writes.
    const bool kill_early = Draw(0, 9) == 0;
    NoteAcknowledged(
        RunSelfAndKill({"fourfold_crash_test", "--directory", arguments_.directory, "--seed",
                        StrCat(arguments_.seed), "--round", StrCat(arguments_.round)},
                       kill_early, static_cast<int>(Draw(0, 250))));
  }

  void NoteAcknowledged(const std::string& lines) {
    std::istringstream stream(lines);
    std::string id;
    Position position = 0;
    while (stream >> id >> position) {
      const auto [known, is_new] = acknowledged_.emplace(id, position);
      if (!is_new && known->second != position) {
        Fail(StrCat(id, " was acknowledged at ", known->second, " and at ", position));
      }
    }
  }

  void Verify() {
    const SystemClock clock;
    auto opened = EventStore::Open(OptionsOf(arguments_), &clock);
    if (!opened.ok()) Fail(opened.status().ToString());
    const EventStore& store = **opened;
    VerifyLog(store);
    VerifyHistories(store);
    std::printf("kill %d: %zu events, %zu acknowledged\n", arguments_.round + 1, positions_.size(),
                acknowledged_.size());
    std::fflush(stdout);
  }

  // Dense, each id once, all that was acknowledged, found by id.
  void VerifyLog(const EventStore& store) {
    const std::string mark = StrCat(arguments_.round / kRoundsPerGeneration, ".");
    positions_.clear();
    PlainEvents generation;
    const absl::Status scanned =
        store.ScanLog(0, store.EndPosition(), [&](const LoggedEvent& logged) {
          if (logged.position != positions_.size()) {
            Fail(StrCat("position ", positions_.size(), " is missing"));
          }
          if (!positions_.emplace(logged.event.id, logged.position).second) {
            Fail(StrCat(logged.event.id, " is in the log twice"));
          }
          const Event& event = logged.event;
          for (const std::string* id : {&event.user, &event.session, &event.item}) {
            if (id->size() < 2 || id->substr(1).rfind(mark, 0) != 0) continue;
            generation.Add(logged);
            break;
          }
          return true;
        });
    if (!scanned.ok()) Fail(scanned.ToString());
    if (positions_.size() != store.EndPosition()) Fail("the log ends before its end");
    for (const auto& [id, position] : acknowledged_) {
      const auto found = positions_.find(id);
      if (found == positions_.end()) Fail(StrCat(id, " was acknowledged and is lost"));
      if (found->second != position) Fail(StrCat(id, " moved in the log"));
    }
    for (const auto& [id, position] : positions_) {
      if (position < verified_ids_) continue;
      const auto found = store.FindEvent(id);
      if (!found.ok()) Fail(found.status().ToString());
      if (found->position != position) Fail(StrCat(id, " is found elsewhere"));
    }
    verified_ids_ = store.EndPosition();
    generation_ = std::move(generation);
  }

  // Every entity of this generation reads as its plain twin does.
  void VerifyHistories(const EventStore& store) {
    ReadPoint past = store.Now();
    past.as_of_ms -= Draw(0, 2'000);
    past.position_end =
        static_cast<Position>(Draw(0, static_cast<std::int64_t>(store.EndPosition())));
    for (const ReadPoint& at : {EverythingKnown(), past}) {
      for (const std::string& user : generation_.Users()) {
        VerifyHistory(store, {.user = user, .limit = 1'000'000, .impressions = true}, at);
        VerifyFields(store.ReadUser(user, at), generation_.ReadUser(user, at), user);
      }
      for (const std::string& session : generation_.Sessions()) {
        VerifyHistory(store, {.session = session, .limit = 1'000'000, .impressions = true}, at);
      }
      for (const std::string& item : generation_.Items()) {
        std::vector<HistoryEntry> entries;
        const absl::Status read = store.ReadItemHistory(item, at, 1'000'000, &entries);
        if (!read.ok()) Fail(read.ToString());
        VerifyEntries(entries, generation_.ReadItemHistory(item, at, 1'000'000), item);
        VerifyFields(store.ReadItem(item, at), generation_.ReadItem(item, at), item);
      }
    }
  }

  void VerifyHistory(const EventStore& store, const EventStore::HistoryRequest& request,
                     const ReadPoint& at) const {
    std::vector<HistoryEntry> entries;
    const absl::Status read = store.ReadHistory(request, at, &entries);
    if (!read.ok()) Fail(read.ToString());
    VerifyEntries(entries, generation_.ReadHistory(request, at),
                  StrCat(request.user, request.session));
  }

  static void VerifyEntries(const std::vector<HistoryEntry>& got,
                            const std::vector<HistoryEntry>& wanted, std::string_view whose) {
    if (got.size() != wanted.size()) {
      Fail(StrCat("history of ", whose, ": ", got.size(), " lines for ", wanted.size()));
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (!(got[i] == wanted[i])) Fail(StrCat("history of ", whose, ": line ", i, " differs"));
    }
  }

  static void VerifyFields(const absl::StatusOr<EntityAsOf>& got, const EntityAsOf& wanted,
                           std::string_view whose) {
    if (!got.ok()) Fail(got.status().ToString());
    if (!(*got == wanted)) Fail(StrCat("fields of ", whose, " differ"));
  }

  Arguments arguments_;
  std::mt19937_64 random_;
  std::unordered_map<std::string, Position> acknowledged_;  // by id, over all kills
  std::unordered_map<std::string, Position> positions_;     // by id, as the log has them
  Position verified_ids_ = 0;
  PlainEvents generation_;
};

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Kills a process that writes to an event store and looks for what got lost.");
  app.add_option("--kills", arguments.kills, "How often");
  app.add_option("--seed", arguments.seed, "Of events and moments");
  app.add_option("--directory", arguments.directory, "An empty one, kept afterwards")->required();
  app.add_option("--acknowledge-fd", arguments.acknowledge_fd)->group("");
  app.add_option("--round", arguments.round)->group("");
  CLI11_PARSE(app, argc, argv);
  if (arguments.acknowledge_fd >= 0) Write(arguments);
  CrashTest(arguments).Run();
  return 0;
}

}  // namespace
}  // namespace fourfold

int main(int argc, char** argv) { return fourfold::Main(argc, argv); }
