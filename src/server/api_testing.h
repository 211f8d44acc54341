#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>

#include "server/openapi.h"
#include "server/openapi_checker.h"
#include "server/server_testing.h"

namespace fourfold {

using Json = nlohmann::json;

// Asks over HTTP; every single answer is held against the description.
class ApiTest : public ::testing::Test {
 protected:
  explicit ApiTest(std::string_view recipe = TestEngine::kItemCfRecipe) : engine_(recipe) {}
  void SetUp() override {
    engine_.Fill();
    version_ = engine_.Train();
    Serve({});
  }

  void Serve(ServerOptions options) {
    client_.reset();
    server_.reset();
    options.port = 0;
    auto started = Server::Start(*engine_, options);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    client_ = std::make_unique<HttpClient>(*server_);
  }

  HttpAnswer Ask(std::string_view method, std::string_view target, std::string_view body = "",
                 const HttpClient::Headers& headers = {}) {
    HttpAnswer answer = client_->Ask(method, target, body, headers);
    EXPECT_EQ(checker_.CheckAnswer(method, target, answer.status, answer.content_type, answer.body),
              "")
        << method << " " << target << "\n"
        << answer.body;
    EXPECT_FALSE(answer.request_id.empty());
    if (method != "HEAD" && answer.json().is_object() && answer.json().contains("request_id") &&
        headers.empty()) {
      EXPECT_EQ(answer.json().at("request_id"), answer.request_id);
    }
    return answer;
  }

  // What came of the training that was asked for last.
  Json AwaitTraining() {
    for (;;) {
      const Json training = Ask("GET", "/v1/servables").json().at("training");
      if (training.at("state") != "running") return training;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  TestEngine engine_;
  std::string version_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<HttpClient> client_;
  OpenApiChecker checker_{OpenApiJson()};
};

}  // namespace fourfold
