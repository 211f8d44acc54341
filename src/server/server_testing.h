#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "fourfold/engine.h"
#include "server/server.h"

// For tests: a real engine with a small trained servable, and an HTTP client that sends what it is
// told, byte by byte where a test wants so.
namespace fourfold {

class TestEngine {
 public:
  static constexpr std::string_view kItemCfRecipe = R"(
name: server_test
catalogue: {items: declared}
training: {actions: [click]}
retrievers:
  - {name: item_cf, kind: item_cf, actions: [click], neighbours: 20}
  - {name: popular, kind: popular, actions: [click]}
blend: {method: reciprocal_rank, weights: {item_cf: 1.0, popular: 0.2}}
policy:
  seen_actions: [{type: click}]
features:
  - {name: clicks, kind: count, entity: item, types: [click]}
  - {name: price, kind: attribute, entity: item, field: price}
  - {name: clicked, kind: count, entity: user, types: [click]}
  - {name: latest, kind: sequence, entity: user, length: 3, fields: [price]}
ranker:
  rows: actions
  labels: {click: 1}
  objective: logistic
  rounds: 3
  validation_share: 0
)";

  explicit TestEngine(std::string_view recipe_text = kItemCfRecipe) {
    static int made = 0;
    path_ = std::filesystem::temp_directory_path() /
            StrCat("fourfold_server_test_", getpid(), "_", made++);
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
    const std::string recipe = (path_ / "recipe.yaml").string();
    std::ofstream(recipe) << recipe_text;
    EngineOptions options;
    options.directory = (path_ / "engine").string();
    options.recipe_path = recipe;
    auto opened = Engine::Open(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (opened.ok()) engine_ = *std::move(opened);
  }
  ~TestEngine() {
    engine_.reset();
    std::filesystem::remove_all(path_);
  }

  Engine& operator*() { return *engine_; }
  Engine* operator->() { return engine_.get(); }
  const std::filesystem::path& path() const { return path_; }

  // Thirty items, twenty users who each clicked on five neighbouring ones.
  void Fill() {
    std::string lines;
    for (int item = 0; item < 30; ++item) {
      StrAppend(&lines, R"({"event":"item","item":"i)", item,
                R"(","timestamp":"since_for_ever","fields":[{"name":"price","value":)", item,
                R"(},{"name":"title","value":"thing )", item, "\"}]}\n");
    }
    for (int user = 0; user < 20; ++user) {
      for (int step = 0; step < 5; ++step) {
        StrAppend(&lines, R"({"event":"interaction","user":"u)", user, R"(","item":"i)",
                  (user + step) % 30, R"(","type":"click","timestamp":)",
                  1'600'000'000'000 + user * 1000 + step, "}\n");
      }
    }
    const auto results = engine_->IngestJson(lines);
    ASSERT_TRUE(results.ok()) << results.status();
    for (const IngestResult& result : *results) {
      ASSERT_EQ(result.outcome, IngestOutcome::kAccepted) << result.error;
    }
  }

  // Learns, publishes and activates; returns the version.
  std::string Train() {
    TrainRequest request;
    request.evaluate = false;
    request.tune = false;
    const auto version = engine_->Train(request);
    EXPECT_TRUE(version.ok()) << version.status();
    if (!version.ok()) return "";
    const absl::Status activated = engine_->Activate(*version);
    EXPECT_TRUE(activated.ok()) << activated;
    return *version;
  }

 private:
  std::filesystem::path path_;
  std::unique_ptr<Engine> engine_;
};

struct HttpAnswer {
  int status = 0;  // 0: the connection ended without an answer
  std::string content_type, request_id, allow, retry_after, authenticate, body;
  bool keep_alive = false;

  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
  // The problem's name, or "".
  std::string problem() const {
    constexpr std::string_view kPrefix = "urn:fourfold:problem:";
    const nlohmann::json parsed = json();
    if (!parsed.is_object() || !parsed.contains("type")) return "";
    const std::string type = parsed.at("type");
    return type.rfind(kPrefix, 0) == 0 ? type.substr(kPrefix.size()) : "";
  }
};

class HttpClient {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  explicit HttpClient(const Server& server) : socket_(io_) {
    const boost::asio::ip::tcp::endpoint endpoint(boost::asio::ip::make_address("127.0.0.1"),
                                                  server.port());
    boost::system::error_code error;
    socket_.connect(endpoint, error);
    connected_ = !error;
  }

  bool connected() const { return connected_; }
  boost::asio::ip::tcp::socket& socket() { return socket_; }

  bool Send(std::string_view bytes) {
    boost::system::error_code error;
    boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), error);
    return !error;
  }

  HttpAnswer Receive(bool head = false) {
    namespace http = boost::beast::http;
    std::optional<http::response_parser<http::string_body>> parser;
    boost::system::error_code error;
    do {  // past 100 Continue
      parser.emplace();
      parser->skip(head);
      parser->body_limit(64 << 20);
      http::read_header(socket_, buffer_, *parser, error);
    } while (!error && parser->get().result_int() == 100);
    if (!error) http::read(socket_, buffer_, *parser, error);
    if (error) return {};
    const auto& message = parser->get();
    const auto field = [&](const char* name) {
      const auto value = message[name];
      return std::string(value.data(), value.size());
    };
    return {static_cast<int>(message.result_int()),
            field("Content-Type"),
            field("X-Request-Id"),
            field("Allow"),
            field("Retry-After"),
            field("WWW-Authenticate"),
            message.body(),
            message.keep_alive()};
  }

  static std::string Encode(std::string_view method, std::string_view target, std::string_view body,
                            const Headers& headers = {}) {
    std::string request = StrCat(method, " ", target, " HTTP/1.1\r\nHost: test\r\n");
    for (const auto& [name, value] : headers) StrAppend(&request, name, ": ", value, "\r\n");
    if (!body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
      StrAppend(&request, "Content-Length: ", body.size(), "\r\n");
    }
    StrAppend(&request, "\r\n", body);
    return request;
  }

  HttpAnswer Ask(std::string_view method, std::string_view target, std::string_view body = "",
                 const Headers& headers = {}) {
    if (!Send(Encode(method, target, body, headers))) return {};
    return Receive(method == "HEAD");
  }

  // True when the other side has closed and there is nothing left to read.
  bool AtEnd() {
    char byte = 0;
    boost::system::error_code error;
    boost::asio::read(socket_, boost::asio::buffer(&byte, 1), error);
    return static_cast<bool>(error);
  }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
  bool connected_ = false;
};

}  // namespace fourfold
