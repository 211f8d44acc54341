#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "engine/test_engine.h"

// The removal of old history beside what else an engine does.
namespace fourfold {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kRetained = R"(name: retained
retain: 10d
catalogue: {items: acted_on}
retrievers: [{name: popular, kind: popular, window: 5d}]
)";

constexpr std::string_view kRanked = R"(name: ranked
retain: 10d
catalogue: {items: acted_on}
retrievers: [{name: popular, kind: popular, window: 5d}]
features:
  - {name: price, kind: input_field, field: price}
  - {name: clicks, kind: count, entity: user_item, types: [click], window: 5d}
ranker: {labels: {click: 1}, rounds: 3, early_stopping_rounds: 0, min_child_weight: 0}
)";

constexpr std::string_view kFarther = R"(name: farther
catalogue: {items: acted_on}
retrievers: [{name: popular, kind: popular, window: 5d}]
features:
  - {name: price, kind: input_field, field: price}
  - {name: clicks, kind: count, entity: user_item, types: [click], window: 20d}
ranker: {labels: {click: 1}, rounds: 3, early_stopping_rounds: 0, min_child_weight: 0}
)";

constexpr int kOldClicks = 2500;
constexpr int kSlates = 60;
constexpr int kNewClicks = 3000;

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

  // Of May 29; each user clicks one of three items.
  static std::string Slates() {
    std::string lines;
    for (int i = 0; i < kSlates; ++i) {
      const std::int64_t time_ms = At("2024-05-29") + i * 60'000;
      StrAppend(&lines, R"({"event":"ranking","id":"s)", i, R"(","user":"v)", i,
                R"(","timestamp":)", time_ms, R"(,"items":[)");
      for (int item = 0; item < 3; ++item) {
        StrAppend(&lines, item == 0 ? "" : ",", R"({"id":"i)", item,
                  R"(","fields":[{"name":"price","value":)", item == i % 3 ? 5 : 20, "}]}");
      }
      StrAppend(&lines, "]}\n", R"({"event":"interaction","id":"c)", i, R"(","ranking":"s)", i,
                R"(","user":"v)", i, R"(","type":"click","item":"i)", i % 3, R"(","timestamp":)",
                time_ms, "}\n");
    }
    return lines;
  }

  // An engine with a ranker that is in use: clicks of May 1, then slates, then clicks of May 30.
  void MakeRanked() const {
    const auto engine = Open(kRanked, "2024-05-31");
    std::string lines = Slates();
    for (int i = 0; i < kOldClicks + kNewClicks; ++i) {
      StrAppend(&lines, R"({"event":"interaction","user":"u)", i % 50,
                R"(","type":"click","item":"i)", i % 7, R"(","timestamp":)",
                At(i < kOldClicks ? "2024-05-01" : "2024-05-30") + i * 1000, "}\n");
    }
    Import(*engine, Write("ranked.jsonl", lines));
    TrainAndActivate(*engine);
  }
  // A servable whose features look back 20 days, of an engine that then lost its events.
  std::string TrainFarther() const {
    std::string version;
    {
      const auto engine = Open(kFarther, "2024-05-31");
      Import(*engine, Write("slates.jsonl", Slates()));
      TrainRequest request;
      request.evaluate = request.tune = false;
      const auto trained = engine->Train(request);
      EXPECT_TRUE(trained.ok()) << trained.status();
      version = trained.value_or("");
    }
    std::filesystem::remove_all(Path("engine/events"));
    return version;
  }
  // On item i0, as the features in use say.
  static double Clicks(Engine& engine, std::string_view user) {
    RankRequest request;
    request.user = user;
    request.items = {{"i0", {{"price", 5.0}}}};
    request.explain = true;
    const auto ranked = engine.Rank(request);
    EXPECT_TRUE(ranked.ok()) << ranked.status();
    return ranked.ok() ? ranked->items[0].features[1].value.value_or(-1) : -1;
  }
  static std::size_t StateBytes(const Engine& engine) {
    const auto state = engine.Status().feature_state;
    EXPECT_TRUE(state.has_value());
    return state.has_value() ? state->bytes : 0;
  }
  // Of an engine that is closed.
  std::vector<LoggedEvent> ReadLog() const {
    const ManualClock clock(At("2024-05-31"));
    const auto store = OpenStore(clock);
    std::vector<LoggedEvent> log;
    EXPECT_TRUE(store
                    ->ScanLog(0, store->EndPosition(),
                              [&](const LoggedEvent& logged) {
                                log.push_back(logged);
                                return true;
                              })
                    .ok());
    return log;
  }
};

