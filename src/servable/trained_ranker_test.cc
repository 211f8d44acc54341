#include "servable/trained_ranker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>

#include "base/strings.h"
#include "model/transact/transact_testing.h"
#include "model/trees/tree_ensemble_testing.h"

namespace fourfold {
namespace {

std::vector<FeatureDeclaration> Declarations() {
  return {{"place", "input_rank", {}},
          {"kind",
           "attribute",
           {{"field", std::string("kind")}, {"categories", std::vector<std::string>{"a", "b"}}}}};
}

std::shared_ptr<const TrainedRanker> Ranker() {
  const float none = std::numeric_limits<float>::quiet_NaN();
  RandomModel model(/*seed=*/3, /*features=*/2, /*trees=*/5, /*depth=*/3);
  model.json()["learner"]["feature_names"] = {"place", "kind"};
  auto ranker = MakeTrainedRanker(Declarations(), model.json().dump(), {1, 0, 3, none},
                                  /*candidates=*/7);
  EXPECT_TRUE(ranker.ok()) << ranker.status();
  return *ranker;
}

TEST(TrainedRankerTest, WhatIsWrittenIsReadBack) {
  const auto ranker = Ranker();
  ASSERT_EQ(ranker->golden_scores.size(), 2);
  const auto again = TrainedRankerFromJson(TrainedRankerToJson(*ranker));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->features, ranker->features);
  EXPECT_EQ((*again)->model, ranker->model);
  EXPECT_EQ((*again)->candidates, 7);
  EXPECT_EQ((*again)->golden_scores, ranker->golden_scores);
  EXPECT_TRUE(std::isnan((*again)->golden_rows[3]));
}

TEST(TrainedRankerTest, AGoldenRowThatScoresOtherwiseIsRefused) {
  TrainedRanker changed = *Ranker();
  changed.golden_scores[1] += 0.5F;
  const auto read = TrainedRankerFromJson(TrainedRankerToJson(changed));
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(MessageOf(read.status()).starts_with("ranker.json: golden row 1 scores "));
}

TEST(TrainedRankerTest, FeaturesThatAreNotTheModelsAreRefused) {
  std::vector<FeatureDeclaration> other = Declarations();
  other[0].name = "position";
  EXPECT_EQ(MakeTrainedRanker(other, Ranker()->model, {}, 0).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TransActRankerModel SmallTransAct(std::vector<std::string> heads = {"label"}) {
  TransActRankerModel model;
  model.candidate_columns = {"place", "kind"};
  model.heads = std::move(heads);
  model.action_types = {"click"};
  TransActShape shape;
  shape.actions = 4;
  shape.action_types = 3;
  shape.action_dimension = shape.item_dimension = shape.feed_forward = 8;
  shape.latest = 2;
  model.encoder = RandomTransAct(shape, 1);
  model.items = {"a", "b"};
  model.item_table.assign(16, 0.25F);
  model.encoding = NumberEncoding::Fit({{1, 2, 3, 4}, {0, 1}});
  RankingNetworkShape network;
  network.inputs = model.inputs();
  network.hidden = {8};
  network.heads = model.heads.size();
  model.network = RankingNetworkParameters::Zeros(network);
  float value = 0.1F;
  for (auto& [name, values] : TensorsOf(&model.network)) {
    for (float& one : *values) one = value = -0.9F * value + 0.01F;
  }
  return model;
}

TEST(TrainedRankerTest, TransActIsReadBackAndChecksItsGoldenRequests) {
  std::vector<FeatureDeclaration> declarations = Declarations();
  declarations.push_back({"latest", "sequence", {{"entity", std::string("user")}}});
  RankerGoldenRequest golden;
  golden.request_time_ms = 1000;
  golden.actions = {{"a", "c"}, {"click", "never seen"}, {900, 800}, {}};
  golden.items = {"a", "z"};
  golden.rows = {1, 0, 3, 1};
  const auto made = MakeTrainedTransAct(declarations, SmallTransAct(), "latest", {golden}, 7);
  ASSERT_TRUE(made.ok()) << made.status();
  const TrainedRanker& ranker = **made;
  EXPECT_NE(ranker.golden_requests[0].scores[0], ranker.golden_requests[0].scores[1]);
  const std::string path = testing::TempDir() + "trained_ranker_test.safetensors";
  ASSERT_TRUE(WriteTransActRanker(ranker.transact->model(), path).ok());
  const auto weights = SafetensorsFile::Open(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(weights.ok());
  const std::string text = TrainedRankerToJson(ranker);
  const auto again = TrainedRankerFromJson(text, &*weights);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->golden_requests[0].scores, ranker.golden_requests[0].scores);
  EXPECT_EQ((*again)->sequence, "latest");
  EXPECT_EQ((*again)->candidates, 7);

  TrainedRanker changed = ranker;
  changed.golden_requests[0].scores[1] += 0.1F;
  EXPECT_EQ(TrainedRankerFromJson(TrainedRankerToJson(changed), &*weights).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(TrainedRankerFromJson(text).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(MakeTrainedTransAct(declarations, SmallTransAct(), "other", {}, 0).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TrainedRankerTest, GoldenRequestsHoldTheCodesOfItems) {
  std::vector<FeatureDeclaration> declarations = Declarations();
  const std::vector<std::string> fields = {"brand"};
  declarations.push_back(
      {"latest", "sequence", {{"entity", std::string("user")}, {"item_fields", fields}}});
  // The codes of another sequence mean nothing to the model.
  declarations.push_back(
      {"others", "sequence", {{"entity", std::string("session")}, {"item_fields", fields}}});
  using Column = TransActRankerModel::Column;
  TransActRankerModel model = SmallTransAct();
  model.candidate_columns = {"place", "kind", "latest.brand", "others.brand"};
  model.columns = {Column::kNumber, Column::kNumber, Column::kItemCode, Column::kUnused};
  model.side = {8, std::vector<float>(16, 0.5F)};
  std::fill_n(model.side.vectors.begin(), 8, -0.25F);
  float angle = 0;
  for (auto& [name, values] : TensorsOf(&model.network)) {
    for (float& one : *values) one = std::sin(++angle) / 4;
  }
  RankerGoldenRequest golden;
  golden.request_time_ms = 1000;
  golden.actions = {{"c", "d"}, {"click", "click"}, {900, 800}, {{2, kNoFeature}}};
  golden.items = {"y", "z"};
  golden.rows = {1, 0, 4, 7, 1, 0, 5, 7};
  const auto made = MakeTrainedTransAct(declarations, model, "latest", {golden}, 7);
  ASSERT_TRUE(made.ok()) << made.status();
  const TrainedRanker& ranker = **made;
  EXPECT_NE(ranker.golden_requests[0].scores[0], ranker.golden_requests[0].scores[1]);
  const std::string path = testing::TempDir() + "trained_codes_test.safetensors";
  ASSERT_TRUE(WriteTransActRanker(ranker.transact->model(), path).ok());
  const auto weights = SafetensorsFile::Open(path);
  std::filesystem::remove(path);
  const auto again = TrainedRankerFromJson(TrainedRankerToJson(ranker), &*weights);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->golden_requests[0].scores, ranker.golden_requests[0].scores);
  EXPECT_EQ((*again)->golden_requests[0].actions.fields[0][0], 2);
  EXPECT_TRUE(std::isnan((*again)->golden_requests[0].actions.fields[0][1]));

  // Another sequence has other codes; a golden request lacks its own.
  EXPECT_FALSE(MakeTrainedTransAct(declarations, model, "others", {}, 7).ok());
  golden.actions.fields.clear();
  EXPECT_FALSE(MakeTrainedTransAct(declarations, model, "latest", {golden}, 7).ok());
}

TEST(TrainedRankerTest, HeadsAreReadBackWithTheirWeightsAndOrderByTheirSum) {
  std::vector<FeatureDeclaration> declarations = Declarations();
  declarations.push_back({"latest", "sequence", {{"entity", std::string("user")}}});
  RankerGoldenRequest golden;
  golden.items = {"a", "z", "b"};
  golden.rows = {1, 0, 3, 1, 2, 1};
  const std::vector<double> values = {2, -10};
  EXPECT_FALSE(
      MakeTrainedTransAct(declarations, SmallTransAct({"click", "hide"}), "latest", {}, 7).ok());
  const auto made = MakeTrainedTransAct(declarations, SmallTransAct({"click", "hide"}), "latest",
                                        {golden}, 7, values);
  ASSERT_TRUE(made.ok()) << made.status();
  const TrainedRanker& ranker = **made;
  ASSERT_EQ(ranker.golden_requests[0].scores.size(), 6);
  const std::string path = testing::TempDir() + "trained_heads_test.safetensors";
  ASSERT_TRUE(WriteTransActRanker(ranker.transact->model(), path).ok());
  const auto weights = SafetensorsFile::Open(path);
  std::filesystem::remove(path);
  const std::string text = TrainedRankerToJson(ranker);
  const auto again = TrainedRankerFromJson(text, &*weights);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->values, values);
  EXPECT_EQ((*again)->golden_requests[0].scores, ranker.golden_requests[0].scores);
  std::string without = text;
  without.replace(without.find("\"hide\""), 6, "\"like\"");
  EXPECT_EQ(TrainedRankerFromJson(without, &*weights).status().code(), absl::StatusCode::kDataLoss);

  // Probabilities of 1/2 and 1/4, and of 4/5 and 1/2.
  const std::vector<float> predictions = {0, std::log(4.0F), std::log(1.0F / 3), 0};
  std::vector<float> scores(2);
  ranker.Score(predictions, values, scores);
  EXPECT_FLOAT_EQ(scores[0], 2 * 0.5F - 10 * 0.25F);
  EXPECT_FLOAT_EQ(scores[1], 2 * 0.8F - 10 * 0.5F);
  EXPECT_EQ(ranker.ShownScore(-3.5F), -3.5);
}

TEST(TrainedRankerTest, DamageIsTold) {
  const std::string text = TrainedRankerToJson(*Ranker());
  for (std::size_t size = 0; size + 2 < text.size(); size += 7) {
    EXPECT_EQ(TrainedRankerFromJson(text.substr(0, size)).status().code(),
              absl::StatusCode::kDataLoss);
  }
  EXPECT_FALSE(TrainedRankerFromJson("{}").ok());
  EXPECT_FALSE(TrainedRankerFromJson(R"({"kind": "trees"})").ok());
}

}  // namespace
}  // namespace fourfold
