#include "offline/ranking/train_trees.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xgboost/c_api.h>

#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include "base/strings.h"
#include "offline/ranking/validation_metric.h"

namespace fourfold {
namespace {

using ::testing::HasSubstr;
using Objective = TreesSpec::Objective;
using Metric = TreesSpec::Metric;

constexpr float kNull = std::numeric_limits<float>::quiet_NaN();

// Requests of 6 candidates, one a second. What makes the first label positive is `fit`, turned
// around where the request's `mood` is below 0; `noise` says nothing, and values are missing.
class TrainTreesTest : public testing::Test {
 protected:
  TrainTreesTest()
      : path_(testing::TempDir() + "fourfold_trees_" +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {}
  ~TrainTreesTest() override { std::filesystem::remove(path_); }

  std::unique_ptr<TrainingRowsReader> Rows(int requests, float positive = 1, float last_mood = 0) {
    TrainingSchema schema;
    schema.request_features = {"mood"};
    schema.candidate_features = {"noise", "fit", "place"};
    schema.dictionaries = {"item", "user"};
    auto writer = *TrainingRowsWriter::Create(path_, schema, 5'000);
    std::mt19937_64 random(1);
    const auto unit = [&] { return static_cast<float>(random() % 2'001) / 1'000 - 1; };
    const std::vector<std::uint32_t> items(kRows, writer->NumberOf(0, "a"));
    for (int i = 0; i < requests; ++i) {
      const float mood = i + 1 < requests ? unit() : last_mood;
      std::vector<float> features;
      std::vector<float> worth;
      for (std::size_t row = 0; row < kRows; ++row) {
        const float fit = unit();
        features.insert(features.end(), {random() % 4 == 0 ? kNull : unit(),
                                         random() % 9 == 0 ? kNull : fit, static_cast<float>(row)});
        worth.push_back((mood < 0 ? -fit : fit) + 0.3F * unit());
      }
      std::vector<float> labels(kRows);
      labels[static_cast<std::size_t>(std::max_element(worth.begin(), worth.end()) -
                                      worth.begin())] = positive;
      TrainingRequest request;
      request.event_time_ms = 1'000 * i;
      request.features = {&mood, 1};
      request.items = items;
      request.candidate_features = features;
      request.labels = labels;
      EXPECT_TRUE(writer->Add(request).ok());
    }
    EXPECT_TRUE(writer->Finish().ok());
    return *TrainingRowsReader::Open(path_);
  }

  static TrainTreesOptions ValidatedFrom(int request) {
    TrainTreesOptions options;
    options.validation_from_ms = 1'000 * request;
    options.threads = 1;
    return options;
  }
  static TreesSpec SmallSpec(Objective objective = Objective::kNdcg) {
    TreesSpec spec;
    spec.objective = objective;
    spec.depth = 4;
    spec.rounds = 40;
    spec.early_stopping_rounds = 10;
    return spec;
  }

  static constexpr std::size_t kRows = 6;
  const std::string path_;
};

std::vector<float> RandomRows(std::size_t rows, std::size_t columns) {
  std::mt19937_64 random(9);
  std::vector<float> values(rows * columns);
  for (float& value : values) {
    value = random() % 6 == 0 ? kNull : static_cast<float>(random() % 4'001) / 1'000 - 2;
  }
  return values;
}

// What XGBoost itself says of these rows: `type` as in its C API.
std::vector<float> ByXgboost(const std::string& model, const std::vector<float>& rows,
                             std::size_t columns, int type) {
  DMatrixHandle matrix = nullptr;
  BoosterHandle booster = nullptr;
  EXPECT_EQ(XGDMatrixCreateFromMat(rows.data(), rows.size() / columns, columns, kNull, &matrix), 0);
  EXPECT_EQ(XGBoosterCreate(nullptr, 0, &booster), 0);
  EXPECT_EQ(XGBoosterLoadModelFromBuffer(booster, model.data(), model.size()), 0)
      << XGBGetLastError();
  XGBoosterSetParam(booster, "nthread", "1");
  const std::string config =
      StrCat("{\"type\": ", type,
             ", \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
             "\"strict_shape\": false}");
  const bst_ulong* shape = nullptr;
  bst_ulong dimensions = 0;
  const float* values = nullptr;
  EXPECT_EQ(
      XGBoosterPredictFromDMatrix(booster, matrix, config.c_str(), &shape, &dimensions, &values), 0)
      << XGBGetLastError();
  std::size_t size = 1;
  for (bst_ulong d = 0; d < dimensions; ++d) size *= shape[d];
  std::vector<float> result(values, values + size);
  XGBoosterFree(booster);
  XGDMatrixFree(matrix);
  return result;
}

TEST_F(TrainTreesTest, EveryObjectiveLearnsWhatTheRowsSay) {
  const auto rows = Rows(1'500);
  for (const Objective objective : {Objective::kPairwise, Objective::kNdcg, Objective::kLogistic}) {
    TreesSpec spec = SmallSpec(objective);
    spec.metric = objective == Objective::kLogistic ? Metric::kLogLoss : Metric::kNdcg;
    const auto trained = TrainTrees(rows.get(), spec, ValidatedFrom(1'200));
    ASSERT_TRUE(trained.ok()) << trained.status();
    EXPECT_EQ(trained->training_requests, 1'200u);
    EXPECT_EQ(trained->validation_requests, 300u);
    EXPECT_EQ(trained->training_rows, 1'200 * kRows);
    // By chance: nDCG .60, log loss .45.
    if (objective == Objective::kLogistic) {
      EXPECT_LT(trained->metric, 0.35);
    } else {
      EXPECT_GT(trained->metric, 0.80);
    }
    ASSERT_EQ(trained->importance.size(), 4u);
    EXPECT_EQ(trained->importance[0].feature, "mood");
    EXPECT_EQ(trained->importance[2].feature, "fit");
    EXPECT_GT(trained->importance[2].gain, 5 * trained->importance[1].gain);
    EXPECT_GT(trained->importance[0].count, 0u);
  }
}

TEST_F(TrainTreesTest, ScoresAreThoseOfXgboostBitForBitAndContributionsAreItsOwn) {
  const auto rows = Rows(800);
  for (const Objective objective : {Objective::kPairwise, Objective::kNdcg, Objective::kLogistic}) {
    const auto trained = TrainTrees(rows.get(), SmallSpec(objective), ValidatedFrom(700));
    ASSERT_TRUE(trained.ok()) << trained.status();
    const auto trees = TreeEnsemble::Parse(trained->model);
    ASSERT_TRUE(trees.ok()) << trees.status();
    EXPECT_EQ(trees->trees(), static_cast<std::size_t>(trained->rounds));
    EXPECT_EQ(trees->is_logistic(), objective == Objective::kLogistic);
    const std::vector<float> values = RandomRows(777, 4);
    std::vector<float> scores(777);
    trees->Predict(values, scores);
    const std::vector<float> expected = ByXgboost(trained->model, values, 4, 1);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(scores[i]), std::bit_cast<std::uint32_t>(expected[i]))
          << scores[i] << " " << expected[i];
    }
    const std::vector<float> expected_parts = ByXgboost(trained->model, values, 4, 2);
    ASSERT_EQ(expected_parts.size(), 777u * 5);
    std::vector<double> parts(5);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      trees->Contributions(std::span(values).subspan(4 * i, 4), parts);
      double sum = 0;
      for (std::size_t f = 0; f < 5; ++f) {
        ASSERT_NEAR(parts[f], expected_parts[5 * i + f], 2e-4);
        sum += parts[f];
      }
      ASSERT_NEAR(sum, scores[i], 2e-5);
    }
  }
}

TEST_F(TrainTreesTest, WithACutoffTheFirstPlacesAreLearned) {
  const auto rows = Rows(1'500);
  TreesSpec spec = SmallSpec();
  spec.cutoff = 1;
  spec.row_sample = 0.8;
  const auto trained = TrainTrees(rows.get(), spec, ValidatedFrom(1'200));
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_GT(trained->metric, 0.55);  // how often the one positive is the first; by chance .17
  const auto again = TrainTrees(rows.get(), spec, ValidatedFrom(1'200));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->model, trained->model);
  const auto trees = TreeEnsemble::Parse(trained->model);
  ASSERT_TRUE(trees.ok()) << trees.status();
  EXPECT_EQ(trees->trees(), static_cast<std::size_t>(trained->rounds));
}

TEST_F(TrainTreesTest, TheSameSeedGivesTheSameBytes) {
  const auto rows = Rows(500);
  TreesSpec spec = SmallSpec(Objective::kPairwise);
  spec.rounds = 15;
  spec.row_sample = 0.7;
  spec.column_sample = 0.7;
  TrainTreesOptions options = ValidatedFrom(400);
  options.threads = 2;
  const auto first = TrainTrees(rows.get(), spec, options);
  const auto second = TrainTrees(rows.get(), spec, options);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->model, second->model);
  spec.seed = 2;
  EXPECT_NE(TrainTrees(rows.get(), spec, options)->model, first->model);
}

TEST_F(TrainTreesTest, TheBestRoundOnTheLaterPartIsKept) {
  const auto rows = Rows(400);
  TreesSpec spec = SmallSpec();
  spec.rounds = 300;
  spec.learning_rate = 0.5;
  std::vector<double> metrics;
  TrainTreesOptions options = ValidatedFrom(300);
  options.end_ms = 1'000 * 350;
  options.progress = [&](const TrainTreesOptions::Progress& progress) {
    EXPECT_EQ(progress.round, static_cast<int>(metrics.size()) + 1);
    EXPECT_EQ(progress.rounds, 300);
    metrics.push_back(progress.metric);
  };
  const auto trained = TrainTrees(rows.get(), spec, options);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_EQ(trained->validation_requests, 50u);
  ASSERT_EQ(metrics.size(), static_cast<std::size_t>(trained->rounds_grown));
  const auto best = std::max_element(metrics.begin(), metrics.end());
  EXPECT_EQ(trained->rounds, best - metrics.begin() + 1);
  EXPECT_EQ(trained->metric, *best);
  EXPECT_EQ(trained->rounds_grown, trained->rounds + 10);
  EXPECT_EQ(TreeEnsemble::Parse(trained->model)->trees(),
            static_cast<std::size_t>(trained->rounds));
}

TEST_F(TrainTreesTest, AMonotoneFeatureNeverFalls) {
  const auto rows = Rows(600);
  TreesSpec spec = SmallSpec(Objective::kLogistic);
  spec.monotone = {{"fit", 1}, {"place", -1}};
  const auto trained = TrainTrees(rows.get(), spec, ValidatedFrom(500));
  ASSERT_TRUE(trained.ok()) << trained.status();
  const auto trees = TreeEnsemble::Parse(trained->model);
  for (const float mood : {-0.9F, 0.2F, 0.9F}) {
    float before = -1e9F;
    for (float fit = -1; fit <= 1; fit += 0.05F) {
      float score = 0;
      trees->Predict(std::vector<float>{mood, 0, fit, 2}, {&score, 1});
      EXPECT_GE(score, before);
      before = score;
    }
    before = 1e9F;
    for (float place = 0; place < 6; ++place) {
      float score = 0;
      trees->Predict(std::vector<float>{mood, 0, 0.5F, place}, {&score, 1});
      EXPECT_LE(score, before);
      before = score;
    }
  }
}

TEST_F(TrainTreesTest, WhatCannotBeTrainedOnIsToldByName) {
  const auto error = [&](TrainingRowsReader* rows, const TreesSpec& spec,
                         const TrainTreesOptions& options) {
    return std::string(TrainTrees(rows, spec, options).status().message());
  };
  TreesSpec spec = SmallSpec();
  {
    const auto rows = Rows(20);
    EXPECT_THAT(error(rows.get(), spec, ValidatedFrom(0)),
                HasSubstr("no training request with different labels"));
    EXPECT_THAT(error(rows.get(), spec, ValidatedFrom(20)), HasSubstr("no validation request"));
    spec.monotone = {{"fitt", 1}};
    EXPECT_THAT(error(rows.get(), spec, ValidatedFrom(10)),
                HasSubstr("monotone: there is no feature fitt"));
    spec = SmallSpec();
    spec.metric = Metric::kLogLoss;
    EXPECT_THAT(error(rows.get(), spec, ValidatedFrom(10)), HasSubstr("logloss needs"));
    spec = SmallSpec();
    spec.depth = 99;
    EXPECT_THAT(error(rows.get(), spec, ValidatedFrom(10)), HasSubstr("depth of 1 to 64"));
  }
  const auto fractions = Rows(20, 0.5F);
  EXPECT_THAT(error(fractions.get(), SmallSpec(), ValidatedFrom(10)),
              HasSubstr("a label of 0.5: ndcg needs whole labels"));
  const auto large = Rows(20, 2);
  EXPECT_THAT(error(large.get(), SmallSpec(Objective::kLogistic), ValidatedFrom(10)),
              HasSubstr("a label of 2: logistic needs labels from 0 to 1"));
  const auto infinite = Rows(20, 1, std::numeric_limits<float>::infinity());
  EXPECT_THAT(error(infinite.get(), SmallSpec(), {}), HasSubstr("is infinite"));
}

TEST(ValidationMetricTest, ValuesAreThoseByHand) {
  const std::vector<float> margins = {1, 3, 2, 0, 0};
  const std::vector<float> labels = {1, 0, 1, 1, 0};
  const std::vector<std::uint32_t> ends = {3, 5};
  // First list in order: 0 1 1; second, tied, as it stands: 1 0.
  const double ndcg = (1 / std::log2(3) + 1 / std::log2(4)) / (1 + 1 / std::log2(3));
  EXPECT_NEAR(ValidationMetric(Metric::kNdcg, margins, labels, ends), (ndcg + 1) / 2, 1e-12);
  EXPECT_NEAR(ValidationMetric(Metric::kMap, margins, labels, ends),
              ((1.0 / 2 + 2.0 / 3) / 2 + 1) / 2, 1e-12);
  // Positives 1, 2, 0 against negatives 3, 0: 0 + 0 + 0 against 3, 1 + 1 + 1/2 against 0.
  EXPECT_NEAR(ValidationMetric(Metric::kAuc, margins, labels, ends), 2.5 / 6, 1e-12);
  const auto loss = [](double margin, double label) {
    const double p = ProbabilityOf(margin);
    return -label * std::log(p) - (1 - label) * std::log(1 - p);
  };
  EXPECT_NEAR(ValidationMetric(Metric::kLogLoss, margins, labels, ends),
              (loss(1, 1) + loss(3, 0) + loss(2, 1) + loss(0, 1) + loss(0, 0)) / 5, 1e-12);
  EXPECT_EQ(ValidationMetric(Metric::kAuc, margins, std::vector<float>(5), ends), 0.5);
  EXPECT_EQ(ValidationMetric(Metric::kNdcg, margins, std::vector<float>(5), ends), 0);
}

TEST(ValidationMetricTest, OfNdcgThePlacesPastTheCutoffDoNotCount) {
  const std::vector<float> margins = {1, 3, 2, 4};
  const std::vector<float> labels = {1, 0, 1, 0};
  const std::vector<std::uint32_t> ends = {4};  // in order: 0 0 1 1
  const auto at = [&](int cutoff) {
    return ValidationMetric(Metric::kNdcg, margins, labels, ends, cutoff);
  };
  const double best = 1 + 1 / std::log2(3);
  EXPECT_EQ(at(2), 0);
  EXPECT_NEAR(at(3), 0.5 / best, 1e-12);
  EXPECT_NEAR(at(10), (0.5 + 1 / std::log2(5)) / best, 1e-12);
  EXPECT_EQ(at(0), at(10));
}

TEST(ValidationMetricTest, GradedLabelsCountTwoToTheirPower) {
  const std::vector<float> margins = {2, 1};
  const std::vector<float> labels = {1, 2};
  const std::vector<std::uint32_t> ends = {2};
  const double second = 1 / std::log2(3);
  EXPECT_NEAR(ValidationMetric(Metric::kNdcg, margins, labels, ends),
              (1 + 3 * second) / (3 + second), 1e-12);
}

TEST(CutByTimeTest, MomentsCutAndAreNotCutThemselves) {
  std::vector<std::int64_t> times;
  for (int i = 9; i >= 0; --i) times.push_back(10 * i);
  EXPECT_EQ(CutByTime(times, 0.7, 0.1), (TimeCuts{70, 80}));
  EXPECT_EQ(CutByTime(times, 0.8, 0.2), (TimeCuts{80, 91}));
  EXPECT_EQ(CutByTime({5, 5, 5, 6}, 0.5, 0.25), (TimeCuts{5, 6}));
  EXPECT_EQ(CutByTime({}, 0.7, 0.1), std::nullopt);
}

}  // namespace
}  // namespace fourfold