TEST_F(EngineRetentionTest, ATrainingThatIsAskedForMeanwhileGoesFirstAndTheRemovalGoesOnLater) {
  MakeRanked();
  std::filesystem::copy(Path("engine"), Path("whole"), std::filesystem::copy_options::recursive);
  std::size_t bytes_before = 0;
  std::size_t bytes_undisturbed = 0;
  {
    const auto engine = Open(kRanked, "2024-05-31");
    bytes_before = StateBytes(*engine);
    const auto report = engine->Retain({});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->events, kOldClicks);
    bytes_undisturbed = StateBytes(*engine);
    EXPECT_LT(bytes_undisturbed, bytes_before);
  }
  const std::vector<LoggedEvent> log_undisturbed = ReadLog();

  enum class Moment { kTheHorizonIsToMove, kSomethingIsGone, kStatesAreFilledAnew };
  for (const Moment moment :
       {Moment::kTheHorizonIsToMove, Moment::kSomethingIsGone, Moment::kStatesAreFilledAnew}) {
    SCOPED_TRACE(static_cast<int>(moment));
    std::filesystem::remove_all(Path("engine"));
    std::filesystem::copy(Path("whole"), Path("engine"), std::filesystem::copy_options::recursive);
    auto engine = Open(kRanked, "2024-05-31");
    int looks_at_events = 0;  // since the horizon moved
    const auto has_come = [&] {
      if (engine->Status().horizon_ms == kSinceForEverMs) {
        return moment == Moment::kTheHorizonIsToMove;
      }
      // Nothing is left to be removed.
      if (!engine->IsRetentionDue()) return moment == Moment::kStatesAreFilledAnew;
      // While the first thousand are gathered, and when they are gone.
      return ++looks_at_events == 2 && moment == Moment::kSomethingIsGone;
    };
    std::atomic<bool> is_removing = false;
    std::atomic<bool> is_waiting = false;
    absl::StatusOr<RetentionReport> removed;
    std::thread remover([&] {
      removed = engine->Retain({.is_cancelled = [&] {
        if (is_removing || !has_come()) return false;
        is_removing = true;
        while (!is_waiting) std::this_thread::yield();
        return false;
      }});
      is_removing = true;
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
    is_waiting = true;
    remover.join();
    ASSERT_TRUE(version.ok()) << version.status();
    EXPECT_EQ(engine->Servables()->at(0).actions, kSlates + kNewClicks);
    EXPECT_TRUE(absl::IsCancelled(removed.status())) << removed.status();
    EXPECT_EQ(StateBytes(*engine), bytes_before);
    EXPECT_TRUE(engine->IsRetentionDue());
    const auto rest = engine->Retain({});
    ASSERT_TRUE(rest.ok()) << rest.status();
    EXPECT_EQ(rest->events, moment == Moment::kTheHorizonIsToMove ? kOldClicks
                            : moment == Moment::kSomethingIsGone  ? kOldClicks - 1000
                                                                  : 0);
    EXPECT_FALSE(engine->IsRetentionDue());
    EXPECT_EQ(StateBytes(*engine), bytes_undisturbed);
    engine.reset();
    const std::vector<LoggedEvent> log = ReadLog();
    ASSERT_EQ(log.size(), log_undisturbed.size());
    for (std::size_t i = 0; i < log.size(); ++i) {
      ASSERT_EQ(log[i].position, log_undisturbed[i].position);
      ASSERT_EQ(log[i].known_time_ms, log_undisturbed[i].known_time_ms);
      ASSERT_TRUE(log[i].event == log_undisturbed[i].event) << log[i].event.id;
    }
  }
}

TEST_F(EngineRetentionTest, AUserWhoIsErasedWhileStatesAreFilledAnewStaysErased) {
  MakeRanked();
  const auto engine = Open(kRanked, "2024-05-31");
  ASSERT_EQ(Clicks(*engine, "v0"), 1);
  int looks = 0;
  const auto report = engine->Retain({.is_cancelled = [&] {
    if (engine->IsRetentionDue()) return false;  // it still removes
    // What is read last goes on behind all that the user did.
    if (++looks != kOldClicks / 1024 + 3) return false;
    std::thread erasure([&] { EXPECT_GE(engine->EraseUser("v0").value_or(0), 2u); });
    erasure.join();
    EXPECT_EQ(Clicks(*engine, "v0"), 0);
    return false;
  }});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GE(looks, kOldClicks / 1024 + 3);
  EXPECT_EQ(Clicks(*engine, "v0"), 0);
  EXPECT_EQ(Clicks(*engine, "v3"), 1);
}

TEST_F(EngineRetentionTest, AnErasureThatFindsNothingAnyMoreStillFillsStatesThatHoldWhatIsGone) {
  MakeRanked();
  const auto engine = Open(kRanked, "2024-05-31");
  const std::size_t bytes = StateBytes(*engine);
  EXPECT_TRUE(absl::IsCancelled(
      engine->Retain({.is_cancelled = [&] { return !engine->IsRetentionDue(); }}).status()));
  EXPECT_EQ(StateBytes(*engine), bytes);
  EXPECT_EQ(engine->EraseUser("nobody").value(), 0u);
  EXPECT_LT(StateBytes(*engine), bytes);
  EXPECT_FALSE(engine->IsRetentionDue());
}

TEST_F(EngineRetentionTest, AServableThatLooksBackFartherDoesNotComeIntoUseWhileTheHorizonMoves) {
  const std::string version = TrainFarther();
  const auto engine = Open(kRetained, "2024-05-31");
  Fill(*engine, 5000);
  ASSERT_TRUE(engine->Activate(version).ok());
  EXPECT_THAT(std::string(engine->Retain({}).status().message()), HasSubstr("look back 20d"));
  const std::string plain = TrainAndActivate(*engine);

  // While the log is looked through nothing waits for it, and the horizon stays for what came.
  int looks = 0;
  auto report = engine->Retain({.is_cancelled = [&] {
    if (++looks > 1) return false;
    std::thread activation([&] { EXPECT_TRUE(engine->Activate(version).ok()); });
    activation.join();
    return false;
  }});
  EXPECT_GE(looks, 1);
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("look back 20d"));
  EXPECT_EQ(engine->Status().horizon_ms, kSinceForEverMs);
  EXPECT_EQ(engine->Status().active_servable, version);

  // And once it has moved, the servable is not welcome.
  ASSERT_TRUE(engine->Activate(plain).ok());
  absl::Status activated;
  report = engine->Retain({.is_cancelled = [&] {
    if (activated.ok() && engine->Status().horizon_ms != kSinceForEverMs) {
      activated = engine->Activate(version);
    }
    return false;
  }});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(absl::IsFailedPrecondition(activated)) << activated;
  EXPECT_THAT(std::string(activated.message()), HasSubstr("below the horizon"));
  EXPECT_EQ(engine->Status().active_servable, plain);
}

