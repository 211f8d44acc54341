#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/strings.h"
#include "engine/test_engine.h"

namespace fourfold {
namespace {

// People click what they viewed last, of three items in random places; no number tells.
constexpr std::string_view kRecipe = R"(name: transact
retrievers:
  - {name: popular, kind: popular}
features:
  - {name: price, kind: input_field, field: price}
  - {name: latest, kind: sequence, entity: user, types: [view], length: 8}
ranker:
  kind: transact
  labels: {click: 1}
  answered_only: true
  validation_share: 0.2
  transact:
    objective: listwise
    actions: 4
    action_dimension: 8
    item_dimension: 8
    layers: 1
    feed_forward: 8
    latest: 2
    hidden: [16]
    item_actions_min: 10
    learning_rate: 0.01
    warm_up_steps: 5
    batch_rows: 30
    epochs: 6
    early_stopping_epochs: 0
)";

class EngineTransActTest : public EngineTest {
 protected:
  void Fill(Engine& engine) const {
    std::string lines;
    for (int i = 0; i < 300; ++i) {
      const std::int64_t time_ms = At("2024-05-01") + i * 60'000;
      const int viewed = i * 7 % 3;
      StrAppend(&lines, R"({"event":"interaction","id":"v)", i, R"(","user":"u)", i,
                R"(","type":"view","item":"i)", viewed, R"(","timestamp":)", time_ms - 1000, "}\n",
                R"({"event":"ranking","id":"s)", i, R"(","user":"u)", i, R"(","timestamp":)",
                time_ms, R"(,"items":[)");
      for (int place = 0; place < 3; ++place) {
        StrAppend(&lines, place == 0 ? "" : ",", R"({"id":"i)", (place + i / 3) % 3,
                  R"(","fields":[{"name":"price","value":)", 5 + i % 11, "}]}");
      }
      StrAppend(&lines, "]}\n", R"({"event":"interaction","id":"c)", i, R"(","ranking":"s)", i,
                R"(","user":"u)", i, R"(","type":"click","item":"i)", viewed, R"(","timestamp":)",
                time_ms, "}\n");
    }
    Import(engine, Write("log.jsonl", lines));
  }
  static RankRequest List(const std::string& user = "new") {
    RankRequest request;
    request.user = user;
    request.explain = true;
    for (const char* item : {"i0", "i1", "i2"}) request.items.push_back({item, {{"price", 7.0}}});
    return request;
  }
  static void View(Engine& engine, std::string_view item, std::string_view user = "new") {
    Ingest(engine, StrCat(R"({"event": "interaction", "user": ")", user,
                          R"(", "type": "view", "item": ")", item, "\"}"));
  }
};

TEST_F(EngineTransActTest, AnActionAcknowledgedChangesTheNextOrderAndIsAttendedTo) {
  const auto engine = Open(kRecipe, "2024-05-02");
  Fill(*engine);
  const std::string version = TrainAndActivate(*engine);
  for (const char* item : {"i2", "i0", "i1"}) {
    const std::string user = StrCat("of ", std::string_view(item));
    const auto before = engine->Rank(List(user));
    ASSERT_TRUE(before.ok()) << before.status();
    EXPECT_TRUE(before->items[0].contributions.empty());
    View(*engine, item, user);
    const auto ranked = engine->Rank(List(user));
    ASSERT_TRUE(ranked.ok()) << ranked.status();
    EXPECT_EQ(ranked->servable, version);
    EXPECT_EQ(ranked->items[0].item, item);
    for (const RankedResult& result : ranked->items) {
      ASSERT_EQ(result.features.size(), 1);
      EXPECT_EQ(result.features[0].value, 7);
      ASSERT_FALSE(result.contributions.empty());
      EXPECT_EQ(result.contributions[0].name, StrCat("action 1: view ", item));
      double sum = 0;
      for (const FeatureReading& part : result.contributions) sum += part.value.value();
      EXPECT_NEAR(sum, 1, 1e-4);
    }
  }
}

TEST_F(EngineTransActTest, AServableServesAgainAfterARestart) {
  std::vector<double> scores;
  {
    const auto engine = Open(kRecipe, "2024-05-02");
    Fill(*engine);
    TrainAndActivate(*engine);
    View(*engine, "i1");
    const auto ranked = engine->Rank(List());
    ASSERT_TRUE(ranked.ok()) << ranked.status();
    for (const RankedResult& result : ranked->items) scores.push_back(result.score);
  }
  const auto engine = Open(kRecipe, "2024-05-03");
  const auto ranked = engine->Rank(List());
  ASSERT_TRUE(ranked.ok()) << ranked.status();
  for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_EQ(ranked->items[i].score, scores[i]);
}

