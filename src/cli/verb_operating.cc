#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "base/awake_processors.h"
#include "base/status_macros.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "data/timestamp.h"
#include "server/answers.h"
#include "server/server.h"

// Running an engine: serve, status, users, retain.
namespace fourfold {
namespace {

struct ServeOptions {
  ServerOptions server;
  bool keeps_processors_awake = false;
};

absl::StatusOr<int> Serve(const Context& context, const ServeOptions& options) {
  std::optional<AwakeProcessors> awake;
  if (options.keeps_processors_awake) {
    FOURFOLD_ASSIGN_OR_RETURN(awake, AwakeProcessors::Hold());
  }
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine,
                            context.OpenEngine(/*with_servable=*/true, "ask that one"));
  context.WarnOfClock(*engine);
  FOURFOLD_ASSIGN_OR_RETURN(const auto server, Server::Start(*engine, options.server));
  FOURFOLD_RETURN_IF_ERROR(engine->KeepRecipe());
  const EngineStatus status = engine->Status();
  context.out << "serving " << status.recipe << " on " << server->url() << ", the clock at "
              << FormatTimestamp(status.now_ms) << ", servable "
              << (status.active_servable.empty() ? "none" : status.active_servable) << std::endl;
  FOURFOLD_RETURN_IF_ERROR(server->RunUntilSignal());
  context.out << "stopped" << std::endl;
  return kExitOk;
}

void AddServe(CLI::App& app, Context& context) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* verb = AddVerb(app, "serve", "Answer over HTTP until Ctrl-C",
                           "  fourfold serve\n"
                           "  fourfold serve --clock-at end --port 9000\n"
                           "  FOURFOLD_API_KEY=secret fourfold serve --address 0.0.0.0");
  verb->add_option("--address", options->server.address, "Address to listen on")
      ->capture_default_str();
  verb->add_option("--port", options->server.port, "Port, 0 for any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  verb->add_option("--api-key", options->server.api_key,
                   "Every request but /health/* must carry it")
      ->envname("FOURFOLD_API_KEY");
  verb->add_option("--threads", options->server.threads, "Threads for slates")
      ->capture_default_str();
  verb->add_option("--ingest-threads", options->server.ingest_threads, "Threads for events")
      ->capture_default_str();
  verb->add_option("--connections", options->server.connections_max, "The most open connections")
      ->capture_default_str();
  verb->add_flag("--keep-processors-awake", options->keeps_processors_awake,
                 "Let no processor go idle meanwhile: answers sooner, takes more power; for root");
  verb->callback([&context, options] {
    context.run = [&context, options] { return Serve(context, *options); };
  });
}

// Requests of the ranker's log that `status` looks at.
constexpr std::size_t kRequestsSampled = 100;

std::uint64_t Dated(const FeatureHealth& feature) {
  return std::accumulate(feature.staleness.begin(), feature.staleness.end(), std::uint64_t{0});
}

// "45 s", "3.2 h", "12.0 d".
std::string Span(double seconds) {
  if (seconds < 3600) return Decimal(seconds, 0) + " s";
  if (seconds < 48 * 3600) return Decimal(seconds / 3600, 1) + " h";
  return Decimal(seconds / 86400, 1) + " d";
}

nlohmann::ordered_json FeaturesJson(const std::vector<FeatureHealth>& features) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const FeatureHealth& feature : features) {
    const std::uint64_t dated = Dated(feature);
    nlohmann::ordered_json json = {{"name", feature.name},
                                   {"values", feature.values},
                                   {"nulls", feature.nulls},
                                   {"defaults", feature.defaults}};
    json["mean_staleness_seconds"] = nullptr;
    if (dated > 0) {
      json["mean_staleness_seconds"] = feature.staleness_seconds / static_cast<double>(dated);
    }
    list.push_back(std::move(json));
  }
  return list;
}

void PrintFeatures(const std::vector<FeatureHealth>& features, std::ostream& out) {
  if (features.empty() || features.front().values == 0) return;
  out << "\nfeatures, as the newest requests that the ranker's log holds had them\n";
  using Align = Table::Align;
  Table table({{"feature"},
               {"values", Align::kRight},
               {"null", Align::kRight},
               {"default", Align::kRight},
               {"newest event, mean age", Align::kRight}});
  for (const FeatureHealth& feature : features) {
    const auto share = [&](std::uint64_t count) {
      return Decimal(100 * static_cast<double>(count) / static_cast<double>(feature.values), 1) +
             " %";
    };
    const std::uint64_t dated = Dated(feature);
    table.AddRow({feature.name, Thousands(feature.values), share(feature.nulls),
                  share(feature.defaults),
                  dated == 0 ? "" : Span(feature.staleness_seconds / static_cast<double>(dated))});
  }
  table.Print(out);
}

