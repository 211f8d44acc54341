#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "engine/test_engine.h"
#include "model/transact/transact_ranker_model.h"
#include "online/ranking/served_log.h"

namespace fourfold {
namespace {

// Of three items in random places people click the one that they viewed last, and hide the one
// after it; no number tells.
constexpr std::string_view kRecipe = R"(name: heads
catalogue: {items: acted_on}
retrievers:
  - {name: popular, kind: popular, actions: [view]}
features:
  - {name: price, kind: input_field, field: price}
  - {name: views, kind: count, entity: user, types: [view]}
  - {name: latest, kind: sequence, entity: user, types: [view], length: 8}
ranker:
  kind: transact
  labels: {click: 1}
  heads:
    - {name: like, actions: [click]}
    - {name: dislike, actions: [hide, report]}
  value_model: {like: 1, dislike: -2}
  answered_only: true
  validation_share: 0.2
  log_features: 1
  transact:
    actions: 4
    action_dimension: 8
    item_dimension: 8
    layers: 1
    feed_forward: 8
    latest: 2
    hidden: [16]
    item_actions_min: 10
    metric: auc
    label_weights: {like: {dislike: 2}}
    user_weights: [{feature: views, from: [1], weights: [2]}]
    learning_rate: 0.01
    warm_up_steps: 5
    batch_rows: 30
    epochs: 6
    early_stopping_epochs: 0
)";

class EngineHeadsTest : public EngineTest {
 protected:
  std::unique_ptr<Engine> OpenTrained() {
    auto engine = Open(kRecipe, "2024-05-02");
    Fill(*engine);
    version_ = TrainAndActivate(*engine);
    return engine;
  }
  void Fill(Engine& engine) const {
    std::string lines;
    const auto action = [&](std::string_view type, int slate, int item, std::int64_t time_ms) {
      StrAppend(&lines, R"({"event":"interaction","id":")", type, slate, R"(","user":"u)", slate,
                R"(","type":")", type, R"(","item":"i)", item, R"(","timestamp":)", time_ms);
      if (type != "view") StrAppend(&lines, R"(,"ranking":"s)", slate, "\"");
      StrAppend(&lines, "}\n");
    };
    for (int i = 0; i < 400; ++i) {
      const std::int64_t time_ms = At("2024-05-01") + i * 60'000;
      const int viewed = i * 7 % 3;
      action("view", i, viewed, time_ms - 1000);
      StrAppend(&lines, R"({"event":"ranking","id":"s)", i, R"(","user":"u)", i,
                R"(","timestamp":)", time_ms, R"(,"items":[)");
      for (int place = 0; place < 3; ++place) {
        StrAppend(&lines, place == 0 ? "" : ",", R"({"id":"i)", (place + i / 3) % 3,
                  R"(","fields":[{"name":"price","value":)", 5 + i % 11, "}]}");
      }
      StrAppend(&lines, "]}\n");
      action("click", i, viewed, time_ms);
      action(i % 2 == 0 ? "hide" : "report", i, (viewed + 1) % 3, time_ms);
    }
    Import(engine, Write("log.jsonl", lines));
  }
  static RankResponse Rank(const Engine& engine, const std::string& user) {
    RankRequest request;
    request.user = user;
    request.explain = true;
    for (const char* item : {"i0", "i1", "i2"}) request.items.push_back({item, {{"price", 7.0}}});
    const auto ranked = engine.Rank(request);
    EXPECT_TRUE(ranked.ok()) << ranked.status();
    return ranked.value_or(RankResponse());
  }
  static std::vector<std::string> Order(const Engine& engine, const std::string& user) {
    std::vector<std::string> items;
    for (const RankedResult& result : Rank(engine, user).items) items.push_back(result.item);
    return items;
  }
  static void View(Engine& engine, std::string_view user, std::string_view item) {
    Ingest(engine, StrCat(R"({"event": "interaction", "user": ")", user,
                          R"(", "type": "view", "item": ")", item, "\"}"));
  }

  // Of the one servable.
  TransActRankerModel TrainedModel() const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(Path("engine"))) {
      if (entry.path().filename() != "ranker.safetensors") continue;
      const auto weights = SafetensorsFile::Open(entry.path().string());
      EXPECT_TRUE(weights.ok()) << weights.status();
      auto model = ReadTransActRanker(*weights);
      EXPECT_TRUE(model.ok()) << model.status();
      if (model.ok()) return *std::move(model);
    }
    ADD_FAILURE() << "no ranker";
    return {};
  }

  std::string version_;
};

using Items = std::vector<std::string>;

