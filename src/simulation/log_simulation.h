#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "data/byte_sink.h"
#include "simulation/delivery.h"
#include "simulation/truth_file.h"
#include "simulation/world.h"

namespace fourfold::simulation {

struct LogSimulationOptions {
  WorldOptions world;
  std::string recipe;  // verbatim; the truth file carries it
  std::uint64_t seed = 1;
  // Ends the log once this many lines are written, however many days that takes. Nothing: after
  // WorldOptions::days.
  std::optional<std::uint64_t> events;
  std::function<void(double done)> progress;  // 0..1; may be empty
};

struct LogSimulationReport {
  DeliveryCounts log;
  std::uint64_t users = 0, items = 0;  // that ever were
  std::uint64_t sessions = 0, slates = 0;
  std::array<std::uint64_t, kActionKinds> actions{};  // distinct, by ActionKind
  std::int64_t first_ms = 0, last_ms = 0;
};

// Lets a world live under its logging policy and writes what can be seen of it, event lines, to
// `log`, and what is true of it to `truth` (null: nowhere). The same options and seed give the same
// bytes on every machine. Finishes both.
absl::StatusOr<LogSimulationReport> SimulateLog(const LogSimulationOptions& options, ByteSink* log,
                                                TruthWriter* truth);

}  // namespace fourfold::simulation
