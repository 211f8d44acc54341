#include "server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "server/server_testing.h"

namespace fourfold {
namespace {

using ::testing::HasSubstr;
using Seconds = std::chrono::duration<double>;

constexpr std::string_view kLive = "GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n";

std::string ClickEvent(std::string_view user, std::string_view item, std::string_view id) {
  return StrCat(R"({"event":"interaction","type":"click","user":")", user, R"(","item":")", item,
                R"(","id":")", id, "\"}");
}

class ServerTest : public ::testing::Test {
 protected:
  void Serve(ServerOptions options) {
    options.port = 0;
    auto started = Server::Start(*engine_, options);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }

  HttpAnswer AskRaw(std::string_view bytes) {
    HttpClient client(*server_);
    client.Send(bytes);
    return client.Receive();
  }

  TestEngine engine_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, OneConnectionServesManyRequests) {
  Serve({});
  HttpClient client(*server_);
  for (int i = 0; i < 100; ++i) {
    const HttpAnswer answer = client.Ask("GET", "/health/live");
    ASSERT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.keep_alive);
  }
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  engine_.Fill();
  Serve({});
  HttpClient client(*server_);
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    const std::string id = StrCat("p", i);
    requests += HttpClient::Encode("POST", "/v1/events", ClickEvent("u", "i1", id),
                                   {{"X-Request-Id", StrCat("event-", i)}});
    requests += HttpClient::Encode("POST", "/v1/recommend", R"({"user":"u"})",
                                   {{"X-Request-Id", StrCat("slate-", i)}});
  }
  ASSERT_TRUE(client.Send(requests));
  for (int i = 0; i < 20; ++i) {
    const HttpAnswer taken = client.Receive();
    EXPECT_EQ(taken.status, 200) << taken.body;
    EXPECT_EQ(taken.request_id, StrCat("event-", i));
    EXPECT_EQ(client.Receive().request_id, StrCat("slate-", i));
  }
}

TEST_F(ServerTest, ARequestMayComeByteByByte) {
  Serve({});
  HttpClient client(*server_);
  const std::string request =
      HttpClient::Encode("POST", "/v1/events", ClickEvent("u", "i", "bytes"));
  for (const char byte : request) ASSERT_TRUE(client.Send({&byte, 1}));
  EXPECT_EQ(client.Receive().status, 200);
}

TEST_F(ServerTest, ABodyMayComeInChunks) {
  Serve({});
  const std::string event = ClickEvent("u", "i", "chunks");
  char size[8];
  std::snprintf(size, sizeof size, "%zx", event.size() - 1);
  const HttpAnswer answer = AskRaw(
      StrCat("POST /v1/events HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
             event.substr(0, 1), "\r\n", size, "\r\n", event.substr(1), "\r\n0\r\n\r\n"));
  EXPECT_EQ(answer.status, 200) << answer.body;
}

