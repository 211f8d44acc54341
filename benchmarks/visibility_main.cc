#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "client/loopback_http.h"
#include "data/timestamp.h"

// Proves that an acknowledged action is in the very next answer: posts an interaction, asks for a
// slate with its explanation, and looks for the action at the head of the history; thousands of
// times. With --ranker it asks for a list in order instead, and looks for the action at the head of
// the sequence that a TransAct ranker attended to. Ends with 1 at the first answer that lacks it.
namespace fourfold::bench {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string url = "http://127.0.0.1:8080";
  std::string api_key;
  std::string type = "purchase";
  int rounds = 10'000;
  bool ranker = false;
  int users = 100;  // in turn, so that two actions of one user are never of one millisecond
  std::string json_path;
};

struct Result {
  int visible = 0;
  std::vector<double> acknowledged_ms;
  std::vector<double> visible_ms;  // from the acknowledgement to the answer that holds the action
};

double MillisecondsSince(Clock::time_point began) {
  return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

absl::StatusOr<std::vector<std::string>> SomeItems(HttpClient* client) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::string body,
                            client->Post("/v1/recommend", R"({"limit":100,"log_slate":false})"));
  std::vector<std::string> items;
  const Json slate = Json::parse(body);
  for (const Json& item : slate.at("items")) items.push_back(item.at("item"));
  if (items.empty()) return FailedPrecondition("the server knows no item");
  return items;
}

bool LeadsHistory(const Json& slate, const std::string& item, std::int64_t event_time_ms) {
  const Json& history = slate.at("history");
  return !history.empty() && history.at(0).at("item") == item &&
         *ParseTimestamp(history.at(0).at("timestamp").get<std::string>()) == event_time_ms;
}

// The newest action before this one was on another item.
bool LeadsSequence(const Json& ranked, const std::string& type, const std::string& item) {
  return ranked.at("items")
      .at(0)
      .at("contributions")
      .contains(StrCat("action 1: ", type, " ", item));
}

absl::Status Round(const Options& options, int round, const std::string& item, HttpClient* client,
                   Result* result) {
  const std::string user = StrCat("visibility-", round % options.users);
  const Json event = {
      {"event", "interaction"}, {"user", user}, {"item", item}, {"type", options.type}};
  const auto began = Clock::now();
  FOURFOLD_ASSIGN_OR_RETURN(const std::string taken, client->Post("/v1/events", event.dump()));
  result->acknowledged_ms.push_back(MillisecondsSince(began));
  const std::int64_t event_time_ms = Json::parse(taken).at("results").at(0).at("event_time_ms");

  Json query = {{"user", user}, {"explain", true}};
  if (options.ranker) {
    query["items"] = Json::array({item});
  } else {
    query["limit"] = 1;
    query["log_slate"] = false;
  }
  const auto acknowledged = Clock::now();
  FOURFOLD_ASSIGN_OR_RETURN(
      const std::string answer,
      client->Post(options.ranker ? "/v1/rank" : "/v1/recommend", query.dump()));
  result->visible_ms.push_back(MillisecondsSince(acknowledged));
  const Json json = Json::parse(answer);
  const bool is_there = options.ranker ? LeadsSequence(json, options.type, item)
                                       : LeadsHistory(json, item, event_time_ms);
  if (!is_there) {
    return DataLoss("round ", round, ": the action on ", item, " is not the newest of ", user);
  }
  ++result->visible;
  return absl::OkStatus();
}

absl::Status Run(const Options& options) {
  FOURFOLD_ASSIGN_OR_RETURN(Endpoint endpoint, ParseLoopbackUrl(options.url));
  HttpClient client(std::move(endpoint), options.api_key);
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<std::string> items, SomeItems(&client));
  Result result;
  absl::Status status;
  for (int round = 0; round < options.rounds && status.ok(); ++round) {
    // Another item each time that a user's turn comes.
    const auto turn = static_cast<std::size_t>(round / options.users + round % options.users);
    const std::string& item = items[turn % items.size()];
    status = Round(options, round, item, &client, &result);
  }
  const Json json = {{"rounds", options.rounds},
                     {"visible", result.visible},
                     {"ack_p50_ms", Percentile(result.acknowledged_ms, 0.5)},
                     {"ack_p99_ms", Percentile(result.acknowledged_ms, 0.99)},
                     {"next_answer_p50_ms", Percentile(result.visible_ms, 0.5)},
                     {"next_answer_p99_ms", Percentile(result.visible_ms, 0.99)}};
  std::printf("acknowledged actions that were in the next answer: %d of %d\n", result.visible,
              options.rounds);
  std::printf("%s\n", json.dump().c_str());
  if (!options.json_path.empty()) {
    std::FILE* file = std::fopen(options.json_path.c_str(), "w");
    if (file == nullptr) return InvalidArgument(options.json_path, ": cannot be written");
    std::fprintf(file, "%s\n", json.dump().c_str());
    std::fclose(file);
  }
  return status;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Checks that each acknowledged action is in the next answer.");
  app.add_option("--url", options.url, "the server, on this machine")->capture_default_str();
  app.add_option("--api-key", options.api_key, "sent as X-API-Key");
  app.add_option("--type", options.type, "type of the actions")->capture_default_str();
  app.add_option("--rounds", options.rounds, "how often")->check(CLI::Range(1, 10'000'000));
  app.add_option("--users", options.users, "how many users in turn")->check(CLI::Range(1, 100'000));
  app.add_flag("--ranker", options.ranker, "look at what the TransAct ranker attended to");
  app.add_option("--json", options.json_path, "also write the result there");
  CLI11_PARSE(app, argc, argv);
  try {
    const absl::Status status = Run(options);
    if (status.ok()) return 0;
    std::fprintf(stderr, "fourfold_visibility_check: %s\n", std::string(MessageOf(status)).c_str());
  } catch (const Json::exception& error) {
    std::fprintf(stderr, "fourfold_visibility_check: not the answer of a server: %s\n",
                 error.what());
  }
  return 1;
}

}  // namespace
}  // namespace fourfold::bench

int main(int argc, char** argv) { return fourfold::bench::Main(argc, argv); }
