#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_reader.h"
#include "feature/plan/twenty_features.h"
#include "feature/state/logged_state.h"

// How fast the log becomes state, and state features: 20 features of 8 kinds, one thread.
namespace fourfold {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;

// Events of 30 days in order: items drawn by popularity, 1 % late by up to a day.
std::vector<LoggedEvent> MakeLog(std::size_t count, std::size_t users, std::size_t items) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<LoggedEvent> log(count);
  const double step_ms = 30.0 * 24 * 60 * kMinuteMs / static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) {
    LoggedEvent& logged = log[i];
    logged.position = i;
    logged.known_time_ms = static_cast<std::int64_t>(static_cast<double>(i) * step_ms);
    const bool is_late = uniform(random) < 0.01;
    logged.event.id = StrCat("e", i);
    logged.event.event_time_ms =
        logged.known_time_ms -
        (is_late ? static_cast<std::int64_t>(uniform(random) * 1440 * kMinuteMs) : 0);
    logged.event.kind = EventKind::kInteraction;
    logged.event.user = StrCat("u", random() % users);
    const double skewed = uniform(random) * uniform(random) * uniform(random);
    logged.event.item = StrCat("i", static_cast<std::size_t>(skewed * static_cast<double>(items)));
    logged.event.type = random() % 10 == 0 ? "buy" : "click";
    logged.event.fields = {{"price", static_cast<double>(random() % 1000) / 10}};
  }
  return log;
}

constexpr std::size_t kEvents = 1'000'000;
constexpr std::size_t kUsers = 20'000;
constexpr std::size_t kItems = 4'000;

struct Filled {
  std::shared_ptr<const FeaturePlan> plan = FeaturePlan::Compile(TwentyFeatures()).value();
  std::vector<LoggedEvent> log = MakeLog(kEvents, kUsers, kItems);
  LoggedState state{&plan->schema()};
  Filled() {
    for (const LoggedEvent& logged : log) state.Add(logged);
  }
};
Filled& TheLog() {
  static Filled filled;
  return filled;
}

void EventsIntoState(benchmark::State& state) {
  const Filled& filled = TheLog();
  for (auto _ : state) {
    LoggedState replayed(&filled.plan->schema());
    for (const LoggedEvent& logged : filled.log) replayed.Add(logged);
    benchmark::DoNotOptimize(&replayed);
  }
  state.counters["events/s"] = benchmark::Counter(static_cast<double>(state.iterations() * kEvents),
                                                  benchmark::Counter::kIsRate);
  state.counters["state_bytes"] = static_cast<double>(filled.state.bytes());
}
BENCHMARK(EventsIntoState)->Unit(benchmark::kMillisecond)->Iterations(1)->Repetitions(3);

FeatureRequest RandomRequest(const Filled& filled, std::mt19937_64* random, std::size_t count,
                             bool is_now) {
  FeatureRequest request;
  const LoggedEvent& row =
      is_now ? filled.log.back() : filled.log[filled.log.size() / 2 + (*random)() % (kEvents / 2)];
  request.user = filled.log[(*random)() % kEvents].event.user;
  request.at.as_of_ms = request.at.known_at_ms = row.known_time_ms - 1;
  request.at.position_end = row.position;
  request.now_ms = row.known_time_ms;
  for (std::size_t c = 0; c < count; ++c) {
    request.candidates.push_back({StrCat("i", (*random)() % kItems), {}, 0});
  }
  return request;
}

// So many candidates a request, at past read points, as training asks for them, or at the end of
// the log, as a request does.
void FeatureValues(benchmark::State& state, bool is_now) {
  const Filled& filled = TheLog();
  std::mt19937_64 random(2);
  const auto count = static_cast<std::size_t>(state.range(0));
  std::vector<FeatureRequest> requests;
  for (int i = 0; i < 256; ++i) requests.push_back(RandomRequest(filled, &random, count, is_now));
  FeatureTable table;
  std::size_t next = 0;
  std::vector<double> milliseconds;
  for (auto _ : state) {
    const auto began = std::chrono::steady_clock::now();
    if (!ReadFeatures(*filled.plan, filled.state, requests[next++ % 256], &table).ok())
      std::abort();
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - began;
    milliseconds.push_back(taken.count());
    benchmark::DoNotOptimize(table);
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  state.counters["values/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(count) * 20,
                         benchmark::Counter::kIsRate);
  state.counters["p99_ms"] = milliseconds[milliseconds.size() * 99 / 100];
}
BENCHMARK_CAPTURE(FeatureValues, past, false)
    ->Arg(20)
    ->Arg(500)
    ->Unit(benchmark::kMicrosecond)
    ->MinTime(2);
BENCHMARK_CAPTURE(FeatureValues, now, true)->Arg(500)->Unit(benchmark::kMicrosecond)->MinTime(2);

// One item with a million actions in the window, 1 % of them late, at random past read points.
void AsOfWindowedCount(benchmark::State& state) {
  const std::vector<Aggregate> aggregates = {{1, -1}};
  ActionTable actions(0);
  Timeline timeline(&actions, &aggregates);
  std::mt19937_64 random(3);
  for (std::size_t i = 0; i < kEvents; ++i) {
    ActionEntry entry;
    entry.position = i;
    entry.known_time_ms = static_cast<std::int64_t>(i);
    const bool is_late = random() % 100 == 0;
    entry.event_time_ms =
        entry.known_time_ms - (is_late ? static_cast<std::int64_t>(random() % kEvents) : 0);
    entry.event_digest[0] = static_cast<std::uint8_t>(i);
    timeline.Insert(actions.Add(entry, {}), entry.known_time_ms);
  }
  std::vector<double> milliseconds;
  for (auto _ : state) {
    StateRead read;
    read.now_ms = read.as_of_ms = static_cast<std::int64_t>(kEvents - random() % (kEvents / 10));
    read.known_at_ms = read.as_of_ms;
    read.position_end = kEvents;
    const auto began = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(TimelineAt(&timeline, &read).Sum(0, INT64_MIN));
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - began;
    milliseconds.push_back(taken.count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  state.counters["p99_ms"] = milliseconds[milliseconds.size() * 99 / 100];
  state.counters["bytes"] = static_cast<double>(timeline.bytes() + actions.bytes());
}
BENCHMARK(AsOfWindowedCount)->Unit(benchmark::kMicrosecond)->MinTime(1);

}  // namespace
}  // namespace fourfold