TEST_F(ServerTest, AClientThatExpectsToContinueIsToldTo) {
  Serve({});
  HttpClient client(*server_);
  const std::string event = ClickEvent("u", "i", "continue");
  client.Send(StrCat("POST /v1/events HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n",
                     "Content-Length: ", event.size(), "\r\n\r\n"));
  std::string interim(25, ' ');
  boost::asio::read(client.socket(), boost::asio::buffer(interim));
  EXPECT_EQ(interim, "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send(event);
  EXPECT_EQ(client.Receive().status, 200);
}

TEST_F(ServerTest, ConnectionsCloseWhenTheClientSaysSo) {
  Serve({});
  HttpClient client(*server_);
  const HttpAnswer answer = client.Ask("GET", "/health/live", "", {{"Connection", "close"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.keep_alive);
  EXPECT_TRUE(client.AtEnd());
  HttpClient old(*server_);
  old.Send("GET /health/live HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.Receive().status, 200);
  EXPECT_TRUE(old.AtEnd());
}

TEST_F(ServerTest, WhatIsNoHttpIsRefusedAndClosed) {
  Serve({});
  for (const char* bytes :
       {"nonsense\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: a\r\n folded: b\r\nX : y\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    const HttpAnswer answer = AskRaw(bytes);
    EXPECT_EQ(answer.status, 400) << bytes << answer.body;
    EXPECT_EQ(answer.problem(), "invalid-request") << bytes;
  }
  EXPECT_EQ(AskRaw(kLive).status, 200);
}

TEST_F(ServerTest, AHeaderPastTheLimitIsRefused) {
  Serve({.header_bytes_max = 1024});
  const HttpAnswer answer =
      AskRaw(StrCat("GET /health/live HTTP/1.1\r\nHost: a\r\nX: ", std::string(2000, 'x')));
  EXPECT_EQ(answer.status, 431);
  EXPECT_EQ(answer.problem(), "header-too-large");
  EXPECT_FALSE(answer.keep_alive);
  EXPECT_EQ(AskRaw(StrCat("GET /health/live HTTP/1.1\r\nHost: a\r\nX: ", std::string(900, 'x'),
                          "\r\n\r\n"))
                .status,
            200);
}

TEST_F(ServerTest, ABodyPastTheLimitIsRefusedWhileItIsStillBeingSent) {
  Serve({.body_bytes_max = 4096});
  const std::string fits = std::string(4096, ' ');
  HttpClient client(*server_);
  EXPECT_EQ(client.Ask("POST", "/v1/recommend", fits).problem(), "invalid-request");
  const HttpAnswer over = client.Ask("POST", "/v1/recommend", fits + " ");
  EXPECT_EQ(over.status, 413);
  EXPECT_EQ(over.problem(), "body-too-large");

  HttpClient large(*server_);
  EXPECT_EQ(large.Ask("POST", "/v1/recommend", std::string(4 << 20, ' ')).status, 413);

  HttpClient chunked(*server_);
  chunked.Send("POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 8; ++i) chunked.Send(StrCat("400\r\n", std::string(1024, ' '), "\r\n"));
  EXPECT_EQ(chunked.Receive().status, 413);
}

TEST_F(ServerTest, ABodyOfAStrangerIsNotWaitedFor) {
  ServerOptions options;
  options.api_key = "open sesame";
  Serve(options);
  HttpClient client(*server_);
  client.Send("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{");
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.authenticate, "Bearer");
  EXPECT_FALSE(answer.keep_alive);

  HttpClient known(*server_);
  known.Send(
      "POST /v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: open sesame\r\n"
      "Content-Length: 2\r\n\r\n[");
  known.Send("]");
  EXPECT_EQ(known.Receive().status, 200);
}

TEST_F(ServerTest, LargeBodiesShareOneBudget) {
  constexpr std::size_t kLarge = 800 << 10;
  Serve({.body_bytes_max = 1 << 20, .bodies_bytes_max = 1 << 20});
  HttpClient first(*server_);
  const std::string head =
      StrCat("POST /v1/recommend HTTP/1.1\r\nHost: a\r\nContent-Length: ", kLarge, "\r\n\r\n");
  first.Send(head + "{");
  // The answer to a small request says that the server has read the header before it.
  for (int i = 0; i < 5; ++i) ASSERT_EQ(AskRaw(kLive).status, 200);
  HttpClient second(*server_);
  second.Send(head + "{");
  const HttpAnswer refused = second.Receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.retry_after, "1");
  first.Send(std::string(kLarge - 2, ' ') + "}");
  EXPECT_EQ(first.Receive().status, 200);
  HttpClient third(*server_);
  third.Send(head + std::string(kLarge - 2, ' ') + "{}");
  EXPECT_EQ(third.Receive().status, 200);
}

TEST_F(ServerTest, ASlowRequestTimesOut) {
  Serve({.request_seconds_max = 1});
  HttpClient client(*server_);
  const auto began = std::chrono::steady_clock::now();
  client.Send("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{");
  const HttpAnswer answer = client.Receive();
  const Seconds taken = std::chrono::steady_clock::now() - began;
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.problem(), "request-timeout");
  EXPECT_GE(taken.count(), 0.9);
  EXPECT_LT(taken.count(), 5);
  EXPECT_EQ(AskRaw(kLive).status, 200);
}

TEST_F(ServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  Serve({.idle_seconds_max = 1});
  HttpClient client(*server_);
  ASSERT_EQ(client.Ask("GET", "/health/live").status, 200);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(ServerTest, ConnectionsPastTheLimitAreToldToComeBack) {
  Serve({.connections_max = 2});
  HttpClient first(*server_);
  {
    HttpClient second(*server_);
    ASSERT_EQ(first.Ask("GET", "/health/live").status, 200);
    ASSERT_EQ(second.Ask("GET", "/health/live").status, 200);
    HttpClient third(*server_);
    const HttpAnswer refused = third.Receive();
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.problem(), "unavailable");
    EXPECT_TRUE(third.AtEnd());
  }
  int status = 503;
  for (int attempt = 0; attempt < 100 && status == 503; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    HttpClient again(*server_);
    again.Send(kLive);
    status = again.Receive().status;
  }
  EXPECT_EQ(status, 200);
}

TEST_F(ServerTest, BadOptionsAndTakenPortsAreErrors) {
  const auto error = [&](const ServerOptions& options) {
    const auto started = Server::Start(*engine_, options);
    return started.ok() ? std::string("started") : std::string(MessageOf(started.status()));
  };
  EXPECT_THAT(error({.address = "nowhere", .port = 0}), HasSubstr("address"));
  EXPECT_THAT(error({.port = 0, .threads = 0}), HasSubstr("threads"));
  EXPECT_THAT(error({.port = 0, .connections_max = -1}), HasSubstr("not -1"));
  EXPECT_THAT(error({.port = 0, .bodies_bytes_max = 1}), HasSubstr("bodies_bytes_max"));
  Serve({});
  EXPECT_EQ(server_->url(), StrCat("http://127.0.0.1:", server_->port()));
  EXPECT_THAT(error({.port = server_->port()}), HasSubstr("cannot listen"));
}

TEST_F(ServerTest, NoRequestFailsWhileServablesAreSwapped) {
  engine_.Fill();
  const std::string first = engine_.Train();
  ASSERT_TRUE((*engine_).IngestJson(ClickEvent("u1", "i20", "swap")).ok());
  const std::string second = engine_.Train();
  Serve({});
  std::atomic<bool> stop{false};
  std::atomic<int> slates{0}, failures{0}, strangers{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      HttpClient client(*server_);
      for (int i = 0; !stop; ++i) {
        const HttpAnswer slate =
            client.Ask("POST", "/v1/recommend", StrCat(R"({"user":"u)", i % 20, "\"}"));
        const HttpAnswer taken = client.Ask(
            "POST", "/v1/events", ClickEvent(StrCat("s", c), "i1", StrCat("swap-", c, "-", i)));
        if (slate.status != 200 || taken.status != 200) {
          ++failures;
        } else {
          const std::string version = slate.json().at("servable");
          if (version != first && version != second) ++strangers;
        }
        ++slates;
      }
    });
  }
  HttpClient operations(*server_);
  for (int i = 0; i < 20; ++i) {
    const HttpAnswer swapped =
        operations.Ask("POST", StrCat("/v1/servables/", i % 2 ? second : first, ":activate"));
    EXPECT_EQ(swapped.status, 200) << swapped.body;
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_GT(slates, 20);
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(strangers, 0);
}

TEST(ServerTrainingTest, OneTrainingRunsAtATimeAndStoppingCallsItOff) {
  std::string recipe(TestEngine::kItemCfRecipe);
  const std::string_view few = "rounds: 3";
  recipe.replace(recipe.find(few), few.size(), "rounds: 10000");  // longer than anybody waits
  TestEngine engine(recipe);
  engine.Fill();
  auto server = Server::Start(*engine, {.port = 0});
  ASSERT_TRUE(server.ok()) << server.status();
  HttpClient client(**server);
  ASSERT_EQ(client.Ask("POST", "/v1/servables", R"({"activate":true})").status, 202);
  EXPECT_EQ(client.Ask("POST", "/v1/servables").problem(), "conflict");
  // Requests and events go on meanwhile.
  EXPECT_EQ(client.Ask("POST", "/v1/events", ClickEvent("u1", "i20", "meanwhile")).status, 200);
  EXPECT_EQ(client.Ask("POST", "/v1/recommend", R"({"user":"u1"})").status, 200);
  std::string stage;
  while (stage != "growing trees") {
    const nlohmann::json training = client.Ask("GET", "/v1/servables").json().at("training");
    ASSERT_EQ(training.at("state"), "running") << training;
    stage = training.at("stage");
  }
  (*server)->Stop();
  EXPECT_TRUE(engine->Servables()->empty());
  // Nobody trains any more: the turn is free.
  EvaluateRequest request;
  request.resamples = 1;
  request.methods = {"popular"};
  EXPECT_FALSE(absl::IsFailedPrecondition(engine->Evaluate(request).status()));
}

TEST_F(ServerTest, StoppingFinishesTheRequestThatHasBegun) {
  Serve({});
  HttpClient client(*server_), idle(*server_);
  ASSERT_EQ(idle.Ask("GET", "/health/live").status, 200);
  ASSERT_EQ(client.Ask("GET", "/health/live").status, 200);
  const std::string request =
      HttpClient::Encode("POST", "/v1/events", ClickEvent("u", "i", "last"));
  client.Send(request.substr(0, 40));
  for (int i = 0; i < 5; ++i) ASSERT_EQ(AskRaw(kLive).status, 200);
  std::thread stopping([&] { server_->Stop(); });
  EXPECT_TRUE(idle.AtEnd());  // the drain has begun
  client.Send(request.substr(40));
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_FALSE(answer.keep_alive);
  EXPECT_TRUE(client.AtEnd());
  client.socket().close();
  stopping.join();
  EXPECT_FALSE(HttpClient(*server_).connected());
  EXPECT_EQ((*engine_).GetUserActions("u", 10)->size(), 1U);
}

TEST_F(ServerTest, StoppingUnderLoadLosesNothingThatWasAcknowledged) {
  Serve({});
  constexpr int kClients = 4;
  std::vector<std::set<std::string>> acknowledged(kClients);
  std::atomic<int> taken{0}, broken{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      HttpClient client(*server_);
      for (int i = 0;; ++i) {
        const std::string id = StrCat("load-", c, "-", i);
        const HttpAnswer answer =
            client.Ask("POST", "/v1/events", ClickEvent(StrCat("c", c), "i", id));
        if (answer.status == 0) return;
        if (answer.status != 200) ++broken;
        acknowledged[static_cast<std::size_t>(c)].insert(id);
        ++taken;
      }
    });
  }
  while (taken < 200) std::this_thread::yield();
  server_->Stop();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(broken, 0);
  for (int c = 0; c < kClients; ++c) {
    const auto actions = (*engine_).GetUserActions(StrCat("c", c), 1000);
    ASSERT_TRUE(actions.ok()) << actions.status();
    std::set<std::string> kept;
    for (const Event& action : *actions) kept.insert(action.id);
    EXPECT_EQ(kept.size(), actions->size());
    const std::set<std::string>& wanted = acknowledged[static_cast<std::size_t>(c)];
    // One more may be in the log: taken, but the client was not told.
    EXPECT_TRUE(std::includes(kept.begin(), kept.end(), wanted.begin(), wanted.end()));
    EXPECT_LE(kept.size(), wanted.size() + 1);
  }
}

TEST_F(ServerTest, ASignalStopsIt) {
  Serve({});
  std::thread running([&] { EXPECT_TRUE(server_->RunUntilSignal().ok()); });
  struct sigaction action {};
  do {  // the signal would end this very process before somebody waits for it
    std::this_thread::yield();
    sigaction(SIGTERM, nullptr, &action);
  } while (action.sa_handler == SIG_DFL);
  kill(getpid(), SIGTERM);
  running.join();
  EXPECT_FALSE(HttpClient(*server_).connected());
}

}  // namespace
}  // namespace fourfold