TEST_F(EngineHeadsTest, EveryActionIsPredictedAndTheValueModelOrders) {
  const auto engine = OpenTrained();
  View(*engine, "new", "i1");
  const RankResponse ranked = Rank(*engine, "new");
  ASSERT_EQ(ranked.items.size(), 3);
  EXPECT_EQ(ranked.items[0].item, "i1");
  EXPECT_EQ(ranked.items[2].item, "i2");
  for (const RankedResult& result : ranked.items) {
    ASSERT_EQ(result.predictions.size(), 2);
    const ActionPrediction& like = result.predictions[0];
    const ActionPrediction& dislike = result.predictions[1];
    EXPECT_EQ(like.head, "like");
    EXPECT_EQ(dislike.weight, -2);
    EXPECT_NEAR(result.score, like.probability - 2 * dislike.probability, 1e-6);
    EXPECT_EQ(like.probability > 0.5, result.item == "i1");
    EXPECT_EQ(dislike.probability > 0.5, result.item == "i2");
    EXPECT_FALSE(result.contributions.empty());
  }
}

TEST_F(EngineHeadsTest, AChangeOfTheValueModelOrdersTheNextAnswerAndOutlivesARestart) {
  {
    const auto engine = OpenTrained();
    View(*engine, "new", "i1");
    const auto model = engine->GetValueModel();
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->servable, version_);
    ASSERT_EQ(model->heads.size(), 2);
    EXPECT_EQ(model->heads[1].weight, -2);
    EXPECT_EQ(Order(*engine, "new"), (Items{"i1", "i0", "i2"}));
    const auto changed = engine->SetValueModel({{"dislike", 5}});
    ASSERT_TRUE(changed.ok()) << changed.status();
    EXPECT_EQ(changed->heads[0].weight, 1);
    EXPECT_EQ(changed->heads[1].weight, 5);
    EXPECT_EQ(changed->heads[1].recipe_weight, -2);
    EXPECT_EQ(Order(*engine, "new"), (Items{"i2", "i1", "i0"}));
    // A slate of the feed, too.
    RecommendRequest request;
    request.user = "new";
    request.explain = true;
    const auto slate = engine->Recommend(request);
    ASSERT_TRUE(slate.ok()) << slate.status();
    ASSERT_FALSE(slate->items.empty());
    EXPECT_TRUE(slate->degraded.empty());
    EXPECT_EQ(slate->items[0].item, "i2");
    ASSERT_EQ(slate->items[0].predictions.size(), 2);
    EXPECT_EQ(slate->items[0].predictions[1].weight, 5);
    // What cannot be changes nothing.
    EXPECT_FALSE(engine->SetValueModel({{"love", 1}}).ok());
    EXPECT_FALSE(engine->SetValueModel({{"like", 2e6}}).ok());
    EXPECT_FALSE(engine->SetValueModel({{"like", 1}, {"like", 2}}).ok());
    EXPECT_EQ(Order(*engine, "new"), (Items{"i2", "i1", "i0"}));
    // Whatever the weights are, what was predicted is what the log says.
    const auto skew = engine->VerifySkew();
    ASSERT_TRUE(skew.ok()) << skew.status();
    EXPECT_GT(skew->requests, 3u);
    EXPECT_EQ(skew->differing, 0);
  }
  {
    const auto engine = Open(kRecipe, "2024-05-03");
    EXPECT_EQ(Order(*engine, "new"), (Items{"i2", "i1", "i0"}));
    ASSERT_TRUE(engine->SetValueModel({}).ok());
    EXPECT_EQ(Order(*engine, "new"), (Items{"i1", "i0", "i2"}));
  }
  std::ofstream(Path("engine/value_model.json")) << R"({"format_version": 1, "weights": 3})";
  EXPECT_FALSE(TryOpen(kRecipe, "2024-05-03").ok());
}

TEST_F(EngineHeadsTest, APredictionAndASequenceThatWereNotWhatTheLogSaysAreFound) {
  {
    const auto engine = OpenTrained();
    View(*engine, "new", "i1");
    Rank(*engine, "new");
  }
  std::vector<ServedScores> all;
  ASSERT_TRUE(ServedLog::Read(Path("engine/served"), [&](const ServedScores& served) {
                all.push_back(served);
                return absl::OkStatus();
              }).ok());
  ASSERT_EQ(all.size(), 1);
  ASSERT_EQ(all[0].predictions.size(), 6);
  ASSERT_EQ(all[0].table.sequences.size(), 1);
  ASSERT_EQ(all[0].table.sequences[0].items, Items{"i1"});
  all[0].predictions[4] += 0.5F;  // dislike of the second candidate
  all[0].table.sequences[0].event_times_ms[0] += 1;
  std::filesystem::remove_all(Path("engine/served"));
  ServedLog(Path("engine/served"), 1)
      .Note(0, all[0].servable, all[0].request, all[0].table, all[0].predictions);
  const auto engine = Open(kRecipe, "2024-05-03");
  const auto skew = engine->VerifySkew();
  ASSERT_TRUE(skew.ok()) << skew.status();
  ASSERT_EQ(skew->differences.size(), 2u);
  EXPECT_EQ(skew->differences[0].feature, "latest");
  EXPECT_EQ(skew->differences[1].feature, "(score) dislike");
  EXPECT_EQ(skew->differences[1].item, "i1");
}

