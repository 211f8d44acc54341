#include "servable/trained_ranker.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "base/strings.h"
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
