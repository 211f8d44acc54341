#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "feature/event_store.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/twenty_features.h"
#include "feature/state/live_features.h"
#include "machine_floor.h"
#include "offline/ranking/row_replay.h"
#include "resource_usage.h"

// Features of a log that outgrows memory, through the store: 20 features of 8 kinds beside a log
// that goes in with a request every so many events; then requests of 500 candidates from a cold
// cache; then durable events at a fixed rate beside such requests. Or, of a log that is there, the
// features of training rows.
namespace fourfold::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Arguments {
  std::string directory;
  std::uint64_t events = 10'000'000;
  std::uint64_t users = 1'000'000;
  std::uint64_t items = 20'000;
  std::size_t state_megabytes = 112;
  std::size_t batch = 1000;  // events between two requests
  std::size_t candidates = 20;
  std::size_t live_candidates = 500;
  int live_seconds = 10;
  int live_events = 20'000;  // a second
  int live_batch = 25;       // events acknowledged together
  int live_requests = 50;    // a second
  std::size_t training_rows = 0;
};

// Of /proc/self/status, in MiB: "VmRSS" now, "VmHWM" at most so far.
double ResidentMebibytes(const char* what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(what, 0) == 0) return std::stod(line.substr(line.find(':') + 1)) / 1024;
  }
  return 0;
}

double Percentile(std::vector<double>* values, double share) {
  if (values->empty()) return 0;
  std::sort(values->begin(), values->end());
  const auto place = static_cast<std::size_t>(share * static_cast<double>(values->size()));
  return (*values)[std::min(place, values->size() - 1)];
}

class Shop {
 public:
  Shop(const Arguments& arguments, std::uint64_t seed) : arguments_(arguments), random_(seed) {}

  std::string User() { return StrCat("u", random_() % arguments_.users); }
  std::string Item() {
    std::uniform_real_distribution<double> uniform(0, 1);
    const double skewed = uniform(random_) * uniform(random_) * uniform(random_);
    return StrCat("i", static_cast<std::uint64_t>(skewed * static_cast<double>(arguments_.items)));
  }
  Event Action() {
    Event event;
    event.kind = EventKind::kInteraction;
    event.user = User();
    event.item = Item();
    event.type = random_() % 10 == 0 ? "buy" : "click";
    event.fields = {{"price", static_cast<double>(random_() % 1000) / 10}};
    return event;
  }
  FeatureRequest Request(const ReadPoint& at, std::size_t candidates) {
    FeatureRequest request;
    request.user = User();
    request.at = at;
    request.now_ms = at.as_of_ms;
    for (std::size_t c = 0; c < candidates; ++c) request.candidates.push_back({Item(), {}, 0});
    return request;
  }

 private:
  const Arguments& arguments_;
  std::mt19937_64 random_;
};

void PrintState(const LiveState& live) {
  const LiveState::Stats stats = live.ReadStats();
  std::printf(
      "  state %.0f MiB%s, %zu entities; %llu reads, %llu of them unpacked, %llu from the "
      "histories; a file of %.0f MiB; resident %.0f MiB, at most %.0f\n",
      static_cast<double>(stats.bytes) / (1 << 20),
      stats.is_caching ? " of a cache" : ", all of it", stats.cache.entities,
      static_cast<unsigned long long>(stats.cache.reads),
      static_cast<unsigned long long>(stats.cache.unpacked),
      static_cast<unsigned long long>(stats.cache.misses),
      static_cast<double>(stats.cache.file_bytes) / (1 << 20), ResidentMebibytes("VmRSS"),
      ResidentMebibytes("VmHWM"));
}