// Whichever comes first, the horizon or what looks back farther: the other one is refused.
TEST_F(EngineRetentionTest, AHorizonAndAServableThatLooksBackFartherNeverMeet) {
  const std::string version = TrainFarther();
  std::string plain;
  {
    const auto engine = Open(kRetained, "2024-05-31");
    Fill(*engine, 2000);
    plain = TrainAndActivate(*engine);
  }
  std::filesystem::copy(Path("engine"), Path("whole"), std::filesystem::copy_options::recursive);
  for (const int delay_ms : {-3, -1, 0, 1, 2, 4, 8, 16}) {
    std::filesystem::remove_all(Path("engine"));
    std::filesystem::copy(Path("whole"), Path("engine"), std::filesystem::copy_options::recursive);
    const auto engine = Open(kRetained, "2024-05-31");
    absl::Status activated;
    std::thread activation([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(-delay_ms));
      activated = engine->Activate(version);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    const auto report = engine->Retain({});
    activation.join();
    EXPECT_NE(activated.ok(), report.ok()) << activated << ", " << report.status();
    EXPECT_EQ(engine->Status().horizon_ms != kSinceForEverMs, report.ok());
    EXPECT_EQ(engine->Status().active_servable, activated.ok() ? version : plain);
  }
}

TEST_F(EngineRetentionTest,
       ARemovalThatWaitsForAnActivationKeepsNobodyFromLearningAndCanBeStopped) {
  const auto engine = Open(kRetained, "2024-05-31");
  Fill(*engine, 100);
  const std::string version = TrainAndActivate(*engine);
  // It reads its manifest as long as nobody has written that.
  const std::string manifest = Path("engine/servables/" + version + "/manifest.json");
  std::filesystem::rename(manifest, manifest + ".kept");
  ASSERT_EQ(mkfifo(manifest.c_str(), 0600), 0);
  absl::Status activated;
  std::thread activation([&] { activated = engine->Activate(version); });
  std::ofstream writer(manifest);  // waits for the reader
  std::filesystem::rename(manifest + ".kept", manifest);

  std::atomic<int> looks = 0;
  std::atomic<bool> is_cancelled = false;
  absl::StatusOr<RetentionReport> removed;
  std::thread remover([&] {
    removed = engine->Retain({.is_cancelled = [&] {
      ++looks;
      return is_cancelled.load();
    }});
  });
  while (looks < 3) std::this_thread::yield();
  std::atomic<bool> has_begun = false;
  TrainRequest request;
  request.progress = [&](std::string_view, double) { has_begun = true; };
  request.is_cancelled = [&, asked = 0]() mutable { return has_begun || ++asked == 1000; };
  EXPECT_TRUE(absl::IsCancelled(engine->Train(request).status()));
  EXPECT_TRUE(has_begun);
  is_cancelled = true;
  remover.join();
  EXPECT_TRUE(absl::IsCancelled(removed.status())) << removed.status();
  EXPECT_EQ(engine->Status().horizon_ms, kSinceForEverMs);

  writer << std::ifstream(manifest).rdbuf();
  writer.close();
  activation.join();
  EXPECT_TRUE(activated.ok()) << activated;
  const auto report = engine->Retain({});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->events, 100u);
}

