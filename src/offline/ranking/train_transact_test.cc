#include "offline/ranking/train_transact.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/transact/transact_ranker.h"
#include "offline/ranking/adam.h"
#include "offline/ranking/ranking_loss.h"
#include "offline/ranking/transact_step.h"

namespace fourfold {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

// Requests of five candidates with two numbers each; what was chosen is the item of the newest
// action, where it stands among the candidates. No number says so.
class TrainTransActTest : public testing::Test {
 protected:
  static constexpr int kRequests = 600, kCandidates = 5, kItems = 12;

  TrainTransActTest()
      : path_(testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name() +
              ".rows") {
    WriteRows();
    rows_ = *TrainingRowsReader::Open(path_);
    spec_.actions = 8;
    spec_.action_dimension = spec_.item_dimension = spec_.feed_forward = 8;
    spec_.layers = 1;
    spec_.latest = 2;
    spec_.hidden = {16};
    spec_.cross_layers = 1;
    spec_.item_actions_min = 5;
    spec_.objective = TransActSpec::Objective::kListwise;
    spec_.metric = TreesSpec::Metric::kMap;
    spec_.learning_rate = 0.01;
    spec_.warm_up_steps = 10;
    spec_.batch_rows = 40;
    spec_.epochs = 8;
    spec_.dropout = 0.05;
    options_.validation_from_ms = 500 * kDayMs;
  }
  ~TrainTransActTest() override { std::filesystem::remove(path_); }

