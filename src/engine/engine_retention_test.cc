#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "base/strings.h"
#include "engine/test_engine.h"

// The removal of old history beside what else an engine does.
namespace fourfold {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kRetained = R"(name: retained
retain: 10d
catalogue: {items: acted_on}
retrievers: [{name: popular, kind: popular, window: 5d}]
)";

class EngineRetentionTest : public EngineTest {
 protected:
  // So many clicks of May 1, and one of yesterday.
  void Fill(Engine& engine, int old_clicks) const {
    std::string lines = R"({"event":"interaction","user":"new","type":"click","item":"i0",)"
                        R"("timestamp":"2024-05-30T00:00:00Z"})"
                        "\n";
    for (int i = 0; i < old_clicks; ++i) {
      StrAppend(&lines, R"({"event":"interaction","user":"u)", i % 50,
                R"(","type":"click","item":"i)", i % 7, R"(","timestamp":)",
                At("2024-05-01") + i * 1000, "}\n");
    }
    Import(engine, Write("clicks.jsonl", lines));
  }
};

TEST_F(EngineRetentionTest, ATrainingThatIsAskedForMeanwhileGoesFirstAndTheRemovalGoesOnLater) {
  const auto engine = Open(kRetained, "2024-05-31");
  Fill(*engine, 5000);
  std::atomic<bool> is_removing = false;
  std::atomic<bool> is_waiting = false;
  absl::Status removed;
  std::thread remover([&] {
    removed = engine
                  ->Retain({.is_cancelled =
                                [&] {
                                  is_removing = true;
                                  while (!is_waiting) std::this_thread::yield();
                                  return false;
                                }})
                  .status();
  });
  while (!is_removing) std::this_thread::yield();
  TrainRequest request;
  request.evaluate = request.tune = false;
  int asked = 0;
  request.is_cancelled = [&] {
    if (++asked == 2) is_waiting = true;  // it found the turn taken once
    return false;
  };
  const auto version = engine->Train(request);
  remover.join();
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(engine->Servables()->at(0).actions, 1u);
  EXPECT_TRUE(absl::IsCancelled(removed)) << removed;
  EXPECT_TRUE(engine->IsRetentionDue());
  const auto rest = engine->Retain({});
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_FALSE(engine->IsRetentionDue());
}

TEST_F(EngineRetentionTest, AServableThatLooksBackFartherDoesNotComeIntoUseWhileTheHorizonMoves) {
  std::string version;
  {
    const auto engine = Open(R"(name: farther
catalogue: {items: acted_on}
retrievers: [{name: popular, kind: popular, window: 5d}]
features:
  - {name: price, kind: input_field, field: price}
  - {name: clicks, kind: count, entity: user_item, types: [click], window: 20d}
ranker: {labels: {click: 1}, rounds: 3, early_stopping_rounds: 0, min_child_weight: 0}
)",
                             "2024-05-31");
    std::string lines;
    for (int i = 0; i < 60; ++i) {
      const std::int64_t time_ms = At("2024-05-29") + i * 60'000;
      StrAppend(&lines, R"({"event":"ranking","id":"s)", i, R"(","user":"u)", i,
                R"(","timestamp":)", time_ms, R"(,"items":[)");
      for (int item = 0; item < 3; ++item) {
        StrAppend(&lines, item == 0 ? "" : ",", R"({"id":"i)", item,
                  R"(","fields":[{"name":"price","value":)", item == i % 3 ? 5 : 20, "}]}");
      }
      StrAppend(&lines, "]}\n", R"({"event":"interaction","id":"c)", i, R"(","ranking":"s)", i,
                R"(","user":"u)", i, R"(","type":"click","item":"i)", i % 3, R"(","timestamp":)",
                time_ms, "}\n");
    }
    Import(*engine, Write("slates.jsonl", lines));
    TrainRequest request;
    request.evaluate = request.tune = false;
    const auto trained = engine->Train(request);
    ASSERT_TRUE(trained.ok()) << trained.status();
    version = *trained;
  }
  std::filesystem::remove_all(Path("engine/events"));
  const auto engine = Open(kRetained, "2024-05-31");
  Fill(*engine, 5000);
  ASSERT_TRUE(engine->Activate(version).ok());
  EXPECT_THAT(std::string(engine->Retain({}).status().message()), HasSubstr("look back 20d"));
  const std::string plain = TrainAndActivate(*engine);

  absl::Status activated;
  std::thread activation;
  int looks = 0;
  const auto report = engine->Retain({.is_cancelled = [&] {
    if (++looks > 1) return false;
    // The horizon has not moved yet, so that the servable would be welcome.
    EXPECT_EQ(engine->Status().horizon_ms, kSinceForEverMs);
    activation = std::thread([&] { activated = engine->Activate(version); });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    return false;
  }});
  activation.join();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(absl::IsFailedPrecondition(activated)) << activated;
  EXPECT_THAT(std::string(activated.message()), HasSubstr("below the horizon"));
  EXPECT_EQ(engine->Status().active_servable, plain);
}

TEST_F(EngineRetentionTest, AnotherRetainIsToldAndNothingStaysOfItUntilSomethingIsRemoved) {
  {
    const auto engine = Open(kRetained, "2024-05-31");
    Fill(*engine, 10);
    ASSERT_TRUE(engine->Retain({}).ok());
    EXPECT_THAT(engine->Status().warnings, Not(Contains(HasSubstr("retain"))));
  }
  std::string other(kRetained);
  other.replace(other.find("10d"), 3, "20d");
  EXPECT_THAT(Open(other, "2024-05-31")->Status().warnings,
              Contains(HasSubstr("the recipe's `retain`, 20d, is not that by which")));
  EXPECT_THAT(Open(kRetained, "2024-05-31")->Status().warnings, Not(Contains(HasSubstr("retain"))));
}

}  // namespace
}  // namespace fourfold
