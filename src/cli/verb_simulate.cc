#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "data/timestamp.h"
#include "engine/world_recipe.h"
#include "simulation/log_simulation.h"

// A world with known truth: simulate.
namespace fourfold {
namespace {

struct SimulateArguments {
  std::uint64_t seed = 1;
  std::string log_path;
  std::string truth_path;
  std::optional<std::uint64_t> events;
};

nlohmann::ordered_json ActionsJson(
    const std::array<std::uint64_t, simulation::kActionKinds>& actions) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (std::size_t kind = 0; kind < actions.size(); ++kind) {
    json[std::string(simulation::kActionNames[kind])] = actions[kind];
  }
  return json;
}

void PrintLogReport(const Context& context, const SimulateArguments& arguments,
                    const simulation::LogSimulationReport& report, std::uint64_t bytes_on_disk) {
  const simulation::DeliveryCounts& log = report.log;
  if (context.json()) {
    const nlohmann::ordered_json json = {{"log", arguments.log_path},
                                         {"truth", arguments.truth_path},
                                         {"seed", arguments.seed},
                                         {"events", log.lines},
                                         {"bytes", log.bytes},
                                         {"bytes_on_disk", bytes_on_disk},
                                         {"first_event_time", FormatTimestamp(report.first_ms)},
                                         {"last_event_time", FormatTimestamp(report.last_ms)},
                                         {"users", report.users},
                                         {"items", report.items},
                                         {"sessions", report.sessions},
                                         {"slates", report.slates},
                                         {"actions", ActionsJson(report.actions)},
                                         {"late", log.late},
                                         {"out_of_order", log.out_of_order},
                                         {"duplicates", log.duplicates}};
    context.out << json.dump() << "\n";
    return;
  }
  std::ostream& out = context.out;
  out << arguments.log_path << ": " << Thousands(log.lines) << " events from "
      << FormatTimestamp(report.first_ms) << " to " << FormatTimestamp(report.last_ms) << ", "
      << Bytes(log.bytes);
  if (bytes_on_disk != log.bytes) out << " (" << Bytes(bytes_on_disk) << " on disk)";
  out << "\n  " << Thousands(report.users) << " users, " << Thousands(report.items) << " items, "
      << Thousands(report.sessions) << " sessions, " << Thousands(report.slates) << " slates\n ";
  for (std::size_t kind = 0; kind < report.actions.size(); ++kind) {
    out << (kind == 0 ? " " : ", ") << Thousands(report.actions[kind]) << " "
        << simulation::kActionNames[kind];
  }
  out << "\n  " << Thousands(log.late) << " come late, " << Thousands(log.out_of_order)
      << " out of order, " << Thousands(log.duplicates) << " twice\n";
  if (!arguments.truth_path.empty()) {
    out << arguments.truth_path << ": the truth about them, for eval --truth\n";
  }
}

absl::StatusOr<int> WriteLog(const Context& context, const WorldRecipe& recipe,
                             const SimulateArguments& arguments) {
  FOURFOLD_ASSIGN_OR_RETURN(const auto log, ByteSink::Create(arguments.log_path));
  std::optional<simulation::TruthWriter> truth;
  if (!arguments.truth_path.empty()) {
    FOURFOLD_ASSIGN_OR_RETURN(auto sink, ByteSink::Create(arguments.truth_path));
    truth.emplace(std::move(sink));
  }
  simulation::LogSimulationOptions options;
  options.world = recipe.world;
  options.recipe = recipe.text;
  options.seed = arguments.seed;
  options.events = arguments.events;
  if (const auto progress = context.Progress()) {
    options.progress = [progress](double done) { progress("living", done); };
  }
  FOURFOLD_ASSIGN_OR_RETURN(
      const simulation::LogSimulationReport report,
      simulation::SimulateLog(options, log.get(), truth.has_value() ? &*truth : nullptr));
  context.EndProgress();
  PrintLogReport(context, arguments, report, log->bytes_on_disk());
  return kExitOk;
}

absl::StatusOr<int> Simulate(const Context& context, const SimulateArguments& arguments) {
  if (context.recipe.empty()) return InvalidArgument("simulate needs --recipe WORLD.yaml");
  FOURFOLD_ASSIGN_OR_RETURN(const WorldRecipe recipe, LoadWorldRecipe(context.recipe));
  return WriteLog(context, recipe, arguments);
}

}  // namespace

void AddSimulateVerb(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<SimulateArguments>();
  CLI::App* verb = AddVerb(
      app, "simulate", "Let a world of known truth live, and write what can be seen of it",
      "  fourfold simulate --recipe recipes/worlds/feed.yaml --seed 7 --out log.jsonl\n"
      "  fourfold simulate --recipe recipes/worlds/feed.yaml --out log.jsonl.zst --truth "
      "log.truth\n"
      "  fourfold simulate --recipe recipes/worlds/feed.yaml --events 100000000 --out /dev/null");
  verb->add_option("--seed", arguments->seed, "The same seed gives the same bytes")
      ->capture_default_str();
  verb->add_option("-o,--out", arguments->log_path,
                   "Where the events go, one JSON object a line (.zst, .gz: packed)")
      ->required();
  verb->add_option("--truth", arguments->truth_path,
                   "Where every probability and propensity goes; `eval --truth` reads it");
  verb->add_option("--events", arguments->events,
                   "End after so many events instead of the recipe's days");
  verb->callback([&context, arguments] {
    context.run = [&context, arguments] { return Simulate(context, *arguments); };
  });
}

}  // namespace fourfold
