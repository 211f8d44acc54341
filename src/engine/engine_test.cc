#include "fourfold/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <sstream>
#include <thread>

#include "base/strings.h"
#include "engine/test_engine.h"

namespace fourfold {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr std::string_view kRecipe = R"(
name: world
catalogue: {items: declared, title: title}
import:
  format: csv
  columns: {user: user, item: item, time: time}
  types: [{type: take}]
  item_fields: [{field: title}]
  derived_item_fields:
    - field: kind
      rules: [{value: hidden, when: 'starts_with(item, "hidden")'}, {value: open}]
retrievers:
  - {name: together, kind: covisitation, window_steps: 5}
  - {name: cf, kind: item_cf}
  - {name: popular, kind: popular}
tuning: {enabled: true}
policy:
  filter: 'kind == "open"'
  seen_actions: [{type: take}]
evaluation: {split: time, validation_cut: 2024-01-25, cut: 2024-02-01}
)";

// Forty users in two camps, each taking items of its own camp day by day.
std::string World() {
  std::mt19937 random(7);
  std::ostringstream csv;
  csv << "user,item,time,title\n";
  for (int day = 1; day <= 40; ++day) {
    for (int user = 0; user < 40; ++user) {
      if (random() % 3 == 0) continue;
      const auto item = static_cast<std::uint64_t>(user) % 2 * 50 + random() % 50;
      const int month = day <= 31 ? 1 : 2;
      const int date = day <= 31 ? day : day - 31;
      csv << "u" << user << ",i" << item << ",2024-0" << month << "-" << (date < 10 ? "0" : "")
          << date << "T12:" << (user < 10 ? "0" : "") << user << ":00Z,Item number " << item
          << "\n";
    }
    if (day == 1) csv << "u0,hidden1,2024-01-01T13:00:00Z,Never to be shown\n";
  }
  return csv.str();
}

