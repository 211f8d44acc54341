#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/status_macros.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "data/timestamp.h"
#include "engine/world_recipe.h"
#include "simulation/closed_loop.h"
#include "simulation/log_simulation.h"
#include "simulation/server_feed.h"

// A world with known truth: simulate.
namespace fourfold {
namespace {

struct SimulateArguments {
  std::uint64_t seed = 1;
  std::string log_path;
  std::string truth_path;
  std::optional<std::uint64_t> events;
  std::vector<std::string> against;
  int days = 7;
  std::string api_key;
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

// The feeds to live under, in the order of the command line.
struct Arms {
  std::vector<std::unique_ptr<simulation::Feed>> feeds;
  std::vector<simulation::Feed*> all;
  std::vector<simulation::Feed*> in_house;  // those that the log is told to
  std::vector<std::pair<std::string, const simulation::ServerFeed*>> servers;
};

absl::StatusOr<Arms> MakeArms(const WorldRecipe& recipe, const SimulateArguments& arguments) {
  Arms arms;
  for (const std::string& name : arguments.against) {
    if (std::count(arguments.against.begin(), arguments.against.end(), name) > 1) {
      return InvalidArgument("--against ", name, ": stands twice; a server can live one life only");
    }
    std::unique_ptr<simulation::Feed> feed;
    if (name == "popularity") feed = simulation::MakePopularityFeed(recipe.world);
    if (name == "truth") feed = simulation::MakeTruthFeed();
    if (name == "logging") feed = simulation::MakeLoggingFeed(recipe.world);
    if (feed != nullptr) {
      arms.in_house.push_back(feed.get());
    } else {
      absl::StatusOr<std::unique_ptr<simulation::ServerFeed>> server =
          simulation::ServerFeed::Make(name, arguments.api_key);
      if (!server.ok()) {
        return InvalidArgument("--against: neither popularity, truth nor logging, and ",
                               MessageOf(server.status()));
      }
      arms.servers.emplace_back(name, server->get());
      feed = *std::move(server);
    }
    arms.all.push_back(feed.get());
    arms.feeds.push_back(std::move(feed));
  }
  return arms;
}

std::string ScoreName(std::size_t score) {
  return score == simulation::kValueScore ? "value" : std::string(simulation::kActionNames[score]);
}

nlohmann::ordered_json ScoresJson(const simulation::Scores& scores) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (std::size_t score = 0; score < scores.size(); ++score) {
    const Interval& interval = scores[score];
    json[ScoreName(score)] = {
        {"mean", interval.mean}, {"low", interval.low}, {"high", interval.high}};
  }
  return json;
}

nlohmann::ordered_json ArmJson(const simulation::ArmScore& arm) {
  nlohmann::ordered_json segments = nlohmann::ordered_json::object();
  for (std::size_t s = 0; s < simulation::kSegments; ++s) {
    segments[std::string(simulation::kSegmentNames[s])] = {
        {"sessions", arm.segment_sessions[s]},
        {"per_session", ScoresJson(arm.by_segment[s])},
        {"first_arm_ahead", ScoresJson(arm.first_ahead_by_segment[s])}};
  }
  return {{"arm", arm.name},
          {"sessions", arm.sessions},
          {"slates", arm.slates},
          {"per_session", ScoresJson(arm.all)},
          {"first_arm_ahead", ScoresJson(arm.first_ahead)},
          {"segments", std::move(segments)}};
}

Table ScoreTable(const std::string& first_column) {
  std::vector<Table::Column> columns = {{first_column}, {"sessions", Table::Align::kRight}};
  for (std::size_t score = 0; score < simulation::kScores; ++score) {
    columns.push_back({ScoreName(score)});
  }
  return Table(columns);
}

void AddScores(const std::string& label, std::uint64_t sessions, const simulation::Scores& scores,
               Table* table) {
  std::vector<std::string> cells = {label, Thousands(sessions)};
  for (const Interval& score : scores) {
    cells.push_back(StrCat(Decimal(score.mean, 3), " [", Decimal(score.low, 3), ", ",
                           Decimal(score.high, 3), "]"));
  }
  table->AddRow(std::move(cells));
}

void PrintArms(std::ostream& out, const std::vector<simulation::ArmScore>& arms) {
  Table all = ScoreTable("per session");
  for (const auto& arm : arms) AddScores(arm.name, arm.sessions, arm.all, &all);
  for (const auto& arm : arms) {
    if (&arm == &arms.front()) continue;
    AddScores(StrCat("first - ", arm.name), arm.sessions, arm.first_ahead, &all);
  }
  all.Print(out);
  for (std::size_t s = 0; s < simulation::kSegments; ++s) {
    const std::string_view segment = simulation::kSegmentNames[s];
    if (arms.front().segment_sessions[s] == 0) continue;
    out << "\n";
    Table table = ScoreTable(StrCat(segment, " users"));
    for (const auto& arm : arms) {
      AddScores(arm.name, arm.segment_sessions[s], arm.by_segment[s], &table);
    }
    for (const auto& arm : arms) {
      if (&arm == &arms.front()) continue;
      AddScores(StrCat("first - ", arm.name), arm.segment_sessions[s],
                arm.first_ahead_by_segment[s], &table);
    }
    table.Print(out);
  }
  out << "\nMeans per session with 95 % intervals by bootstrap over users; differences are paired, "
      << "session by session.\n";
}

void WarnOfServers(const Context& context, const Arms& arms) {
  for (const auto& [url, server] : arms.servers) {
    if (server->behind_ms() > 0) {
      context.err << "warning: " << url << ": its clock was up to "
                  << FormatDuration(server->behind_ms()) << " behind the world's, and dated what "
                  << "it was told back; serve it with --clock-at the end of these days\n";
    }
    if (server->poor_slates() > 0) {
      context.err << "warning: " << url << ": " << Thousands(server->poor_slates())
                  << " slates were not full, or held what is not alive\n";
    }
  }
}

// Every arm lives the same days of its own copy of the world.
absl::StatusOr<int> LiveAgainst(const Context& context, const WorldRecipe& recipe,
                                const SimulateArguments& arguments) {
  FOURFOLD_ASSIGN_OR_RETURN(const Arms arms, MakeArms(recipe, arguments));
  FOURFOLD_ASSIGN_OR_RETURN(
      const simulation::World world,
      simulation::LiveThroughLog(recipe.world, arguments.seed, arms.in_house));
  const std::int64_t until_ms = world.end_ms() + arguments.days * simulation::kDayMs;
  std::vector<std::vector<simulation::SessionScore>> lives;
  for (std::size_t arm = 0; arm < arms.all.size(); ++arm) {
    std::function<void(double)> progress;
    if (const auto show = context.Progress()) {
      progress = [&, show](double done) { show(arguments.against[arm], done); };
    }
    FOURFOLD_ASSIGN_OR_RETURN(lives.emplace_back(),
                              simulation::LiveOn(world, until_ms, arms.all[arm], progress));
  }
  context.EndProgress();
  const std::vector<simulation::ArmScore> scores = simulation::ScoreArms(arguments.against, lives);
  WarnOfServers(context, arms);
  const std::string from = FormatTimestamp(world.end_ms());
  const std::string until = FormatTimestamp(until_ms);
  if (context.json()) {
    nlohmann::ordered_json json = {{"seed", arguments.seed}, {"from", from}, {"until", until}};
    for (const auto& arm : scores) json["arms"].push_back(ArmJson(arm));
    context.out << json.dump() << "\n";
  } else {
    context.out << "Lived from " << from << " to " << until << ", seed " << arguments.seed
                << "\n\n";
    PrintArms(context.out, scores);
  }
  return kExitOk;
}

absl::StatusOr<int> Simulate(const Context& context, const SimulateArguments& arguments) {
  if (context.recipe.empty()) return InvalidArgument("simulate needs --recipe WORLD.yaml");
  FOURFOLD_ASSIGN_OR_RETURN(const WorldRecipe recipe, LoadWorldRecipe(context.recipe));
  return arguments.against.empty() ? WriteLog(context, recipe, arguments)
                                   : LiveAgainst(context, recipe, arguments);
}

}  // namespace

void AddSimulateVerb(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<SimulateArguments>();
  CLI::App* verb = AddVerb(
      app, "simulate",
      "Let a world of known truth live: write what can be seen of it, or try feeds on it",
      "  fourfold simulate --recipe recipes/worlds/feed.yaml --out log.jsonl.zst --truth "
      "log.truth\n"
      "  fourfold simulate --recipe recipes/worlds/feed.yaml --events 100000000 --out log.jsonl\n"
      "  fourfold simulate --recipe recipes/worlds/feed.yaml --against http://127.0.0.1:8080 \\\n"
      "      --against popularity --against truth");
  verb->add_option("--seed", arguments->seed, "The same seed gives the same bytes")
      ->capture_default_str();
  CLI::Option* out =
      verb->add_option("-o,--out", arguments->log_path,
                       "Where the events go, one JSON object a line (.zst, .gz: packed)");
  verb->add_option("--truth", arguments->truth_path,
                   "Where every probability and propensity goes; `eval --truth` reads it")
      ->needs(out);
  verb->add_option("--events", arguments->events,
                   "End after so many events instead of the recipe's days")
      ->needs(out);
  CLI::Option* against =
      verb->add_option("--against", arguments->against,
                       "Live on after the log under this feed: the URL of a server that holds the "
                       "log, popularity, truth (the best possible) or logging. The first one is "
                       "compared with each of the others")
          ->take_all()
          ->expected(1)
          ->excludes(out);
  verb->add_option("--days", arguments->days, "How long to live on")
      ->check(CLI::Range(1, 3650))
      ->capture_default_str()
      ->needs(against);
  verb->add_option("--api-key", arguments->api_key, "That of the servers")
      ->envname("FOURFOLD_API_KEY")
      ->needs(against);
  verb->callback([&context, arguments] {
    if (arguments->log_path.empty() && arguments->against.empty()) {
      throw CLI::RequiredError("--out or --against");
    }
    context.run = [&context, arguments] { return Simulate(context, *arguments); };
  });
}

}  // namespace fourfold