// Events of 30 days in order, with a request after each batch.
absl::Status PassLog(const Arguments& arguments, EventStore* store, const LiveFeatures& live) {
  Shop shop(arguments, 1);
  Shop asking(arguments, 2);
  const double step_ms = 30.0 * 86'400'000 / static_cast<double>(arguments.events);
  FeatureTable table;
  std::vector<double> read_milliseconds;
  double appending = 0;
  double reading = 0;
  const auto began = SteadyClock::now();
  const double processor_began = ProcessorSeconds();
  std::uint64_t told = 0;
  for (std::uint64_t next = 0; next < arguments.events;) {
    std::vector<TimedEvent> batch;
    for (; batch.size() < arguments.batch && next < arguments.events; ++next) {
      TimedEvent& timed = batch.emplace_back();
      timed.event = shop.Action();
      timed.known_time_ms = static_cast<std::int64_t>(static_cast<double>(next) * step_ms);
      timed.event.event_time_ms = timed.known_time_ms;
      timed.event.id = StrCat("e", next);
    }
    ReadPoint at;
    at.as_of_ms = at.known_at_ms = batch.back().known_time_ms;
    const auto append_began = SteadyClock::now();
    FOURFOLD_RETURN_IF_ERROR(store->GatherImported(absl::MakeSpan(batch)).status());
    appending += SecondsSince(append_began);
    at.position_end = live.state()->end();
    const auto read_began = SteadyClock::now();
    FOURFOLD_RETURN_IF_ERROR(live.Read(asking.Request(at, arguments.candidates), &table));
    read_milliseconds.push_back(SecondsSince(read_began) * 1e3);
    reading += read_milliseconds.back() * 1e-3;
    if (next * 10 / arguments.events > told) {
      told = next * 10 / arguments.events;
      std::printf("%llu events, %.0f events/s so far\n", static_cast<unsigned long long>(next),
                  static_cast<double>(next) / SecondsSince(began));
      PrintState(*live.state());
      std::fflush(stdout);
    }
  }
  FOURFOLD_RETURN_IF_ERROR(store->Flush());
  const double seconds = SecondsSince(began);
  const double processor = ProcessorSeconds() - processor_began;
  std::printf(
      "log through the store: %.0f events/s, %.0f a processor second (%.1f s; taken in and "
      "followed in %.1f s, %zu requests of %zu candidates in %.1f s, median %.2f ms, p99 "
      "%.1f ms)\n",
      static_cast<double>(arguments.events) / seconds,
      static_cast<double>(arguments.events) / processor, seconds, appending,
      read_milliseconds.size(), arguments.candidates, reading, Percentile(&read_milliseconds, 0.5),
      Percentile(&read_milliseconds, 0.99));
  return absl::OkStatus();
}

// The first requests of a state that holds nothing, and the same ones again.
absl::Status ReadCold(const Arguments& arguments, const EventStore& store,
                      const LiveFeatures& live) {
  Shop asking(arguments, 3);
  FeatureTable table;
  ReadPoint at;
  at.as_of_ms = at.known_at_ms = store.LastEventTimeMs();
  std::vector<double> cold;
  std::vector<double> hot;
  for (int i = 0; i < 20; ++i) {
    const FeatureRequest request = asking.Request(at, arguments.live_candidates);
    for (std::vector<double>* milliseconds : {&cold, &hot}) {
      const auto began = SteadyClock::now();
      FOURFOLD_RETURN_IF_ERROR(live.Read(request, &table));
      milliseconds->push_back(SecondsSince(began) * 1e3);
    }
  }
  std::printf(
      "%zu candidates, the first request of all: %.0f ms; the next 19, median %.0f ms; "
      "each again at once, median %.2f ms\n",
      arguments.live_candidates, cold.front(), Percentile(&cold, 0.5), Percentile(&hot, 0.5));
  PrintState(*live.state());
  return absl::OkStatus();
}

struct Acknowledgement {
  double due_ms = 0;
  double took_ms = 0;
};

// How many took longer than the tail allows, and in how many pauses: whatever was due before one of
// them was acknowledged belongs to its pause.
void PrintPauses(std::vector<Acknowledgement> acknowledged) {
  constexpr double kLongMs = 5;
  constexpr std::size_t kTold = 12;
  std::sort(acknowledged.begin(), acknowledged.end(),
            [](const auto& a, const auto& b) { return a.due_ms < b.due_ms; });
  std::vector<double> pauses;  // the longest wait of each
  std::size_t count = 0;
  double end_ms = -1;
  for (const Acknowledgement& one : acknowledged) {
    if (one.took_ms <= kLongMs) continue;
    ++count;
    if (one.due_ms > end_ms) pauses.push_back(0);
    pauses.back() = std::max(pauses.back(), one.took_ms);
    end_ms = std::max(end_ms, one.due_ms + one.took_ms);
  }
  std::sort(pauses.rbegin(), pauses.rend());
  std::printf("  %zu of %zu acknowledged after more than %.0f ms (%.2f %%), in %zu pauses:", count,
              acknowledged.size(), kLongMs,
              100 * static_cast<double>(count) / static_cast<double>(acknowledged.size()),
              pauses.size());
  for (std::size_t i = 0; i < std::min(kTold, pauses.size()); ++i) std::printf(" %.1f", pauses[i]);
  std::printf("%s ms\n", pauses.size() > kTold ? " ..." : "");
}

