#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "machine_floor.h"
#include "recommend_load.h"

// Asks a running server for slates at a fixed rate while events arrive at another, and says how
// long both took.
namespace fourfold::bench {
namespace {

using Json = nlohmann::json;

struct Options {
  std::string url = "http://127.0.0.1:8080";
  std::string api_key;
  std::string users_path;
  std::string type = "purchase";
  double recommend_rate = 500;
  double event_rate = 500;
  double nothing_rate = 50;
  double seconds = 20;
  double warm_up_seconds = 2;
  int limit = 20;
  int connections = 16;
  std::string json_path;
  std::string disk_directory = ".";
};

constexpr std::size_t kRequestsPrepared = 8192;
constexpr double kFloorProbesPerSecond = 50;

// One user a line; of a JSON line (the output of `fourfold recommend --all-users`) its "user".
absl::StatusOr<std::vector<std::string>> ReadUsers(const std::string& path) {
  std::ifstream file(path);
  if (!file) return InvalidArgument(path, ": cannot be read");
  std::vector<std::string> users;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    users.push_back(line.front() == '{' ? Json::parse(line).at("user").get<std::string>() : line);
  }
  if (users.empty()) return InvalidArgument(path, ": holds no users");
  return users;
}

// Items that the server would show: those of the slates of some of the users.
absl::StatusOr<std::vector<std::string>> FetchItems(const std::vector<std::string>& users,
                                                    HttpClient* client) {
  std::vector<std::string> items;
  const std::size_t step = std::max<std::size_t>(users.size() / 50, 1);
  for (std::size_t i = 0; i < users.size(); i += step) {
    const Json query = {{"user", users[i]}, {"limit", 200}, {"log_slate", false}};
    FOURFOLD_ASSIGN_OR_RETURN(const std::string body, client->Post("/v1/recommend", query.dump()));
    const Json slate = Json::parse(body);
    for (const Json& item : slate.at("items")) items.push_back(item.at("item"));
  }
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
  if (items.empty()) return FailedPrecondition("the server shows no items");
  return items;
}

std::vector<LoadStream> PrepareStreams(const Options& options, const Endpoint& endpoint,
                                       const std::vector<std::string>& users,
                                       const std::vector<std::string>& items) {
  std::mt19937_64 random(1);
  const auto any_of = [&](const std::vector<std::string>& names) {
    return names[random() % names.size()];
  };
  LoadStream slates{"recommend", options.recommend_rate, {}, options.connections};
  LoadStream events{"event", options.event_rate, {}, options.connections};
  // What any answer takes under this load, whatever is asked.
  LoadStream nothing{"nothing", options.nothing_rate, {}, options.connections};
  nothing.requests.push_back(EncodeGet(endpoint, "/health/live", options.api_key));
  for (std::size_t i = 0; i < kRequestsPrepared; ++i) {
    const Json query = {{"user", any_of(users)}, {"limit", options.limit}};
    slates.requests.push_back(EncodePost(endpoint, "/v1/recommend", query.dump(), options.api_key));
    const Json event = {{"event", "interaction"},
                        {"type", options.type},
                        {"user", any_of(users)},
                        {"item", any_of(items)}};
    events.requests.push_back(EncodePost(endpoint, "/v1/events", event.dump(), options.api_key));
  }
  return {std::move(slates), std::move(events), std::move(nothing)};
}

// A gauge of GET /metrics; 0 where it is absent.
double ReadMetric(std::string_view metrics, std::string_view name) {
  const std::string line = StrCat("\n", name, " ");
  const std::size_t at = metrics.find(line);
  if (at == std::string_view::npos) return 0;
  double value = 0;
  std::from_chars(metrics.data() + at + line.size(), metrics.data() + metrics.size(), value);
  return value;
}

Json ToJson(const StreamResult& result) {
  return {{"answered", result.answered},
          {"errors", result.errors},
          {"rate_per_second", result.rate_per_second},
          {"p50_ms", result.p50_ms},
          {"p95_ms", result.p95_ms},
          {"p99_ms", result.p99_ms},
          {"p999_ms", result.p999_ms},
          {"max_ms", result.max_ms},
          {"sent_late_p99_ms", result.sent_late_p99_ms}};
}

void PrintTable(const std::vector<StreamResult>& results) {
  std::printf("%-10s %9s %7s %8s %8s %8s %8s %8s %8s %10s\n", "stream", "answered", "errors",
              "per s", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms", "late p99");
  for (const StreamResult& result : results) {
    std::printf("%-10s %9llu %7llu %8.1f %8.3f %8.3f %8.3f %8.3f %8.3f %10.3f\n",
                result.name.c_str(), static_cast<unsigned long long>(result.answered),
                static_cast<unsigned long long>(result.errors), result.rate_per_second,
                result.p50_ms, result.p95_ms, result.p99_ms, result.p999_ms, result.max_ms,
                result.sent_late_p99_ms);
    if (result.first_error_status != 0) {
      std::printf("           the first error was HTTP %d\n", result.first_error_status);
    }
  }
}

absl::Status Run(const Options& options) {
  LoadOptions load;
  FOURFOLD_ASSIGN_OR_RETURN(load.endpoint, ParseLoopbackUrl(options.url));
  load.seconds = options.seconds;
  load.warm_up_seconds = options.warm_up_seconds;
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<std::string> users, ReadUsers(options.users_path));
  HttpClient client(load.endpoint, options.api_key);
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<std::string> items, FetchItems(users, &client));
  std::printf("%zu users, %zu items to act on; %.0f s after %.0f s of warm-up\n", users.size(),
              items.size(), options.seconds, options.warm_up_seconds);
  MachineFloor machine(options.disk_directory, kFloorProbesPerSecond);
  FOURFOLD_RETURN_IF_ERROR(machine.Start());
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<StreamResult> results,
                            DriveLoad(load, PrepareStreams(options, load.endpoint, users, items)));
  const MachineFloor::Result floor = machine.Stop();
  FOURFOLD_ASSIGN_OR_RETURN(const std::string metrics, client.Get("/metrics"));
  const double resident_bytes = ReadMetric(metrics, "process_resident_memory_bytes");

  PrintTable(results);
  std::printf(
      "the machine meanwhile: wake-up late by p50 %.3f p99 %.3f ms, disk sync p50 %.3f p99 %.3f "
      "ms\n",
      floor.wake_up.p50_ms, floor.wake_up.p99_ms, floor.disk_sync.p50_ms, floor.disk_sync.p99_ms);
  std::printf("server: %.1f MB resident\n", resident_bytes * 1e-6);
  Json json = {{"server_resident_bytes", resident_bytes},
               {"machine",
                {{"wake_up_p50_ms", floor.wake_up.p50_ms},
                 {"wake_up_p99_ms", floor.wake_up.p99_ms},
                 {"disk_sync_p50_ms", floor.disk_sync.p50_ms},
                 {"disk_sync_p99_ms", floor.disk_sync.p99_ms}}}};
  std::uint64_t errors = 0;
  for (const StreamResult& result : results) {
    json[result.name] = ToJson(result);
    errors += result.errors;
  }
  std::printf("%s\n", json.dump().c_str());
  if (!options.json_path.empty()) {
    std::ofstream file(options.json_path);
    file << json.dump() << "\n";
    if (!file.flush()) return InvalidArgument(options.json_path, ": cannot be written");
  }
  return errors == 0 ? absl::OkStatus() : Internal(errors, " requests failed");
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Load on a running server: slates and events at fixed intervals.");
  app.add_option("--url", options.url, "the server, on this machine")->capture_default_str();
  app.add_option("--api-key", options.api_key, "sent as X-API-Key");
  app.add_option("--users-from", options.users_path, "file of user ids, one a line")->required();
  app.add_option("--type", options.type, "type of the actions")->capture_default_str();
  app.add_option("--recommend-rate", options.recommend_rate, "slates a second")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--event-rate", options.event_rate, "events a second")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--nothing-rate", options.nothing_rate, "requests a second that ask for nothing")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--disk", options.disk_directory, "directory on the disk whose own speed is told")
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str();
  app.add_option("--warm-up", options.warm_up_seconds, "seconds before, not counted")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_option("--limit", options.limit, "items a slate")
      ->check(CLI::Range(1, 500))
      ->capture_default_str();
  app.add_option("--connections", options.connections, "of each stream")
      ->check(CLI::Range(1, 400))
      ->capture_default_str();
  app.add_option("--json", options.json_path, "also write the result there");
  CLI11_PARSE(app, argc, argv);
  try {
    const absl::Status status = Run(options);
    if (status.ok()) return 0;
    std::fprintf(stderr, "fourfold_recommend_load: %s\n", std::string(MessageOf(status)).c_str());
  } catch (const Json::exception& error) {
    std::fprintf(stderr, "fourfold_recommend_load: not the answer of a server: %s\n", error.what());
  }
  return 1;
}

}  // namespace
}  // namespace fourfold::bench

int main(int argc, char** argv) { return fourfold::bench::Main(argc, argv); }