TEST_F(EngineRetentionTest, AnotherRetainIsToldAndNothingStaysOfItUntilSomethingIsRemoved) {
  {
    const auto engine = Open(kRetained, "2024-05-31");
    Fill(*engine, 10);
    ASSERT_TRUE(engine->Retain({}).ok());
    EXPECT_THAT(engine->Status().warnings, Not(Contains(HasSubstr("retain"))));
  }
  const auto with = [](std::string_view retain) {
    std::string recipe(kRetained);
    return recipe.replace(recipe.find("10d"), 3, retain);
  };
  EXPECT_THAT(Open(with("20d"), "2024-05-31")->Status().warnings,
              Contains(AllOf(HasSubstr("the recipe's `retain`, 20d, is not that by which"),
                             HasSubstr("read now, histories begin at 2024-05-20T23:59:"))));
  EXPECT_THAT(Open(with("5d"), "2024-05-31")->Status().warnings,
              Contains(HasSubstr("read now, histories begin at 2024-05-26T00:00:")));
  EXPECT_THAT(Open(kRetained, "2024-05-31")->Status().warnings, Not(Contains(HasSubstr("retain"))));

  // Nothing is to be removed by the longer one, and yet a removal makes it last.
  {
    const auto engine = Open(with("20d"), "2024-05-31");
    const auto report = engine->Retain({});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->events, 0u);
    EXPECT_THAT(engine->Status().warnings, Not(Contains(HasSubstr("retain"))));
  }
  EXPECT_THAT(Open(with("20d"), "2024-05-31")->Status().warnings,
              Not(Contains(HasSubstr("retain"))));
}

}  // namespace
}  // namespace fourfold
