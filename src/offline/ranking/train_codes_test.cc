#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/transact/transact_ranker.h"
#include "offline/ranking/train_transact.h"
#include "offline/ranking/transact_step.h"

namespace fourfold {
namespace {

using Column = TransActRankerModel::Column;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

// Requests of four candidates, one of each kind of item and one of each seller. Chosen is the one
// that is of the kind of the newest action, or in TrainCategoriesTest the one whose seller is that
// of the request's platform. An item's kind is its number modulo 4, and its first code says so; a
// second one, or none, tells nothing. From kFirstCold on there are new items alone, in actions and
// candidates.
class TrainCodesTest : public testing::Test {
 protected:
  static constexpr int kRequests = 500, kFirstCold = 400, kKinds = 4, kItems = 40;

  explicit TrainCodesTest(bool by_seller = false)
      : by_seller_(by_seller),
        path_(testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name() +
              ".rows") {
    WriteRows();
    rows_ = *TrainingRowsReader::Open(path_);
    spec_.actions = 4;
    spec_.action_dimension = spec_.item_dimension = spec_.feed_forward = 8;
    spec_.layers = 1;
    spec_.latest = 1;
    spec_.hidden = {16};
    spec_.cross_layers = 1;
    spec_.item_actions_min = 5;
    spec_.side_rows = 64;
    spec_.item_dropout = 0.3;
    spec_.category_rows = 128;
    spec_.category_dimension = 6;
    spec_.objective = TransActSpec::Objective::kListwise;
    spec_.metric = TreesSpec::Metric::kMap;
    spec_.learning_rate = 0.01;
    spec_.warm_up_steps = 10;
    spec_.batch_rows = 40;
    spec_.epochs = 8;
    spec_.early_stopping_epochs = 0;
    spec_.dropout = 0.05;
    options_.columns = {Column::kCategory, Column::kCategory, Column::kNumber, Column::kItemCode,
                        Column::kItemCode};
    options_.validation_from_ms = kFirstCold * kDayMs;
  }
  ~TrainCodesTest() override { std::filesystem::remove(path_); }