// Durable events at a fixed rate, two writers, beside requests at a fixed rate.
absl::Status Serve(const Arguments& arguments, EventStore* store, const LiveFeatures& live) {
  constexpr int kWriters = 2;
  constexpr double kFloorProbesPerSecond = 47;  // not in step with the requests
  const int batch_size = arguments.live_batch;
  const auto interval = std::chrono::duration<double>(static_cast<double>(batch_size * kWriters) /
                                                      arguments.live_events);
  const auto began = SteadyClock::now();
  const auto end = began + std::chrono::seconds(arguments.live_seconds);
  MachineFloor floor(arguments.directory, kFloorProbesPerSecond);
  FOURFOLD_RETURN_IF_ERROR(floor.Start());
  std::vector<Acknowledgement> acknowledged[kWriters];
  std::atomic<bool> has_failed = false;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      Shop shop(arguments, 10 + static_cast<std::uint64_t>(writer));
      std::vector<Event> batch(static_cast<std::size_t>(batch_size));
      for (int number = 0;; ++number) {
        for (Event& event : batch) event = shop.Action();
        // From when it was due: a writer that is late has not spared anybody.
        const auto due = began + std::chrono::duration_cast<SteadyClock::duration>(
                                     interval * (number + 0.5 * writer));
        if (due >= end) return;
        std::this_thread::sleep_until(due);
        if (!store->Append(batch).ok()) has_failed = true;
        acknowledged[writer].push_back(
            {std::chrono::duration<double, std::milli>(due - began).count(),
             SecondsSince(due) * 1e3});
      }
    });
  }
  Shop asking(arguments, 4);
  FeatureTable table;
  std::vector<double> read;
  std::vector<double> took;  // without waiting for requests before it
  for (int number = 0;; ++number) {
    const auto due = began + std::chrono::milliseconds(1000 * number / arguments.live_requests);
    if (due >= end) break;
    std::this_thread::sleep_until(due);
    FeatureRequest request = asking.Request(store->Now(), arguments.live_candidates);
    request.at.position_end = std::min(request.at.position_end, live.state()->end());
    const auto read_began = SteadyClock::now();
    if (!live.Read(request, &table).ok()) has_failed = true;
    took.push_back(SecondsSince(read_began) * 1e3);
    read.push_back(SecondsSince(due) * 1e3);
  }
  for (std::thread& writer : writers) writer.join();
  if (has_failed) return absl::InternalError("a write or a read failed");
  const MachineFloor::Result alone = floor.Stop();
  std::vector<Acknowledgement> both;
  std::vector<double> all;
  for (const std::vector<Acknowledgement>& of_writer : acknowledged) {
    both.insert(both.end(), of_writer.begin(), of_writer.end());
    for (const Acknowledgement& one : of_writer) all.push_back(one.took_ms);
  }
  std::printf(
      "%.0f durable events/s in batches of %d: acknowledged, median %.1f ms, p99 %.1f ms; "
      "beside it %zu requests of %zu candidates, median %.1f ms, p99 %.1f ms from when they were "
      "due, %.1f ms and %.1f ms from when they began\n",
      static_cast<double>(all.size()) * batch_size / SecondsSince(began), batch_size,
      Percentile(&all, 0.5), Percentile(&all, 0.99), read.size(), arguments.live_candidates,
      Percentile(&read, 0.5), Percentile(&read, 0.99), Percentile(&took, 0.5),
      Percentile(&took, 0.99));
  PrintPauses(std::move(both));
  std::printf(
      "  alone, a write and fdatasync of 400 bytes: median %.1f ms, p99 %.1f ms; a thread wakes up "
      "late: p99 %.1f ms\n",
      alone.disk_sync.p50_ms, alone.disk_sync.p99_ms, alone.wake_up.p99_ms);
  PrintState(*live.state());
  return absl::OkStatus();
}