TEST_F(EngineTransActTest, IsJudgedAgainstTheOrderShown) {
  const auto engine = Open(kRecipe, "2024-05-02");
  Fill(*engine);
  const auto report = JudgeRanker(*engine);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows.size(), 2);
  EXPECT_GT(report->rows[1].metrics[0].mean, 0.95);
  EXPECT_NE(report->description.find("epochs of TransAct"), std::string::npos);
}

TEST_F(EngineTransActTest, ARetrainingMayStartFromTheRankerThatServes) {
  std::string recipe(kRecipe);
  {
    const auto engine = Open(recipe, "2024-05-02");
    Fill(*engine);
    TrainAndActivate(*engine);
  }
  // Too little to learn anything from nothing.
  for (const auto& [from, to] :
       {std::pair("epochs: 6", "epochs: 1"), {"learning_rate: 0.01", "learning_rate: 0.000001"}}) {
    recipe.replace(recipe.find(from), std::string(from).size(), to);
  }
  const auto places_right = [&](Engine& engine) {
    int right = 0;
    for (int i = 0; i < 12; ++i) {
      const std::string item = StrCat("i", i % 3), user = StrCat("later ", i);
      View(engine, item, user);
      right += engine.Rank(List(user))->items[0].item == item ? 1 : 0;
    }
    return right;
  };
  {
    const auto engine = Open(recipe + "    warm_start: true\n", "2024-05-03");
    TrainAndActivate(*engine);
    EXPECT_EQ(places_right(*engine), 12);
    EXPECT_FALSE(std::filesystem::exists(Path("engine/training.checkpoint")));
  }
  {
    // As `fourfold train` without --activate.
    EngineOptions options;
    options.directory = Path("engine");
    options.recipe_path = Write("recipe.yaml", recipe + "    warm_start: true\n");
    options.clock_at_ms = At("2024-05-03T01:00:00Z");
    options.read_only_servable = true;
    const auto beside = Engine::Open(options);
    ASSERT_TRUE(beside.ok()) << beside.status();
    TrainRequest request;
    request.evaluate = request.tune = false;
    std::string notes;
    request.note = [&](std::string_view note) { StrAppend(&notes, note); };
    const auto version = (*beside)->Train(request);
    ASSERT_TRUE(version.ok()) << version.status();
    EXPECT_NE(notes.find("the training starts from"), std::string::npos) << notes;
  }
  const auto engine = Open(recipe, "2024-05-04");
  TrainAndActivate(*engine);
  EXPECT_LT(places_right(*engine), 12);
}

TEST_F(EngineTransActTest, ARankerThatServesIsNotReplacedByNone) {
  const auto engine = Open(kRecipe, "2024-05-02");
  Fill(*engine);
  const std::string version = TrainAndActivate(*engine);
  TrainRequest request;
  request.evaluate = request.tune = false;
  request.as_of_ms = At("2024-01-01");  // before anything happened
  EXPECT_FALSE(engine->Train(request).ok());
  EXPECT_EQ(engine->Status().active_servable, version);
  EXPECT_EQ(engine->Servables()->size(), 1);
}

TEST_F(EngineTransActTest, ARecipeThatCannotBeTrainedIsRefused) {
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view why) {
    std::string recipe(kRecipe);
    recipe.replace(recipe.find(from), from.size(), to);
    const auto engine = TryOpen(recipe, "2024-05-02");
    ASSERT_FALSE(engine.ok());
    EXPECT_NE(engine.status().ToString().find(std::string(why)), std::string::npos)
        << engine.status();
  };
  refused("item_dimension: 8", "item_dimension: 12", "must be a multiple of 8");
  refused("actions: 4", "sequence: gone", "no feature of kind sequence has this name");
  refused("latest: 2", "latest: 5", "is more than actions");
  refused("objective: listwise", "metric: log_loss\n    objective: listwise",
          "needs objective logistic");
  refused("  kind: transact", "  kind: trees", "transact");
}

}  // namespace
}  // namespace fourfold