  // With heads: "chosen", and "cheap" for what costs less than that.
  void WriteRows(bool with_heads = false, float cheap_below = 30) const {
    using Kind = TrainingSchema::SequenceColumn::Kind;
    TrainingSchema schema;
    schema.request_features = {"hour"};
    schema.candidate_features = {"price", "age"};
    schema.dictionaries = {"item", "user", "action_type"};
    schema.sequences = {{"actions",
                         {{"item", Kind::kId, "item"},
                          {"type", Kind::kId, "action_type"},
                          {"time", Kind::kTime, ""}}}};
    if (with_heads) schema.heads = {"chosen", "cheap"};
    auto writer = *TrainingRowsWriter::Create(path_, schema);
    std::mt19937_64 random(9);
    for (int r = 0; r < kRequests; ++r) {
      std::vector<std::uint32_t> shown;
      std::vector<float> numbers, labels;
      const int first = static_cast<int>(random() % kItems);
      for (int c = 0; c < kCandidates; ++c) {
        shown.push_back(writer->NumberOf(0, "i" + std::to_string((first + c) % kItems)));
        numbers.push_back(static_cast<float>(random() % 100));
        numbers.push_back(c == 2 ? std::nanf("") : static_cast<float>(random() % 7));
      }
      const std::size_t chosen = random() % kCandidates;
      for (int c = 0; c < kCandidates; ++c) labels.push_back(c == static_cast<int>(chosen) ? 1 : 0);
      TrainingBlock::Sequence actions;
      actions.columns.resize(3);
      const std::uint32_t length = 1 + static_cast<std::uint32_t>(random() % 10);
      actions.step_end = {length};
      for (std::uint32_t a = 0; a < length; ++a) {
        actions.columns[0].ids.push_back(
            a == 0 ? shown[chosen] : writer->NumberOf(0, "i" + std::to_string(random() % kItems)));
        actions.columns[1].ids.push_back(writer->NumberOf(2, random() % 2 == 0 ? "like" : "view"));
        actions.columns[2].times_ms.push_back(r * kDayMs - 60'000 * std::int64_t{a + 1});
      }
      const std::vector<float> hour = {static_cast<float>(r % 24)};
      TrainingRequest request;
      request.event_time_ms = r * kDayMs;
      request.features = hour;
      request.items = shown;
      request.candidate_features = numbers;
      request.labels = labels;
      const std::vector<TrainingBlock::Sequence> sequences = {actions};
      request.sequences = sequences;
      std::vector<std::uint32_t> outcomes;
      for (std::size_t c = 0; with_heads && c < kCandidates; ++c) {
        outcomes.push_back((labels[c] > 0 ? 1u : 0u) | (numbers[2 * c] < cheap_below ? 2u : 0u));
      }
      request.outcomes = outcomes;
      ASSERT_TRUE(writer->Add(request).ok());
    }
    ASSERT_TRUE(writer->Finish().ok());
  }

  const std::string path_;
  std::unique_ptr<TrainingRowsReader> rows_;
  TransActSpec spec_;
  TrainTransActOptions options_;
};

TEST_F(TrainTransActTest, LearnsThatTheItemOfTheLastActionIsChosen) {
  const auto trained = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_EQ(trained->training_requests, 500u);
  EXPECT_EQ(trained->validation_rows, 500u);
  // By chance .457 (the mean of 1, 1/2, ..., 1/5).
  EXPECT_GT(trained->metric, 0.8);
  EXPECT_EQ(trained->model.items.size(), 12u);
}

class TrainHeadsTest : public TrainTransActTest {
 protected:
  TrainHeadsTest() {
    WriteRows(/*with_heads=*/true);
    rows_ = *TrainingRowsReader::Open(path_);
    spec_.objective = TransActSpec::Objective::kLogistic;
    spec_.metric = TreesSpec::Metric::kAuc;
    spec_.head_values = {1, -0.5};
  }
};

TEST_F(TrainHeadsTest, EachHeadLearnsItsOwnAction) {
  const auto trained = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_EQ(trained->model.heads, (std::vector<std::string>{"chosen", "cheap"}));
  // The mean of both: one that learned nothing would hold it near .75.
  EXPECT_GT(trained->metric, 0.9);
  // The order by the values: what is chosen and not cheap.
  spec_.metric = TreesSpec::Metric::kMap;
  const auto by_order = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(by_order.ok());
  EXPECT_GT(by_order->metric, 0.7);
}

TEST_F(TrainHeadsTest, GradientsOfAStepAreDerivativesOfTheLossOfAllHeads) {
  spec_.epochs = 1;
  spec_.label_weights = {3, kNoLabelWeight, 0.5, 2};
  spec_.user_weights = {{"hour", {6, 12}, {2, 0.25}}};
  auto trained = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(trained.ok()) << trained.status();
  TransActRankerModel& model = trained->model;
  const TransActRows rows =
      *TransActRows::Read(rows_.get(), spec_, 0, options_.validation_from_ms, options_.end_ms);
  // Requests stand in the order of their hours.
  EXPECT_EQ(rows.ViewOf(rows.training()[5]).weights[0], 1);
  EXPECT_EQ(rows.ViewOf(rows.training()[6]).weights[0], 2);
  EXPECT_EQ(rows.ViewOf(rows.training()[23]).weights[4], 0.25F);
  const std::span<const TransActRows::Request> batch(rows.training().data() + 3, 6);
  TransActStep step(&model, rows, spec_);
  step.Forward(batch, false, 0);
  step.Backward(batch);
  TransActStep probe(&model, rows, spec_);
  // Written out, apart from HeadsLoss.
  const auto loss = [&] {
    probe.Forward(batch, false, 0);
    double sum = 0;
    std::size_t row = 0;
    for (const TransActRows::Request request : batch) {
      const TransActRows::View view = rows.ViewOf(request);
      for (std::size_t c = 0; c < view.items.size(); ++c, ++row) {
        const bool chosen = (view.outcomes[c] & 1u) != 0, cheap = (view.outcomes[c] & 2u) != 0;
        const double of_chosen = chosen ? 3 : 1;
        const double of_cheap = chosen || cheap ? (chosen ? 0.5 : 0) + (cheap ? 2 : 0) : 1;
        const double a = probe.Logits(0)[row], b = probe.Logits(1)[row];
        sum += double{view.weights[c]} * (of_chosen * (std::log1p(std::exp(a)) - (chosen ? a : 0)) +
                                          of_cheap * (std::log1p(std::exp(b)) - (cheap ? b : 0)));
      }
    }
    return sum;
  };
  const auto expect_derivative = [&](float* value, float gradient, const char* what) {
    const float before = *value;
    *value = before + 0x1p-8f;
    const double up = loss();
    *value = before - 0x1p-8f;
    const double down = loss();
    *value = before;
    EXPECT_NEAR(double{gradient}, (up - down) / 0x1p-7, 0.02 + 0.05 * std::fabs(gradient)) << what;
  };
  for (std::size_t i = 0; i < 32; i += 5) {
    expect_derivative(&model.network.head.weight[i], step.network_gradients().head.weight[i],
                      "head");
    expect_derivative(&model.encoder.layers[0].in_projection.weight[i],
                      step.encoder_gradients().layers[0].in_projection.weight[i], "projection");
  }
  for (std::size_t i = 0; i < 2; ++i) {
    expect_derivative(&model.network.head.bias[i], step.network_gradients().head.bias[i], "bias");
  }
}

TEST_F(TrainHeadsTest, AWarmStartTakesHeadsByTheirNames) {
  const auto earlier = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(earlier.ok());
  TransActRankerModel other = earlier->model;
  std::swap(other.heads[0], other.heads[1]);
  spec_.epochs = 1;
  spec_.learning_rate = 1e-9;
  options_.warm_start = &other;
  const auto warm = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(warm.ok());
  const auto half = static_cast<std::ptrdiff_t>(earlier->model.network.head.weight.size() / 2);
  for (std::ptrdiff_t i = 0; i < half; ++i) {
    const auto at = static_cast<std::size_t>(i), far = static_cast<std::size_t>(i + half);
    EXPECT_NEAR(warm->model.network.head.weight[at], earlier->model.network.head.weight[far], 1e-5);
    EXPECT_NEAR(warm->model.network.head.weight[far], earlier->model.network.head.weight[at], 1e-5);
  }
}

TEST_F(TrainHeadsTest, WhatDoesNotFitTheHeadsIsToldBefore) {
  TransActSpec spec = spec_;
  spec.objective = TransActSpec::Objective::kListwise;
  EXPECT_FALSE(TrainTransAct(rows_.get(), spec, options_).ok());
  spec = spec_;
  spec.head_values = {1};
  EXPECT_FALSE(TrainTransAct(rows_.get(), spec, options_).ok());
  spec = spec_;
  spec.label_weights = {1, 1};
  EXPECT_FALSE(TrainTransAct(rows_.get(), spec, options_).ok());
  spec = spec_;
  spec.user_weights = {{"price", {0}, {1}}};  // of the candidate
  EXPECT_FALSE(TrainTransAct(rows_.get(), spec, options_).ok());
}

TEST_F(TrainTransActTest, TheSameSeedGivesTheSameBitsAndAnotherDoesNot) {
  spec_.epochs = 1;
  const auto once = TrainTransAct(rows_.get(), spec_, options_);
  const auto again = TrainTransAct(rows_.get(), spec_, options_);
  spec_.seed = 2;
  const auto other = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(once.ok() && again.ok() && other.ok());
  EXPECT_EQ(once->model.network.head.weight, again->model.network.head.weight);
  EXPECT_EQ(once->model.item_table, again->model.item_table);
  EXPECT_NE(once->model.network.head.weight, other->model.network.head.weight);
}

TEST_F(TrainTransActTest, ATrainingThatWasCutShortEndsAsIfItHadNotBeen) {
  spec_.epochs = 3;
  spec_.early_stopping_epochs = 0;
  const auto whole = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(whole.ok());
  options_.checkpoint_path = path_ + ".checkpoint";
  struct CutShort {};
  int epochs_begun = 0;
  options_.progress = [&](const TrainTransActOptions::Progress& progress) {
    epochs_begun = std::max(epochs_begun, progress.epoch);
    if (progress.epoch == 2) throw CutShort();
  };
  EXPECT_THROW((void)TrainTransAct(rows_.get(), spec_, options_), CutShort);
  ASSERT_TRUE(std::filesystem::exists(options_.checkpoint_path));
  int first_epoch = 0;
  options_.progress = [&](const TrainTransActOptions::Progress& progress) {
    if (first_epoch == 0) first_epoch = progress.epoch;
  };
  const auto resumed = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(first_epoch, 2);
  EXPECT_EQ(resumed->model.network.head.weight, whole->model.network.head.weight);
  EXPECT_EQ(resumed->model.item_table, whole->model.item_table);
  EXPECT_FALSE(std::filesystem::exists(options_.checkpoint_path));
}

TEST_F(TrainTransActTest, WhereACheckpointIsDamagedTheTrainingBeginsAnewAndSaysSo) {
  spec_.epochs = 2;
  spec_.early_stopping_epochs = 0;
  const auto whole = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(whole.ok());
  options_.checkpoint_path = path_ + ".checkpoint";
  struct CutShort {};
  options_.progress = [&](const TrainTransActOptions::Progress& progress) {
    if (progress.epoch == 2) throw CutShort();
  };
  EXPECT_THROW((void)TrainTransAct(rows_.get(), spec_, options_), CutShort);
  const auto size = std::filesystem::file_size(options_.checkpoint_path);
  std::string intact(size, '\0');
  std::ifstream(options_.checkpoint_path, std::ios::binary)
      .read(intact.data(), static_cast<std::streamsize>(size));

  int first_epoch = 0;
  std::string notes;
  options_.progress = [&](const TrainTransActOptions::Progress& progress) {
    if (first_epoch == 0) first_epoch = progress.epoch;
  };
  options_.note = [&](std::string_view note) { notes += note; };
  const auto train_from = [&](const std::string& bytes) {
    std::ofstream(options_.checkpoint_path, std::ios::binary) << bytes;
    first_epoch = 0;
    notes.clear();
    const auto trained = TrainTransAct(rows_.get(), spec_, options_);
    ASSERT_TRUE(trained.ok()) << trained.status();
    EXPECT_EQ(trained->model.network.head.weight, whole->model.network.head.weight);
    EXPECT_EQ(trained->model.item_table, whole->model.item_table);
  };
  train_from(intact);
  EXPECT_EQ(first_epoch, 2);
  EXPECT_THAT(notes, testing::HasSubstr("goes on after epoch 1"));
  // Cut off, one bit of a weight, nothing at all.
  std::string flipped = intact;
  flipped[size - 100] = static_cast<char>(flipped[size - 100] ^ 4);
  for (const std::string& damaged : {intact.substr(0, size - 50), flipped, std::string()}) {
    train_from(damaged);
    EXPECT_EQ(first_epoch, 1);
    EXPECT_THAT(notes, testing::HasSubstr("is damaged"));
  }
}

TEST_F(TrainHeadsTest, AHeadOfWhichNothingHappensIsTold) {
  std::string notes;
  options_.note = [&](std::string_view note) { notes += note; };
  spec_.epochs = 1;
  ASSERT_TRUE(TrainTransAct(rows_.get(), spec_, options_).ok());
  EXPECT_EQ(notes, "");
  WriteRows(/*with_heads=*/true, /*cheap_below=*/0);
  rows_ = *TrainingRowsReader::Open(path_);
  options_.validation_from_ms.reset();
  ASSERT_TRUE(TrainTransAct(rows_.get(), spec_, options_).ok());
  EXPECT_THAT(notes, testing::HasSubstr("head cheap learns nothing"));
}

TEST_F(TrainTransActTest, InBfloat16ItLearnsAsMuchAndTheSameSeedGivesTheSameBits) {
  const auto exact = TrainTransAct(rows_.get(), spec_, options_);
  spec_.training_precision = Precision::kBfloat16;
  const auto rounded = TrainTransAct(rows_.get(), spec_, options_);
  const auto again = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(exact.ok() && rounded.ok() && again.ok());
  EXPECT_NEAR(rounded->metric, exact->metric, 0.03);
  EXPECT_GT(rounded->metric, 0.8);
  EXPECT_EQ(exact->model.training_precision, Precision::kFloat32);
  EXPECT_EQ(rounded->model.training_precision, Precision::kBfloat16);
  EXPECT_EQ(rounded->model.precision, Precision::kFloat32);
  EXPECT_NE(rounded->model.network.head.weight, exact->model.network.head.weight);
  EXPECT_EQ(rounded->model.network.head.weight, again->model.network.head.weight);
  EXPECT_EQ(rounded->model.item_table, again->model.item_table);
  // What steps add up to are no bfloat16s: the least bits of weights live on.
  EXPECT_TRUE(std::any_of(rounded->model.encoder.layers[0].linear1.weight.begin(),
                          rounded->model.encoder.layers[0].linear1.weight.end(),
                          [](float weight) { return RoundToBfloat16(weight) != weight; }));
}

TEST_F(TrainTransActTest, ATrainingInAnotherPrecisionBeginsAnew) {
  spec_.epochs = 2;
  spec_.early_stopping_epochs = 0;
  options_.checkpoint_path = path_ + ".checkpoint";
  struct CutShort {};
  const auto cut_short = [&] {
    options_.progress = [&](const TrainTransActOptions::Progress& progress) {
      if (progress.epoch == 2) throw CutShort();
    };
    EXPECT_THROW((void)TrainTransAct(rows_.get(), spec_, options_), CutShort);
    ASSERT_TRUE(std::filesystem::exists(options_.checkpoint_path));
  };
  int first_epoch = 0;
  const auto train = [&] {
    first_epoch = 0;
    options_.progress = [&](const TrainTransActOptions::Progress& progress) {
      if (first_epoch == 0) first_epoch = progress.epoch;
    };
    return TrainTransAct(rows_.get(), spec_, options_);
  };
  cut_short();  // in float32
  spec_.training_precision = Precision::kBfloat16;
  const auto anew = train();
  ASSERT_TRUE(anew.ok()) << anew.status();
  EXPECT_EQ(first_epoch, 1);
  cut_short();  // in bfloat16
  const auto resumed = train();
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(first_epoch, 2);
  EXPECT_EQ(resumed->model.network.head.weight, anew->model.network.head.weight);
  EXPECT_EQ(resumed->model.item_table, anew->model.item_table);
  cut_short();
  spec_.training_precision = Precision::kFloat32;
  ASSERT_TRUE(train().ok());
  EXPECT_EQ(first_epoch, 1);
}

TEST_F(TrainTransActTest, AWarmStartBeginsWhereTheEarlierModelEnded) {
  const auto earlier = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(earlier.ok());
  spec_.epochs = 1;
  spec_.learning_rate = 1e-5;
  const auto cold = TrainTransAct(rows_.get(), spec_, options_);
  options_.warm_start = &earlier->model;
  const auto warm = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(cold.ok() && warm.ok());
  EXPECT_NEAR(warm->metric, earlier->metric, 0.03);
  EXPECT_LT(cold->metric, earlier->metric - 0.1);
}

TEST_F(TrainTransActTest, TheSameRowIsScoredAlikeInTrainingAndServing) {
  auto trained = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(trained.ok());
  const TransActRows rows =
      *TransActRows::Read(rows_.get(), spec_, 0, options_.validation_from_ms, options_.end_ms);
  TransActStep step(&trained->model, rows, spec_);
  const std::string file = path_ + ".safetensors";
  ASSERT_TRUE(WriteTransActRanker(trained->model, file).ok());
  auto read = ReadTransActRanker(*SafetensorsFile::Open(file));
  std::filesystem::remove(file);
  ASSERT_TRUE(read.ok()) << read.status();
  const TransActRanker ranker(*std::move(read));
  TransActScratch scratch;
  for (std::size_t r = 0; r < 50; ++r) {
    const TransActRows::Request request = rows.validation()[r];
    const TransActRows::View view = rows.ViewOf(request);
    step.Forward(std::span(&request, 1), false, 0);
    const std::span<const float> logits = step.Logits(0);
    std::vector<std::string> items, types;
    std::vector<std::string_view> candidates;
    for (const std::uint32_t id : view.action_items) items.push_back(rows.items()[id]);
    for (const std::uint32_t id : view.action_types) types.push_back(rows.action_types()[id]);
    for (const std::uint32_t id : view.items) candidates.push_back(rows.items()[id]);
    std::vector<float> numbers;
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      numbers.insert(numbers.end(), view.request_columns.begin(), view.request_columns.end());
      const auto own = view.candidate_columns.subspan(c * 2, 2);
      numbers.insert(numbers.end(), own.begin(), own.end());
    }
    const TransActQuery query{
        {items, types, view.action_times_ms}, view.event_time_ms, candidates, numbers};
    std::vector<float> scores(candidates.size());
    ranker.Score(query, &scratch, scores);
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      EXPECT_NEAR(1 / (1 + std::exp(-scores[c])), 1 / (1 + std::exp(-logits[c])), 1e-5f);
    }
    const std::vector<float> attention = ranker.Attention(query, 0);
    ASSERT_EQ(attention.size(), std::min<std::size_t>(8, items.size()));
    double sum = 0;
    for (const float share : attention) sum += double{share};
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

TEST_F(TrainTransActTest, GradientsOfAStepAreDerivativesOfItsLoss) {
  spec_.layers = 2;
  spec_.dropout = 0.2;
  spec_.epochs = 1;
  auto trained = TrainTransAct(rows_.get(), spec_, options_);
  ASSERT_TRUE(trained.ok());
  TransActRankerModel& model = trained->model;
  const TransActRows rows =
      *TransActRows::Read(rows_.get(), spec_, 0, options_.validation_from_ms, options_.end_ms);
  const std::span<const TransActRows::Request> batch(rows.training().data(), 6);
  TransActStep step(&model, rows, spec_);
  step.Forward(batch, true, 3);
  step.Backward(batch);
  const std::vector<float> by_items = step.item_gradients();
  TransActStep probe(&model, rows, spec_);
  const auto loss = [&] {
    probe.Forward(batch, true, 3);
    return probe.Backward(batch);
  };
  const auto expect_derivative = [&](float* value, float gradient, const char* what) {
    const float before = *value;
    *value = before + 0x1p-8f;
    const double up = loss();
    *value = before - 0x1p-8f;
    const double down = loss();
    *value = before;
    // Differences of float32 are rough, and a maximum may change its place.
    EXPECT_NEAR(double{gradient}, (up - down) / 0x1p-7, 0.02 + 0.05 * std::fabs(gradient)) << what;
  };
  for (std::size_t i = 3; i < model.item_table.size(); i += 13) {
    expect_derivative(&model.item_table[i], by_items[i], "items");
  }
  for (std::size_t i = 1; i < 64; i += 7) {
    expect_derivative(&model.network.head.weight[i % 16],
                      step.network_gradients().head.weight[i % 16], "head");
    expect_derivative(&model.encoder.layers[0].in_projection.weight[i],
                      step.encoder_gradients().layers[0].in_projection.weight[i], "projection");
  }
}

TEST_F(TrainTransActTest, WhatCannotBeTrainedIsToldBefore) {
  TransActSpec spec = spec_;
  spec.item_dimension = 12;
  EXPECT_FALSE(TrainTransAct(rows_.get(), spec, options_).ok());
  spec = spec_;
  spec.sequence = "nothing";
  EXPECT_FALSE(TrainTransAct(rows_.get(), spec, options_).ok());
  options_.validation_from_ms = 10'000 * kDayMs;
  EXPECT_FALSE(TrainTransAct(rows_.get(), spec_, options_).ok());
}

TEST(RankingLossTest, GivesLossesAndGradientsWorkedOutByHand) {
  const std::vector<float> weights = {1, 1, 1};
  std::vector<float> gradients(3);
  // softmax of (0, 0, ln 2) is 1/4, 1/4, 1/2.
  const std::vector<float> logits = {0, 0, std::log(2.0f)};
  const std::vector<float> labels = {0, 1, 0};
  EXPECT_NEAR(ListwiseLoss(logits, labels, weights, gradients), std::log(4), 1e-6);
  EXPECT_THAT(gradients, testing::Pointwise(testing::FloatNear(1e-6f),
                                            std::vector<float>{0.25f, -0.75f, 0.5f}));
  const std::vector<float> nothing(3);
  EXPECT_EQ(ListwiseLoss(logits, nothing, weights, gradients), 0);
  EXPECT_THAT(gradients, testing::Each(0.0f));
  // p = 1/2, 1/2, 2/3.
  EXPECT_NEAR(LogisticLoss(logits, labels, weights, gradients), 2 * std::log(2) + std::log(3),
              1e-6);
  EXPECT_THAT(gradients, testing::Pointwise(testing::FloatNear(1e-6f),
                                            std::vector<float>{0.5f, -0.5f, 2.0f / 3}));
}

TEST(RankingLossTest, HeadsWeighRowsByWhatCameOfThem) {
  // Of a recollection of the published matrix: rows click, repin, hide.
  const std::vector<double> matrix = {100, 0, 100, 0, 100, 100, 1, 5, 10};
  EXPECT_EQ(LabelWeight(matrix, 3, 0, 0b000), 1);
  EXPECT_EQ(LabelWeight(matrix, 3, 0, 0b001), 100);
  EXPECT_EQ(LabelWeight(matrix, 3, 0, 0b010), 0);
  EXPECT_EQ(LabelWeight(matrix, 3, 2, 0b111), 16);
  EXPECT_EQ(LabelWeight({}, 3, 2, 0b111), 1);
  const std::vector<double> sparse = {2, kNoLabelWeight, kNoLabelWeight, kNoLabelWeight};
  EXPECT_EQ(LabelWeight(sparse, 2, 0, 0b10), 1);
  EXPECT_EQ(LabelWeight(sparse, 2, 0, 0b11), 2);

  // Two heads of two rows in columns of four; all logits are 0, so that each term is ln 2.
  const std::vector<float> logits(8);
  const std::vector<std::uint32_t> outcomes = {0b01, 0b10};
  const std::vector<float> weights = {1, 3};
  std::vector<float> gradients(8, 7);
  EXPECT_NEAR(HeadsLoss(2, 4, logits.data(), outcomes, weights, sparse, gradients.data()),
              (2 + 3 + 1 + 3) * std::log(2), 1e-6);
  EXPECT_THAT(gradients, testing::Pointwise(testing::FloatNear(1e-6f),
                                            std::vector<float>{-1, 1.5f, 7, 7, 0.5f, -1.5f, 7, 7}));
}

TEST(AdamTest, TheFirstStepsAreThoseWorkedOutByHand) {
  std::vector<float> value = {1}, first = {0}, second = {0};
  AdamStep adam;
  adam.learning_rate = 0.1;
  const std::vector<float> gradient = {4};
  adam.Take(gradient, value, first, second);
  EXPECT_NEAR(value[0], 0.9, 1e-6);  // a first step is the learning rate, whatever the gradient
  adam.step = 2;
  const std::vector<float> other = {-4};
  adam.Take(other, value, first, second);
  // first = .9 * .4 - .4 = -.04, corrected -.04 / .19; second corrected 16.
  EXPECT_NEAR(value[0], 0.9 + 0.1 * (0.04 / 0.19) / 4, 1e-6);
  EXPECT_NEAR(WarmUpAndCosine(5, 10, 110), 0.5, 1e-9);
  EXPECT_NEAR(WarmUpAndCosine(60, 10, 110), 0.5, 1e-9);
  EXPECT_NEAR(WarmUpAndCosine(110, 10, 110), 0, 1e-9);
}

}  // namespace
}  // namespace fourfold