class EngineEndToEndTest : public EngineTest {
 protected:
  std::unique_ptr<Engine> OpenWorld() {
    auto engine = Open(kRecipe, "2024-02-10");
    if (engine != nullptr) Import(*engine, Write("world.csv", World()));
    return engine;
  }
  static RecommendResponse Ask(Engine& engine, const RecommendRequest& request) {
    const auto response = engine.Recommend(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : RecommendResponse();
  }
  static RecommendRequest For(std::string user) {
    RecommendRequest request;
    request.user = std::move(user);
    return request;
  }
  static std::vector<std::string> ItemsOf(const RecommendResponse& response) {
    std::vector<std::string> items;
    for (const RecommendedItem& item : response.items) items.push_back(item.item);
    return items;
  }
  void Corrupt(const std::string& version) {
    for (const auto& file :
         std::filesystem::directory_iterator(Path("engine/servables/" + version))) {
      if (file.path().extension() != ".safetensors") continue;
      std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      bytes.seekp(-1, std::ios::end);
      bytes.put('\x55');
    }
  }
  static std::string StateOf(const Engine& engine, const std::string& version) {
    const auto servables = engine.Servables();
    if (!servables.ok()) return "unknown";
    for (const ServableInfo& info : *servables) {
      if (info.version == version) return info.state;
    }
    return "absent";
  }
};

TEST_F(EngineEndToEndTest, ImportsTrainsServesAndReacts) {
  const auto engine = OpenWorld();
  ASSERT_NE(engine, nullptr);
  std::vector<std::string> notes;
  TrainRequest training;
  training.note = [&](std::string_view note) { notes.emplace_back(note); };
  const auto version = engine->Train(training);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_THAT(notes, ElementsAre(HasSubstr("blend found on validation")));
  EXPECT_EQ(StateOf(*engine, *version), "retained");
  EXPECT_EQ(engine->Status().active_servable, "");
  ASSERT_TRUE(engine->Activate("latest").ok());
  EXPECT_EQ(StateOf(*engine, *version), "active");
  EXPECT_THAT(engine->Servables()->at(0).metrics, Not(IsEmpty()));

  RecommendRequest request = For("u0");
  request.limit = 10;
  request.explain = true;
  const RecommendResponse before = Ask(*engine, request);
  EXPECT_EQ(before.servable, *version);
  ASSERT_THAT(before.items, SizeIs(10));
  EXPECT_THAT(ItemsOf(before), Not(Contains("hidden1")));

  // What she takes now, she is not shown next.
  Event take;
  take.user = "u0";
  take.type = "take";
  take.item = before.items[0].item;
  take.ranking = before.request_id;
  ASSERT_TRUE(engine->Ingest({&take, 1}).ok());
  EXPECT_THAT(ItemsOf(Ask(*engine, request)), Not(Contains(take.item)));
  EXPECT_EQ(engine->GetUserActions("u0", 1)->at(0).item, take.item);
}

TEST_F(EngineEndToEndTest, EverythingIsFoundAgainAtTheNextStart) {
  std::string version;
  RecommendResponse before;
  {
    const auto engine = OpenWorld();
    version = TrainAndActivate(*engine);
    before = Ask(*engine, For("u1"));
  }
  const auto engine = Open("", "2024-02-10");
  EXPECT_EQ(engine->Status().active_servable, version);
  EXPECT_EQ(engine->Status().recipe, "world");
  EXPECT_EQ(ItemsOf(Ask(*engine, For("u1"))), ItemsOf(before));
  EXPECT_EQ(engine->TitleField(), "title");
}

TEST_F(EngineEndToEndTest, WhatAProcessThatEndedLeftInTheMiddleIsRemoved) {
  OpenWorld();
  const std::string left = Path("engine/temporary/training_rows.partial");
  std::ofstream(left) << "rows";
  EXPECT_NE(Open("", "2024-02-10"), nullptr);
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(EngineEndToEndTest, ImportingAgainChangesNothing) {
  const auto engine = OpenWorld();
  const std::uint64_t events = engine->Status().events;
  const ImportReport again = Import(*engine, Path("world.csv"));
  EXPECT_EQ(again.accepted, 0u);
  EXPECT_EQ(again.duplicates, again.events);
  EXPECT_EQ(engine->Status().events, events);
}

TEST_F(EngineEndToEndTest, BadLinesAreRefusedWithTheirReasonAndTheRestIsTaken) {
  const auto engine = Open(kRecipe, "2024-02-10");
  const ImportReport report =
      Import(*engine,
             Write("bad.csv", "user,item,time,title\nu1,a,2024-01-01T00:00:00Z,A\nu2,b,noon,B\n"));
  EXPECT_EQ(report.rejected, 1u);
  EXPECT_THAT(Read("bad.csv.rejects"), AllOf(HasSubstr("\"line\":3"), HasSubstr("time")));
  EXPECT_EQ(engine->GetUserActions("u1", 10)->size(), 1u);
}

TEST_F(EngineEndToEndTest, OneBadEventOfABatchDoesNotLoseTheOthers) {
  const auto engine = Open(kRecipe, "2024-02-10");
  const auto results = engine->IngestJson(
      "{\"event\": \"item\", \"item\": \"a\"}\n{\"event\": \"item\"}\n"
      "{\"event\": \"item\", \"item\": \"b\", \"id\": \"twice\"}\n"
      "{\"event\": \"item\", \"item\": \"b\", \"id\": \"twice\"}\n");
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_THAT(*results, SizeIs(4));
  EXPECT_EQ(results->at(0).outcome, IngestOutcome::kAccepted);
  EXPECT_EQ(results->at(1).outcome, IngestOutcome::kRejected);
  EXPECT_THAT(results->at(1).error, HasSubstr("item"));
  EXPECT_EQ(results->at(2).outcome, IngestOutcome::kAccepted);
  EXPECT_EQ(results->at(3).outcome, IngestOutcome::kDuplicate);
  EXPECT_EQ(results->at(3).position, results->at(2).position);
}

TEST_F(EngineEndToEndTest, RollbackGoesToThePreviousServable) {
  const auto engine = OpenWorld();
  EXPECT_EQ(engine->Rollback().status().code(), absl::StatusCode::kFailedPrecondition);
  const std::string first = TrainAndActivate(*engine);
  Ingest(*engine, R"({"event": "interaction", "user": "u3", "type": "take", "item": "i7"})");
  const std::string second = TrainAndActivate(*engine);
  ASSERT_NE(first, second);
  EXPECT_EQ(engine->Status().previous_servable, first);
  const auto back = engine->Rollback();
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, first);
  EXPECT_EQ(Ask(*engine, For("u1")).servable, first);
}

TEST_F(EngineEndToEndTest, ACorruptedServableIsRefusedWhileTheOldOneServes) {
  const auto engine = OpenWorld();
  const std::string first = TrainAndActivate(*engine);
  Ingest(*engine, R"({"event": "interaction", "user": "u3", "type": "take", "item": "i7"})");
  TrainRequest training;
  training.evaluate = training.tune = false;
  const auto second = engine->Train(training);
  ASSERT_TRUE(second.ok());
  Corrupt(*second);
  EXPECT_FALSE(engine->Activate(*second).ok());
  EXPECT_EQ(engine->Activate("0123456789abcdef0123456789abcdef").code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(Ask(*engine, For("u1")).servable, first);
  EXPECT_EQ(engine->Status().active_servable, first);
}

TEST_F(EngineEndToEndTest, WhatCannotServeAtTheNextStartIsCalledRefusedWithItsReason) {
  std::string first, second;
  {
    const auto engine = OpenWorld();
    first = TrainAndActivate(*engine);
    Ingest(*engine, R"({"event": "interaction", "user": "u3", "type": "take", "item": "i7"})");
    second = TrainAndActivate(*engine);
  }
  Corrupt(second);
  const auto engine = Open("", "2024-02-10");
  EXPECT_EQ(engine->Status().refused_servable, second);
  EXPECT_EQ(StateOf(*engine, second), "refused");
  EXPECT_EQ(StateOf(*engine, first), "active");
  const auto servables = engine->Servables();
  ASSERT_TRUE(servables.ok());
  for (const ServableInfo& info : *servables) {
    EXPECT_THAT(info.problem, info.version == second ? HasSubstr("safetensors") : HasSubstr(""));
    EXPECT_EQ(info.problem.empty(), info.version == first);
  }
}

TEST_F(EngineEndToEndTest, NoRequestFailsWhileServablesAreSwapped) {
  const auto engine = OpenWorld();
  const std::string first = TrainAndActivate(*engine);
  Ingest(*engine, R"({"event": "interaction", "user": "u3", "type": "take", "item": "i7"})");
  const std::string second = TrainAndActivate(*engine);
  std::atomic<bool> stop = false;
  std::atomic<int> asked = 0;
  std::thread asking([&] {
    while (!stop) {
      RecommendRequest request = For("u" + std::to_string(asked++ % 40));
      request.log_slate = false;
      const RecommendResponse response = Ask(*engine, request);
      EXPECT_TRUE(response.servable == first || response.servable == second);
      EXPECT_THAT(response.items, SizeIs(20));
    }
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(engine->Activate(i % 2 == 0 ? first : second).ok());
  }
  stop = true;
  asking.join();
  EXPECT_GT(asked, 0);
}

TEST_F(EngineEndToEndTest, AServablePublishedElsewhereIsTheSameHere) {
  std::string version;
  {
    const auto engine = OpenWorld();
    version = TrainAndActivate(*engine);
  }
  std::filesystem::rename(Path("engine"), Path("elsewhere"));
  const auto engine = OpenWorld();
  const auto published = engine->Publish(Path("elsewhere/servables/" + version));
  ASSERT_TRUE(published.ok()) << published.status();
  EXPECT_EQ(*published, version);
  EXPECT_TRUE(engine->Activate(version).ok());
}

TEST_F(EngineEndToEndTest, TheSameDataTeachesTheSameServableWhateverTheClock) {
  const auto engine = OpenWorld();
  const std::string first = TrainAndActivate(*engine);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(TrainAndActivate(*engine), first);
}

TEST_F(EngineEndToEndTest, AServableKeepsWhatTheEnvironmentMadeOfItsRecipe) {
  setenv("FOURFOLD_SERVABLES__KEEP", "3", 1);
  const auto engine = OpenWorld();
  unsetenv("FOURFOLD_SERVABLES__KEEP");
  const std::string version = TrainAndActivate(*engine);
  const std::string kept = Read("engine/servables/" + version + "/recipe.yaml");
  EXPECT_THAT(kept, StartsWith(Read("engine/recipe.yaml")));
  EXPECT_THAT(kept, HasSubstr("\n# FOURFOLD_SERVABLES__KEEP=3\n"));
  EXPECT_THAT(Read("engine/recipe.yaml"), Not(HasSubstr("FOURFOLD_")));
}

TEST_F(EngineEndToEndTest, EvaluationPutsEveryRetrieverAndTheBlendIntoOneTable) {
  const auto engine = OpenWorld();
  EvaluateRequest request;
  request.resamples = 50;
  const auto report = engine->Evaluate(request);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_THAT(report->rows, SizeIs(4));
  EXPECT_EQ(report->rows[3].method, "blend");
  EXPECT_THAT(report->rows[3].paired_difference, Not(IsEmpty()));
  EXPECT_EQ(report->queries, 40u);
  // The camps are there to be found: being popular in both is worth less.
  const auto ndcg = [&](std::size_t row) { return report->rows[row].metrics[0].mean; };
  EXPECT_EQ(report->rows[0].metrics[0].name, "nDCG@10");
  EXPECT_GT(ndcg(0), ndcg(2));
  EXPECT_GT(ndcg(1), ndcg(2));

  // Alone, with none of the others fitted, each is judged as beside them.
  for (std::size_t row = 0; row < 3; ++row) {
    request.methods = {report->rows[row].method};
    const auto alone = engine->Evaluate(request);
    ASSERT_TRUE(alone.ok()) << alone.status();
    ASSERT_THAT(alone->rows, SizeIs(1));
    EXPECT_EQ(alone->rows[0].metrics[0].mean, ndcg(row));
  }
  request.methods = {"populr"};
  EXPECT_THAT(std::string(MessageOf(engine->Evaluate(request).status())),
              HasSubstr("did you mean popular?"));
  request.methods.clear();
  request.split = "leave_one_out";
  EXPECT_TRUE(engine->Evaluate(request).ok());
  EXPECT_THAT(report->groups, IsEmpty());
  request.variant = "some";
  EXPECT_EQ(engine->Evaluate(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(EngineEndToEndTest, EvaluationTellsNearDuplicateUsersApart) {
  std::string recipe(kRecipe);
  const std::string_view cut = ", cut: 2024-02-01";
  recipe.insert(recipe.find(cut), ", near_duplicate_run: 2");
  const auto engine = Open(recipe, "2024-02-10");
  ASSERT_NE(engine, nullptr);
  Import(*engine, Write("world.csv", World()));
  EvaluateRequest request;
  request.resamples = 10;
  const auto report = engine->Evaluate(request);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_THAT(report->groups, SizeIs(2));
  EXPECT_EQ(report->groups[0].name, "users who share 2 actions in a row with another");
  EXPECT_EQ(report->groups[0].queries + report->groups[1].queries, report->queries);
  // The whole is its parts, each by its size.
  for (std::size_t row = 0; row < report->rows.size(); ++row) {
    double sum = 0;
    for (const EvaluationGroup& group : report->groups) {
      sum += group.rows[row].metrics[0].mean * static_cast<double>(group.queries);
    }
    EXPECT_NEAR(sum / static_cast<double>(report->queries), report->rows[row].metrics[0].mean,
                1e-9);
  }
}

TEST_F(EngineEndToEndTest, BatchFileHoldsTheSameSlatesAsRequests) {
  const auto engine = OpenWorld();
  TrainAndActivate(*engine);
  const auto users = engine->RecommendAllUsers(Path("slates.jsonl"), 5, {});
  ASSERT_TRUE(users.ok()) << users.status();
  EXPECT_EQ(*users, 40u);
  const std::string text = Read("slates.jsonl");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 40);
  RecommendRequest request = For("u0");
  request.limit = 5;
  request.log_slate = false;
  std::size_t from = 0;
  const std::string line = text.substr(0, text.find('\n'));
  EXPECT_THAT(line, HasSubstr("\"user\":\"u0\""));
  for (const std::string& item : ItemsOf(Ask(*engine, request))) {
    from = line.find("\"" + item + "\"", from);
    EXPECT_NE(from, std::string::npos) << item;
  }
}

TEST_F(EngineEndToEndTest, AnErasedUserIsForgottenEverywhere) {
  const auto engine = OpenWorld();
  const auto events = engine->EraseUser("u5");
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_GT(*events, 0u);
  EXPECT_TRUE(engine->GetUser("u5")->erased);
  EXPECT_THAT(*engine->GetUserActions("u5", 100), IsEmpty());
  ASSERT_TRUE(engine->ExportEvents(Path("log.jsonl")).ok());
  EXPECT_THAT(Read("log.jsonl"), Not(HasSubstr("\"u5\"")));
  EXPECT_THAT(Read("log.jsonl"), HasSubstr("\"u6\""));
  // Importing the file again does not bring them back.
  Import(*engine, Path("world.csv"));
  EXPECT_THAT(*engine->GetUserActions("u5", 100), IsEmpty());
}

TEST_F(EngineEndToEndTest, AnExportedLogImportsIntoTheSameState) {
  std::vector<Event> actions;
  {
    const auto engine = OpenWorld();
    ASSERT_TRUE(engine->ExportEvents(Path("log.jsonl")).ok());
    actions = *engine->GetUserActions("u7", 100);
  }
  std::filesystem::remove_all(Path("engine"));
  const auto engine = Open(kRecipe, "2024-02-10");
  EXPECT_EQ(Import(*engine, Path("log.jsonl")).rejected, 0u);
  EXPECT_EQ(*engine->GetUserActions("u7", 100), actions);
}

TEST_F(EngineEndToEndTest, AServableFromTheFutureIsWarnedOf) {
  {
    const auto engine = OpenWorld();
    TrainAndActivate(*engine);
  }
  const auto engine = Open("", "2024-01-15");
  EXPECT_THAT(engine->Status().warnings, Contains(HasSubstr("lies after the engine's clock")));
}

TEST_F(EngineEndToEndTest, TrainingWithoutActionsSaysWhatIsMissing) {
  const auto engine = Open(kRecipe, "2024-02-10");
  const auto version = engine->Train({});
  EXPECT_EQ(version.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(version.status())), HasSubstr("no action to learn from"));
}

TEST_F(EngineEndToEndTest, TrainingOnALogTooShortForItsSplitStillPublishes) {
  const auto engine = Open(kRecipe, "2023-06-01");
  Import(*engine, Write("short.csv",
                        "user,item,time,title\nu1,a,2023-01-01T00:00:00Z,A\n"
                        "u1,b,2023-01-02T00:00:00Z,B\n"));
  std::vector<std::string> notes;
  TrainRequest training;
  training.note = [&](std::string_view note) { notes.emplace_back(note); };
  EXPECT_TRUE(engine->Train(training).ok());
  EXPECT_THAT(notes, ElementsAre(HasSubstr("the blend keeps the recipe's weights"),
                                 HasSubstr("the servable has no metrics")));
}

TEST_F(EngineEndToEndTest, ADirectoryOfAnotherFormatOrWithOtherFilesIsRefused) {
  { Open(kRecipe); }
  Write("engine/engine.json", R"({"format_version": 99})");
  EXPECT_THAT(std::string(MessageOf(TryOpen("").status())), HasSubstr("format version 99"));

  EngineOptions options;
  options.directory = Path("");
  EXPECT_EQ(Engine::Open(options).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EngineEndToEndTest, ADirectoryWithoutARecipeAsksForOne) {
  EXPECT_THAT(std::string(MessageOf(TryOpen("").status())),
              HasSubstr("there is no such directory"));
}

TEST_F(EngineEndToEndTest, TwoEnginesCannotHoldOneDirectory) {
  const auto engine = Open(kRecipe);
  EXPECT_EQ(TryOpen("").status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fourfold
