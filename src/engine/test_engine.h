#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/time_text.h"
#include "feature/event_store.h"
#include "fourfold/engine.h"

namespace fourfold {

inline std::int64_t At(std::string_view time) { return ParseTimeMs(time).value(); }

// A directory of its own for each test, with engines in it.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fourfold.XXXXXX").string();
    home_ = mkdtemp(pattern.data());
  }
  ~EngineTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(home_, ignored);
  }

  std::string Path(std::string_view name) const { return home_ + "/" + std::string(name); }
  std::string Write(std::string_view name, std::string_view text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  std::string Read(std::string_view name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  absl::StatusOr<std::unique_ptr<Engine>> TryOpen(std::string_view recipe,
                                                  std::string_view clock_at = "") const {
    EngineOptions options;
    options.directory = Path("engine");
    if (!recipe.empty()) options.recipe_path = Write("recipe.yaml", recipe);
    if (!clock_at.empty()) options.clock_at_ms = At(clock_at);
    return Engine::Open(options);
  }
  std::unique_ptr<Engine> Open(std::string_view recipe, std::string_view clock_at = "") const {
    auto engine = TryOpen(recipe, clock_at);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? *std::move(engine) : nullptr;
  }

  // Every event of the text is taken in.
  static void Ingest(Engine& engine, std::string_view json) {
    const auto results = engine.IngestJson(json);
    ASSERT_TRUE(results.ok()) << results.status();
    for (const IngestResult& result : *results) {
      EXPECT_EQ(result.outcome, IngestOutcome::kAccepted) << result.error;
    }
  }
  static ImportReport Import(Engine& engine, const std::string& path) {
    ImportRequest request;
    request.path = path;
    request.reject_path = path + ".rejects";
    const auto report = engine.Import(request);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : ImportReport();
  }
  static std::string TrainAndActivate(Engine& engine) {
    TrainRequest request;
    request.evaluate = false;
    request.tune = false;
    const auto version = engine.Train(request);
    EXPECT_TRUE(version.ok()) << version.status();
    if (!version.ok()) return "";
    const absl::Status status = engine.Activate(*version);
    EXPECT_TRUE(status.ok()) << status;
    return *version;
  }

  // The recipe's trained ranker on the last of the requests.
  static absl::StatusOr<EvaluationReport> JudgeRanker(Engine& engine) {
    EvaluateRequest request;
    request.task = "ranker";
    request.resamples = 50;
    return engine.Evaluate(request);
  }

  // The state of a closed engine, as of any moment.
  std::unique_ptr<EventStore> OpenStore(const Clock& clock) const {
    EventStoreOptions options;
    options.directory = Path("engine/events");
    options.create_if_missing = false;
    auto store = EventStore::Open(options, &clock);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

 private:
  std::string home_;
};

}  // namespace fourfold