  static float Kind(int item) { return static_cast<float>(100'003 * (1 + item % kKinds)); }
  static float Platform(int platform) { return static_cast<float>(200'003 * (1 + platform)); }
  static float Seller(int seller) { return static_cast<float>(300'007 * (1 + seller)); }
  static float Other(int item) { return item % 3 == 0 ? kNone : static_cast<float>(7 + item % 5); }

  void WriteRows() const {
    using ColumnKind = TrainingSchema::SequenceColumn::Kind;
    TrainingSchema schema;
    schema.request_features = {"platform"};
    schema.candidate_features = {"seller", "price", "actions.kind 1", "actions.kind 2"};
    schema.dictionaries = {"item", "user", "action_type"};
    schema.sequences = {{"actions",
                         {{"item", ColumnKind::kId, "item"},
                          {"type", ColumnKind::kId, "action_type"},
                          {"time", ColumnKind::kTime, ""},
                          {"item kind 1", ColumnKind::kNumber, ""},
                          {"item kind 2", ColumnKind::kNumber, ""}}}};
    auto writer = *TrainingRowsWriter::Create(path_, schema);
    std::mt19937_64 random(9);
    for (int r = 0; r < kRequests; ++r) {
      const auto draw_item = [&](int kind) {
        const int number = static_cast<int>(random() % (kItems / kKinds)) * kKinds + kind;
        return r < kFirstCold ? number : kItems * (r + 1) + number;
      };
      const auto number_of = [&](int item) {
        return writer->NumberOf(0, "i" + std::to_string(item));
      };
      TrainingBlock::Sequence actions;
      actions.columns.resize(5);
      const std::uint32_t length = 1 + static_cast<std::uint32_t>(random() % 6);
      actions.step_end = {length};
      int wanted = 0;
      for (std::uint32_t a = 0; a < length; ++a) {
        const int kind = static_cast<int>(random() % kKinds), item = draw_item(kind);
        if (a == 0) wanted = kind;
        actions.columns[0].ids.push_back(number_of(item));
        actions.columns[1].ids.push_back(writer->NumberOf(2, "view"));
        actions.columns[2].times_ms.push_back(r * kDayMs - 60'000 * std::int64_t{a + 1});
        actions.columns[3].numbers.push_back(Kind(item));
        actions.columns[4].numbers.push_back(Other(item));
      }
      std::vector<std::uint32_t> shown;
      std::vector<float> columns, labels;
      const int first = static_cast<int>(random() % kKinds);
      const int first_seller = static_cast<int>(random() % kKinds);
      const int platform = static_cast<int>(random() % kKinds);
      for (int c = 0; c < kKinds; ++c) {
        const int kind = (first + c) % kKinds, item = draw_item(kind);
        shown.push_back(number_of(item));
        const int seller = (first_seller + c) % kKinds;
        columns.insert(columns.end(), {Seller(seller), static_cast<float>(random() % 100),
                                       Kind(item), Other(item)});
        labels.push_back((by_seller_ ? seller == platform : kind == wanted) ? 1 : 0);
      }
      TrainingRequest request;
      request.event_time_ms = r * kDayMs;
      const std::vector<float> of_request = {Platform(platform)};
      request.features = of_request;
      request.items = shown;
      request.candidate_features = columns;
      request.labels = labels;
      const std::vector<TrainingBlock::Sequence> sequences = {actions};
      request.sequences = sequences;
      ASSERT_TRUE(writer->Add(request).ok());
    }
    ASSERT_TRUE(writer->Finish().ok());
  }

  TrainedTransAct Train() {
    auto trained = TrainTransAct(rows_.get(), spec_, options_);
    EXPECT_TRUE(trained.ok()) << trained.status();
    return trained.ok() ? *std::move(trained) : TrainedTransAct();
  }
  // What a retriever knew: items 0 to 29, and all kinds.
  static std::shared_ptr<const FrozenItems> SomeFrozenItems(std::uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal(0, 0.35F);
    FrozenItems::Parts parts;
    parts.dimension = 8;
    const auto vector_of = [&](int kind) {
      std::vector<float> vector(8);
      for (float& value : vector) value = 0.3F * normal(random);
      vector[static_cast<std::size_t>(kind)] += 0.9F;
      return vector;
    };
    for (int item = 0; item < 30; ++item) {
      parts.items.push_back("i" + std::to_string(item));
      const std::vector<float> vector = vector_of(item % kKinds);
      parts.vectors.insert(parts.vectors.end(), vector.begin(), vector.end());
    }
    parts.fields = {"kind", "other"};
    parts.codes_per_field = 1;
    for (int kind = 0; kind < kKinds; ++kind) {
      parts.keys.push_back(FrozenItems::KeyOf(0, Kind(kind)));
      const std::vector<float> vector = vector_of(kind);
      parts.side_vectors.insert(parts.side_vectors.end(), vector.begin(), vector.end());
    }
    return *FrozenItems::Make(parts);
  }
  TransActRows ReadRows() {
    return *TransActRows::Read(rows_.get(), spec_, /*item_codes=*/2, options_.validation_from_ms,
                               options_.end_ms);
  }

  void ExpectTrainedAsServed(TransActRankerModel model);

  const bool by_seller_;
  const std::string path_;
  std::unique_ptr<TrainingRowsReader> rows_;
  TransActSpec spec_;
  TrainTransActOptions options_;
};

TEST_F(TrainCodesTest, ItemsNeverMetAreKnownByTheirCodes) {
  const TrainedTransAct trained = Train();
  EXPECT_EQ(trained.model.items.size(), kItems);
  EXPECT_GT(trained.metric, 0.9);
  // By chance .52 (the mean of 1, 1/2, 1/3, 1/4).
  options_.columns[3] = options_.columns[4] = Column::kUnused;
  EXPECT_LT(Train().metric, 0.65);
}

class TrainCategoriesTest : public TrainCodesTest {
 protected:
  TrainCategoriesTest() : TrainCodesTest(/*by_seller=*/true) {}
};

TEST_F(TrainCategoriesTest, CategoriesOfRequestAndCandidateAreLearned) {
  const TrainedTransAct trained = Train();
  EXPECT_GT(trained.metric, 0.9);
  // A text that was never met says nothing, as none does.
  const std::size_t unmet = *trained.model.categories.RowOf(Platform(77));
  for (const float value : trained.model.categories.VectorOf(unmet)) EXPECT_EQ(value, 0);
  options_.columns[0] = Column::kUnused;
  EXPECT_LT(Train().metric, 0.65);
}

TEST_F(TrainCodesTest, TheSameRowIsScoredAlikeInTrainingAndServing) {
  spec_.epochs = 2;
  ExpectTrainedAsServed(Train().model);
}

TEST_F(TrainCodesTest, TheSameRowIsScoredAlikeInTrainingAndServingWithFrozenItems) {
  spec_.epochs = 2;
  options_.frozen = SomeFrozenItems();
  ExpectTrainedAsServed(Train().model);
}

TEST_F(TrainCodesTest, FrozenItemsTeachAndStayAsTheyAre) {
  options_.frozen = SomeFrozenItems();
  const FrozenItems::Parts before = options_.frozen->parts();
  const TrainedTransAct trained = Train();
  EXPECT_GT(trained.metric, 0.9);  // of items that the retriever never saw
  EXPECT_EQ(trained.model.frozen, options_.frozen);
  EXPECT_EQ(options_.frozen->parts(), before);
  EXPECT_TRUE(trained.model.items.empty());
  EXPECT_TRUE(trained.model.side.vectors.empty());
  // Without what their fields say nothing tells them apart.
  FrozenItems::Parts parts = before;
  parts.keys.clear();
  parts.side_vectors.clear();
  options_.frozen = *FrozenItems::Make(parts);
  EXPECT_LT(Train().metric, 0.65);
}

TEST_F(TrainCodesTest, ATrainingWithFrozenItemsGoesOnWithTheSameOnesAlone) {
  spec_.epochs = 3;
  options_.frozen = SomeFrozenItems();
  const TransActRankerModel whole = Train().model;
  options_.checkpoint_path = path_ + ".checkpoint";
  struct CutShort {};
  int first_epoch = 0;
  const auto cut_short = [&] {
    options_.progress = [](const TrainTransActOptions::Progress& progress) {
      if (progress.epoch == 2) throw CutShort();
    };
    EXPECT_THROW((void)TrainTransAct(rows_.get(), spec_, options_), CutShort);
    first_epoch = 0;
    options_.progress = [&](const TrainTransActOptions::Progress& progress) {
      if (first_epoch == 0) first_epoch = progress.epoch;
    };
  };
  cut_short();
  const TransActRankerModel resumed = Train().model;
  EXPECT_EQ(first_epoch, 2);
  EXPECT_EQ(resumed.network.head.weight, whole.network.head.weight);
  EXPECT_EQ(resumed.frozen, options_.frozen);
  cut_short();
  options_.frozen = SomeFrozenItems(/*seed=*/2);
  Train();
  EXPECT_EQ(first_epoch, 1);
  std::filesystem::remove(options_.checkpoint_path);
}

TEST_F(TrainCodesTest, FrozenItemsThatDoNotFitAreRefused) {
  const auto refused = [&] {
    EXPECT_EQ(TrainTransAct(rows_.get(), spec_, options_).status().code(),
              absl::StatusCode::kInvalidArgument);
  };
  const TransActRankerModel earlier = Train().model;
  options_.frozen = SomeFrozenItems();
  options_.warm_start = &earlier;
  refused();
  options_.warm_start = nullptr;
  spec_.item_dimension = 16;
  refused();
  spec_.item_dimension = 8;
  options_.columns[3] = options_.columns[4] = Column::kUnused;
  refused();
}

void TrainCodesTest::ExpectTrainedAsServed(TransActRankerModel model) {
  const TransActRows rows = ReadRows();
  TransActStep step(&model, rows, spec_);
  const TransActRanker ranker(model);
  TransActScratch scratch;
  // The second ones are of items that were never met.
  for (const auto& requests : {rows.training(), rows.validation()}) {
    for (std::size_t r = 0; r < 40; ++r) {
      const TransActRows::View view = rows.ViewOf(requests[r]);
      step.Forward(std::span(&requests[r], 1), false, 0);
      std::vector<std::string> items, types;
      std::vector<std::vector<float>> codes(2);
      for (std::size_t a = 0; a < view.action_items.size(); ++a) {
        items.push_back(rows.items()[view.action_items[a]]);
        types.emplace_back("view");
        std::vector<float> of_action;
        view.AppendItemCodes(a, &of_action);
        ASSERT_EQ(of_action.size(), 2u);
        for (std::size_t i = 0; i < 2; ++i) codes[i].push_back(of_action[i]);
      }
      std::vector<std::string_view> candidates;
      for (const std::uint32_t id : view.items) candidates.push_back(rows.items()[id]);
      std::vector<float> scores(candidates.size()), row;
      for (std::size_t c = 0; c < candidates.size(); ++c) {
        const auto own = view.candidate_columns.subspan(c * 4, 4);
        row.push_back(view.request_columns[0]);
        row.insert(row.end(), own.begin(), own.end());
      }
      ranker.Score(
          {{items, types, view.action_times_ms, codes}, view.event_time_ms, candidates, row},
          &scratch, scores);
      for (std::size_t c = 0; c < candidates.size(); ++c) {
        EXPECT_NEAR(1 / (1 + std::exp(-scores[c])), 1 / (1 + std::exp(-step.Logits(0)[c])), 1e-5F);
      }
    }
  }
}

TEST_F(TrainCodesTest, GradientsOfCodesAreDerivativesOfTheLoss) {
  spec_.epochs = 1;
  TransActRankerModel model = Train().model;
  const TransActRows rows = ReadRows();
  const std::span<const TransActRows::Request> batch(rows.training().data(), 6);
  TransActStep step(&model, rows, spec_), probe(&model, rows, spec_);
  step.Forward(batch, true, 3);
  step.Backward(batch);
  const auto loss = [&] {
    probe.Forward(batch, true, 3);
    return probe.Backward(batch);
  };
  const auto expect_derivative = [&](float* value, float gradient) {
    const float before = *value;
    *value = before + 0x1p-8f;
    const double up = loss();
    *value = before - 0x1p-8f;
    const double down = loss();
    *value = before;
    // Differences of float32 are rough, and a maximum may change its place.
    EXPECT_NEAR(double{gradient}, (up - down) / 0x1p-7, 0.02 + 0.05 * std::fabs(gradient));
  };
  int others_than_zero = 0;
  const std::vector<float> by_side = step.side_gradients(), by_items = step.item_gradients();
  for (int kind = 0; kind < kKinds; ++kind) {
    const std::size_t row = *model.side.RowOf(Kind(kind));
    for (std::size_t i = row * 8; i < row * 8 + 8; ++i) {
      expect_derivative(&model.side.vectors[i], by_side[i]);
      others_than_zero += by_side[i] != 0 ? 1 : 0;
    }
  }
  EXPECT_EQ(others_than_zero, 8 * kKinds);
  for (std::size_t i = 3; i < model.item_table.size(); i += 13) {
    expect_derivative(&model.item_table[i], by_items[i]);
  }
  const std::vector<float> by_categories = step.category_gradients();
  for (const float code : {Platform(0), Platform(3), Seller(1), Seller(2)}) {
    const std::size_t row = *model.categories.RowOf(code);
    for (std::size_t i = row * 6; i < row * 6 + 6; ++i) {
      EXPECT_NE(by_categories[i], 0);
      expect_derivative(&model.categories.vectors[i], by_categories[i]);
    }
  }
}

TEST_F(TrainCodesTest, AStepLeavesOutTheOwnVectorsOfSomeItemsAndAnotherThoseOfOthers) {
  spec_.epochs = 1;
  TransActRankerModel model = Train().model;
  const TransActRows rows = ReadRows();
  const std::span<const TransActRows::Request> batch(rows.training().data(), 60);
  const auto learning_at = [&](std::uint64_t at) {
    TransActStep step(&model, rows, spec_);
    step.Forward(batch, true, at);
    step.Backward(batch);
    std::vector<bool> learns;
    for (std::size_t row = 0; row < model.items.size(); ++row) {
      const float* const gradient = step.item_gradients().data() + row * 8;
      learns.push_back(std::any_of(gradient, gradient + 8, [](float x) { return x != 0; }));
    }
    return learns;
  };
  const std::vector<bool> learns = learning_at(1);
  // Of 40 items 28 are expected, and 20 to 36 within three standard deviations.
  EXPECT_GE(std::count(learns.begin(), learns.end(), true), 20);
  EXPECT_LE(std::count(learns.begin(), learns.end(), true), 36);
  EXPECT_EQ(learning_at(1), learns);
  EXPECT_NE(learning_at(2), learns);
  spec_.item_dropout = 0;
  const std::vector<bool> all = learning_at(1);
  EXPECT_EQ(std::count(all.begin(), all.end(), true), kItems);
}

TEST_F(TrainCodesTest, ATrainingThatWasCutShortEndsAsIfItHadNotBeen) {
  spec_.epochs = 3;
  const TransActRankerModel whole = Train().model;
  options_.checkpoint_path = path_ + ".checkpoint";
  struct CutShort {};
  options_.progress = [&](const TrainTransActOptions::Progress& progress) {
    if (progress.epoch == 2) throw CutShort();
  };
  EXPECT_THROW((void)TrainTransAct(rows_.get(), spec_, options_), CutShort);
  ASSERT_TRUE(std::filesystem::exists(options_.checkpoint_path));
  int first_epoch = 0;
  options_.progress = [&](const TrainTransActOptions::Progress& progress) {
    if (first_epoch == 0) first_epoch = progress.epoch;
  };
  const TransActRankerModel resumed = Train().model;
  EXPECT_EQ(first_epoch, 2);
  EXPECT_EQ(resumed.side.vectors, whole.side.vectors);
  EXPECT_EQ(resumed.categories.vectors, whole.categories.vectors);
  EXPECT_EQ(resumed.item_table, whole.item_table);
  EXPECT_EQ(resumed.network.head.weight, whole.network.head.weight);
}

TEST_F(TrainCodesTest, AWarmStartTakesOverWhatCodesMean) {
  const TrainedTransAct earlier = Train();
  spec_.epochs = 1;
  spec_.learning_rate = 1e-6;
  const TrainedTransAct cold = Train();
  options_.warm_start = &earlier.model;
  const TrainedTransAct warm = Train();
  EXPECT_NEAR(warm.metric, earlier.metric, 0.03);
  EXPECT_LT(cold.metric, earlier.metric - 0.1);
  // Other rows for the same codes.
  spec_.side_rows = 32;
  EXPECT_EQ(Train().model.side.vectors.size(), 32u * 8);
}

TEST_F(TrainCodesTest, RowsWithoutTheCodesAreRefused) {
  options_.columns[1] = Column::kItemCode;
  EXPECT_FALSE(TrainTransAct(rows_.get(), spec_, options_).ok());
  options_.columns.pop_back();
  EXPECT_FALSE(TrainTransAct(rows_.get(), spec_, options_).ok());
}

}  // namespace
}  // namespace fourfold
