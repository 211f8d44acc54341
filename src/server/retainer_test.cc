#include "server/retainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "base/strings.h"
#include "server/server_testing.h"

namespace fourfold {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kRecipe = R"(
name: retainer_test
catalogue: {items: acted_on}
policy: {history_window: 30d}
retain: 40d
retrievers: [{name: popular, kind: popular, window: 7d}]
)";
constexpr std::int64_t kDayMs = std::int64_t{24} * 3'600'000;

class RetainerTest : public ::testing::Test {
 protected:
  RetainerTest() : engine_(kRecipe) {}

  void Click(std::string_view user, std::int64_t days_ago) {
    const std::int64_t time_ms = engine_->Status().now_ms - days_ago * kDayMs;
    const auto results =
        engine_->IngestJson(StrCat(R"({"event":"interaction","user":")", user,
                                   R"(","item":"i","type":"click","timestamp":)", time_ms, "}\n"));
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ(results->front().outcome, IngestOutcome::kAccepted) << results->front().error;
  }

  bool HasHorizon() { return engine_->Status().horizon_ms != kSinceForEverMs; }

  bool HasHorizonWithin(std::chrono::seconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!HasHorizon() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return HasHorizon();
  }

  TestEngine engine_;
};

TEST_F(RetainerTest, OldHistoryGoesWhileTheServerAnswers) {
  Click("early", 100);
  Click("late", 1);
  ServerOptions options;
  options.port = 0;
  const auto server = Server::Start(*engine_, options);
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_TRUE(HasHorizonWithin(std::chrono::seconds(30)));
  HttpClient client(**server);
  // The horizon is moved before anything is removed; until that is done, it is due.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (engine_->IsRetentionDue() && std::chrono::steady_clock::now() < deadline) {
    ASSERT_EQ(client.Ask("GET", "/health/live").status, 200);
  }
  EXPECT_FALSE(engine_->IsRetentionDue());
  EXPECT_THAT(client.Ask("GET", "/v1/users/late/actions").body, HasSubstr("\"click\""));
  EXPECT_THAT(client.Ask("GET", "/v1/users/early/actions").body, Not(HasSubstr("\"click\"")));
  EXPECT_THAT(client.Ask("GET", "/metrics").body, HasSubstr("fourfold_horizon_seconds "));
}

// A first event of today would make it look young, and all that it holds would go.
TEST_F(RetainerTest, ALogThatIsOldAtTheStartIsLeftAlone) {
  Click("early", 100);
  Retainer retainer(&*engine_);
  Click("late", 0);
  EXPECT_FALSE(HasHorizonWithin(std::chrono::seconds(1)));
  EXPECT_TRUE(engine_->IsRetentionDue());  // now that it looks young
}

TEST_F(RetainerTest, StopDoesNotWaitForTheNextLook) {
  Click("late", 1);
  Retainer retainer(&*engine_);
  const auto started = std::chrono::steady_clock::now();
  retainer.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(2));
}

}  // namespace
}  // namespace fourfold