absl::StatusOr<int> ShowStatus(const Context& context) {
  FOURFOLD_ASSIGN_OR_RETURN(const auto engine, context.OpenEngine());
  const EngineStatus status = engine->Status();
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<FeatureHealth> features,
                            engine->ServedFeatures(kRequestsSampled));
  const bool has_times = status.last_event_time_ms != kSinceForEverMs;
  if (context.json()) {
    const nlohmann::ordered_json json = {
        {"directory", status.directory},
        {"recipe", status.recipe},
        {"events", status.events},
        {"items", status.items},
        {"now", FormatTimestamp(status.now_ms)},
        {"last_event_time", has_times
                                ? nlohmann::ordered_json(FormatTimestamp(status.last_event_time_ms))
                                : nlohmann::ordered_json()},
        {"horizon", status.horizon_ms == kSinceForEverMs
                        ? nlohmann::ordered_json()
                        : nlohmann::ordered_json(FormatTimestamp(status.horizon_ms))},
        {"active_servable", status.active_servable},
        {"previous_servable", status.previous_servable},
        {"refused_servable", status.refused_servable},
        {"disk_bytes", status.disk_bytes},
        {"memory_bytes", status.memory_bytes},
        {"feature_state_bytes", status.feature_state.value_or(FeatureStateInfo()).bytes},
        {"warnings", status.warnings},
        {"features", FeaturesJson(features)}};
    context.out << json.dump() << "\n";
    return kExitOk;
  }
  const auto or_none = [](const std::string& text) { return text.empty() ? "none" : text; };
  Table table({{"engine"}, {status.directory}});
  table.AddRow({"recipe", status.recipe});
  table.AddRow({"clock", FormatTimestamp(status.now_ms)});
  table.AddRow({"events", Thousands(status.events)});
  table.AddRow({"newest event", has_times ? FormatTimestamp(status.last_event_time_ms) : "none"});
  if (status.horizon_ms != kSinceForEverMs) {
    table.AddRow({"history from", FormatTimestamp(status.horizon_ms)});
  }
  table.AddRow({"items", Thousands(status.items)});
  table.AddRow({"active servable", or_none(status.active_servable)});
  if (!status.refused_servable.empty()) {
    table.AddRow({"refused servable", status.refused_servable});
  }
  table.AddRow({"previous servable", or_none(status.previous_servable)});
  table.AddRow({"on disk", Bytes(status.disk_bytes)});
  table.AddRow({"store's memory", Bytes(status.memory_bytes)});
  if (const auto& state = status.feature_state; state.has_value()) {
    table.AddRow({"state of features",
                  Bytes(state->bytes) + (state->is_cached ? ", the rest in the histories" : "")});
  }
  table.Print(context.out);
  PrintFeatures(features, context.out);
  return kExitOk;
}

void AddUsers(CLI::App& app, Context& context) {
  const auto user = std::make_shared<std::string>();
  CLI::App* verb = AddVerb(app, "users", "What concerns one user", "  fourfold users erase 17850");
  verb->require_subcommand(1);
  CLI::App* erase =
      AddVerb(*verb, "erase", "Forget a user: every event and history of theirs, for good",
              "  fourfold users erase 17850");
  erase->add_option("USER", *user, "The user")->required();
  erase->callback([&context, user] {
    context.run = [&context, user]() -> absl::StatusOr<int> {
      FOURFOLD_ASSIGN_OR_RETURN(
          const auto engine,
          context.OpenEngine(/*with_servable=*/false, "ask it: DELETE /v1/users/ID"));
      FOURFOLD_ASSIGN_OR_RETURN(const std::uint64_t events, engine->EraseUser(*user));
      if (context.json()) {
        context.out << ErasedJson(*user, events, "") << "\n";
      } else {
        context.out << "user " << *user << " is forgotten; " << Thousands(events)
                    << " events were removed\n";
      }
      return kExitOk;
    };
  });
}

absl::StatusOr<int> Retain(const Context& context, bool everything) {
  FOURFOLD_ASSIGN_OR_RETURN(
      const auto engine,
      context.OpenEngine(/*with_servable=*/true, "it removes old history by itself"));
  FOURFOLD_ASSIGN_OR_RETURN(const RetentionReport report,
                            engine->Retain({.compact = true, .everything = everything}));
  FOURFOLD_RETURN_IF_ERROR(engine->KeepRecipe());  // what is gone went by it
  const std::uint64_t freed =
      report.disk_bytes_before - std::min(report.disk_bytes_before, report.disk_bytes_after);
  if (context.json()) {
    const nlohmann::ordered_json json = {{"horizon", FormatTimestamp(report.horizon_ms)},
                                         {"events", report.events},
                                         {"freed_bytes", freed},
                                         {"disk_bytes", report.disk_bytes_after}};
    context.out << json.dump() << "\n";
  } else {
    context.out << Thousands(report.events) << " events from before "
                << FormatTimestamp(report.horizon_ms) << " were removed, " << Bytes(freed)
                << " freed; " << Bytes(report.disk_bytes_after) << " are on disk\n";
  }
  return kExitOk;
}

void AddRetain(CLI::App& app, Context& context) {
  const auto everything = std::make_shared<bool>(false);
  CLI::App* verb = AddVerb(app, "retain", "Remove history that is older than the recipe's `retain`",
                           "  fourfold retain\n  fourfold retain --clock-at end");
  verb->add_flag("--all", *everything, "Also where nothing of the log is left");
  verb->callback([&context, everything] {
    context.run = [&context, everything] { return Retain(context, *everything); };
  });
}

}  // namespace

void AddOperatingVerbs(CLI::App& app, Context& context) {
  AddServe(app, context);
  CLI::App* verb = AddVerb(app, "status", "What the engine holds and how it is",
                           "  fourfold status\n  fourfold status --format json");
  verb->callback([&context] { context.run = [&context] { return ShowStatus(context); }; });
  AddUsers(app, context);
  AddRetain(app, context);
}

}  // namespace fourfold