// Training rows of purchases, evenly out of all of them, in their order.
absl::Status MakeRows(const Arguments& arguments, const FeaturePlan& plan, const EventStore& store,
                      const StateLimits& limits) {
  RowOptions options;
  options.rows = RowOptions::Rows::kActions;
  options.labels = {{"buy", 1}};
  const auto began = SteadyClock::now();
  double processor_began = ProcessorSeconds();
  FOURFOLD_ASSIGN_OR_RETURN(
      const RowReplay replay,
      RowReplay::Start(store, plan, options, EverythingKnown(), kSinceForEverMs, limits));
  std::printf(
      "replay of %llu events in %.1f s, %.1f of the processor; %zu rows; resident %.0f MiB\n",
      static_cast<unsigned long long>(replay.counts().events), SecondsSince(began),
      ProcessorSeconds() - processor_began, replay.size(), ResidentMebibytes("VmRSS"));
  const std::size_t count = std::min(arguments.training_rows, replay.size());
  DigestBuilder digest;
  ReplayedRequest replayed;
  FeatureTable table;
  processor_began = ProcessorSeconds();
  const auto read_began = SteadyClock::now();
  for (std::size_t i = 0; i < count; ++i) {
    FOURFOLD_RETURN_IF_ERROR(replay.Read(i * replay.size() / count, &replayed, &table));
    for (const std::vector<float>& column : table.columns) {
      digest.Add({reinterpret_cast<const char*>(column.data()), column.size() * sizeof(float)});
    }
  }
  const double seconds = SecondsSince(read_began);
  const double processor = ProcessorSeconds() - processor_began;
  const EntityCache* const cache = replay.state().cache().get();
  const EntityCache::Stats stats = cache == nullptr ? EntityCache::Stats() : cache->ReadStats();
  std::printf(
      "%zu rows in %.1f s, %.2f ms of the processor each; state %.0f MiB, a file of %.0f MiB; %llu "
      "reads, %llu of them unpacked, %llu from the histories; resident at most %.0f MiB; digest of "
      "the values %s\n",
      count, seconds, processor * 1e3 / static_cast<double>(std::max<std::size_t>(count, 1)),
      static_cast<double>(replay.state().bytes()) / (1 << 20),
      static_cast<double>(stats.file_bytes) / (1 << 20),
      static_cast<unsigned long long>(stats.reads), static_cast<unsigned long long>(stats.unpacked),
      static_cast<unsigned long long>(stats.misses), ResidentMebibytes("VmHWM"),
      DigestToHex(digest.Finish()).c_str());
  return absl::OkStatus();
}

absl::Status Run(const Arguments& arguments) {
  FOURFOLD_ASSIGN_OR_RETURN(const auto plan, FeaturePlan::Compile(TwentyFeatures()));
  const SystemClock clock;
  EventStoreOptions options;
  options.directory = arguments.directory;
  FOURFOLD_ASSIGN_OR_RETURN(const auto store, EventStore::Open(options, &clock));
  const StateLimits limits = {.bytes_max = arguments.state_megabytes << 20,
                              .spill_directory = arguments.directory};
  const auto make = [&] {
    return LiveFeatures(plan, std::make_shared<LiveState>(plan->schema(), store.get(), limits));
  };
  const auto follow = [&](const LiveFeatures& live) {
    store->SetCommitListener([state = live.state()](absl::Span<const LoggedEvent> committed) {
      state->Follow(committed);
    });
  };
  if (store->EndPosition() == 0) {
    const LiveFeatures live = make();
    follow(live);
    FOURFOLD_RETURN_IF_ERROR(PassLog(arguments, store.get(), live));
    store->SetCommitListener(nullptr);
  }
  if (arguments.training_rows > 0) return MakeRows(arguments, *plan, *store, limits);
  const LiveFeatures live = make();
  const auto began = SteadyClock::now();
  FOURFOLD_RETURN_IF_ERROR(live.state()->Fill());
  std::printf("made ready for a log of %llu events in %.1f s\n",
              static_cast<unsigned long long>(store->EndPosition()), SecondsSince(began));
  FOURFOLD_RETURN_IF_ERROR(ReadCold(arguments, *store, live));
  follow(live);
  FOURFOLD_RETURN_IF_ERROR(Serve(arguments, store.get(), live));
  store->SetCommitListener(nullptr);
  return absl::OkStatus();
}

}  // namespace
}  // namespace fourfold::bench

int main(int argc, char** argv) {
  CLI::App app("Features of a log that outgrows memory, through the store");
  fourfold::bench::Arguments arguments;
  app.add_option("--directory", arguments.directory,
                 "Empty, or of an earlier run: its log is not made again")
      ->required();
  app.add_option("--events", arguments.events, "Of the log")->capture_default_str();
  app.add_option("--users", arguments.users)->capture_default_str();
  app.add_option("--items", arguments.items)->capture_default_str();
  app.add_option("--state-megabytes", arguments.state_megabytes, "Cap of the state")
      ->capture_default_str();
  app.add_option("--batch", arguments.batch, "Events between two requests")->capture_default_str();
  app.add_option("--candidates", arguments.candidates, "Of those requests")->capture_default_str();
  app.add_option("--live-candidates", arguments.live_candidates, "Of requests cold and live")
      ->capture_default_str();
  app.add_option("--live-seconds", arguments.live_seconds)->capture_default_str();
  app.add_option("--live-events", arguments.live_events, "A second")->capture_default_str();
  app.add_option("--live-batch", arguments.live_batch, "Events acknowledged together")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--live-requests", arguments.live_requests, "A second")->capture_default_str();
  app.add_option("--training-rows", arguments.training_rows,
                 "Instead of requests cold and live: so many rows of the log's purchases")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = fourfold::bench::Run(arguments);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