TEST_F(EngineHeadsTest, EachHeadIsJudged) {
  const auto engine = Open(kRecipe, "2024-05-02");
  Fill(*engine);
  const auto report = JudgeRanker(*engine);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows.size(), 4);
  EXPECT_EQ(report->rows[2].method, "head like");
  EXPECT_EQ(report->rows[3].method, "head dislike");
  for (const EvaluationRow& row : report->rows) {
    ASSERT_EQ(row.metrics.size(), 4);
    EXPECT_EQ(row.metrics[0].name, "RR");
    EXPECT_EQ(row.metrics[3].name, "AUC");
    if (row.method == "list order") continue;
    EXPECT_GT(row.metrics[3].mean, 0.95);
    // The best is what will be liked, the last what will be hidden.
    EXPECT_NEAR(row.metrics[0].mean, row.method == "head dislike" ? 1.0 / 3 : 1, 0.05);
  }
}

TEST_F(EngineHeadsTest, ValueModelsNeedHeads) {
  const auto engine = Open("name: none\nretrievers:\n  - {name: p, kind: popular}\n", "2024-05-02");
  EXPECT_EQ(engine->GetValueModel().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(engine->SetValueModel({}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EngineHeadsTest, InBfloat16ItAnswersAlikeAndOutlivesARestart) {
  std::string recipe(kRecipe);
  recipe.replace(recipe.find("latest: 2"), 9, "latest: 2\n    precision: bf16");
  {
    const auto engine = Open(recipe, "2024-05-02");
    Fill(*engine);
    TrainAndActivate(*engine);
    View(*engine, "new", "i1");
    EXPECT_EQ(Order(*engine, "new"), (Items{"i1", "i0", "i2"}));
    const auto skew = engine->VerifySkew();
    ASSERT_TRUE(skew.ok()) << skew.status();
    EXPECT_GT(skew->requests, 0u);
    EXPECT_EQ(skew->differing, 0);
  }
  const auto engine = Open(recipe, "2024-05-03");
  EXPECT_EQ(Order(*engine, "new"), (Items{"i1", "i0", "i2"}));
  EXPECT_EQ(TrainedModel().precision, Precision::kBfloat16);
  EXPECT_EQ(TrainedModel().training_precision, Precision::kFloat32);
}

TEST_F(EngineHeadsTest, TrainedInBfloat16ItOrdersAlikeAndItsWeightsSaySo) {
  std::string recipe(kRecipe);
  recipe.replace(recipe.find("latest: 2"), 9, "latest: 2\n    training_precision: bf16");
  const auto engine = Open(recipe, "2024-05-02");
  Fill(*engine);
  TrainAndActivate(*engine);
  View(*engine, "new", "i1");
  EXPECT_EQ(Order(*engine, "new"), (Items{"i1", "i0", "i2"}));
  EXPECT_EQ(TrainedModel().precision, Precision::kFloat32);
  EXPECT_EQ(TrainedModel().training_precision, Precision::kBfloat16);
}

TEST_F(EngineHeadsTest, ARecipeWhoseHeadsDoNotFitIsRefused) {
  const auto refused = [&](std::string_view from, std::string_view to, std::string_view why) {
    std::string recipe(kRecipe);
    recipe.replace(recipe.find(from), from.size(), to);
    const auto engine = TryOpen(recipe, "2024-05-02");
    ASSERT_FALSE(engine.ok()) << to;
    EXPECT_NE(engine.status().ToString().find(std::string(why)), std::string::npos)
        << engine.status();
  };
  refused("kind: transact", "kind: trees", "ranker.heads: does not apply to kind trees, which has");
  refused("name: dislike", "name: like", "stands twice");
  refused(", dislike: -2", "", "value_model: has no weight of the head dislike");
  refused("dislike: -2", "dislike: -2, love: 1", "no head has the name love");
  refused("    metric: auc", "    objective: listwise", "must be logistic with heads");
  refused("{dislike: 2}", "{hide: 2}", "no head has this name");
  refused("feature: views", "feature: price", "no feature that is the same for all candidates");
  refused("latest: 2", "latest: 2\n    precision: fp8", "one of f32, bf16");
  refused("latest: 2", "latest: 2\n    training_precision: fp8",
          "ranker.transact.training_precision");
  refused("latest: 2", "latest: 0\n    output: first_k", "nothing is left");
  refused("weights: [2]", "weights: [2, 3]", "must be as many as from");
}

}  // namespace
}  // namespace fourfold
