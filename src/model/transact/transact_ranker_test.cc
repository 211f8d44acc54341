#include "model/transact/transact_ranker.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/transact/transact_ranker_testing.h"
#include "model/transact/transact_testing.h"

namespace fourfold {
namespace {

using Column = TransActRankerModel::Column;

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

absl::StatusOr<TransActRankerModel> WriteAndRead(const TransActRankerModel& model) {
  const std::string path = testing::TempDir() + "transact_ranker_test.safetensors";
  EXPECT_TRUE(WriteTransActRanker(model, path).ok());
  const auto file = SafetensorsFile::Open(path);
  std::filesystem::remove(path);
  return file.ok() ? ReadTransActRanker(*file) : file.status();
}

// An item with its codes.
struct CodedItem {
  std::string id;
  std::vector<float> codes;
};

class TransActRankerTest : public testing::Test {
 protected:
  CodedItem RandomItem() {
    CodedItem item{std::string(1, static_cast<char>('a' + random_() % 8)), {}};
    for (int i = 0; i < 2; ++i) {
      // Often the same ones, so that actions are equal.
      item.codes.push_back(random_() % 3 == 0 ? kNone : static_cast<float>(random_() % 9));
    }
    return item;
  }

  // The item's vector as docs/formats.md says.
  static std::vector<float> VectorOf(const TransActRankerModel& model, const CodedItem& item) {
    std::vector<float> vector(8), own(8);
    DrawItemVector(item.id, own);
    bool is_learned = false;
    for (std::size_t i = 0; i < model.items.size(); ++i) {
      if (model.items[i] != item.id) continue;
      is_learned = true;
      for (std::size_t d = 0; d < 8; ++d) own[d] = model.item_table[i * 8 + d];
    }
    std::vector<std::size_t> rows;
    for (const float code : item.codes) {
      if (!std::isnan(code)) rows.push_back(static_cast<std::size_t>(code) % 5);
    }
    for (std::size_t d = 0; d < 8; ++d) {
      double sum = 0;
      for (const std::size_t row : rows) sum += double{model.side.vectors[row * 8 + d]};
      if (!rows.empty()) vector[d] = static_cast<float>(sum / static_cast<double>(rows.size()));
      if (is_learned || rows.empty()) vector[d] += own[d];
    }
    return vector;
  }

  std::mt19937_64 random_{7};
};

// The twin is told every item's vector, and knows of no codes.
TEST_F(TransActRankerTest, ItemsAreWhatTheirCodesAndTheirOwnVectorSay) {
  const TransActRankerModel model = RandomRankerModel(3);
  ASSERT_TRUE(model.Check().ok()) << model.Check();
  const TransActRanker ranker(model);
  TransActScratch scratch, told_scratch;
  for (int round = 0; round < 40; ++round) {
    TransActRankerModel told = model;
    told.candidate_columns = {"price", "age"};
    told.columns.clear();
    told.side = {};
    told.items.clear();
    told.item_table.clear();
    const auto tell = [&](const CodedItem& item) {
      const std::vector<float> vector = VectorOf(model, item);
      told.items.push_back("item " + std::to_string(told.items.size()));
      told.item_table.insert(told.item_table.end(), vector.begin(), vector.end());
      return told.items.back();
    };
    std::vector<std::string> acted, told_acted, types;
    std::vector<std::int64_t> times_ms;
    std::vector<std::vector<float>> codes(2);
    for (std::size_t a = random_() % 15; a > 0; --a) {
      const CodedItem item = RandomItem();
      acted.push_back(item.id);
      told_acted.push_back(tell(item));
      types.emplace_back(random_() % 2 == 0 ? "click" : "other");
      times_ms.push_back(TransActUser::kRequestTimeMs - 1);
      for (std::size_t i = 0; i < 2; ++i) codes[i].push_back(item.codes[i]);
    }
    const std::size_t count = 1 + random_() % 40;
    std::vector<std::string> ids, told_ids;
    std::vector<float> rows, told_rows;
    const auto hour = static_cast<float>(random_() % 24);
    for (std::size_t c = 0; c < count; ++c) {
      const CodedItem item = RandomItem();
      ids.push_back(item.id);
      told_ids.push_back(tell(item));
      const auto price = static_cast<float>(random_() % 5), age = static_cast<float>(random_() % 9);
      for (const float value : {hour, price, item.codes[0], item.codes[1], age}) {
        rows.push_back(value);
      }
      for (const float value : {hour, price, age}) told_rows.push_back(value);
    }
    const std::vector<std::string_view> candidates(ids.begin(), ids.end());
    const std::vector<std::string_view> told_candidates(told_ids.begin(), told_ids.end());
    const TransActQuery query{
        {acted, types, times_ms, codes}, TransActUser::kRequestTimeMs, candidates, rows};
    std::vector<float> logits(2 * count), told_logits(2 * count);
    ranker.Score(query, &scratch, logits);
    const TransActRanker told_ranker(told);
    const TransActQuery told_query{
        {told_acted, types, times_ms}, TransActUser::kRequestTimeMs, told_candidates, told_rows};
    told_ranker.Score(told_query, &told_scratch, told_logits);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      ASSERT_NEAR(logits[i], told_logits[i], 2e-5F) << "round " << round;
    }
    const std::vector<float> attention = ranker.Attention(query, 0);
    const std::vector<float> told_attention = told_ranker.Attention(told_query, 0);
    ASSERT_EQ(attention.size(), told_attention.size());
    for (std::size_t a = 0; a < attention.size(); ++a) {
      ASSERT_NEAR(attention[a], told_attention[a], 1e-5F);
    }
  }
}

TEST_F(TransActRankerTest, WhatIsWrittenIsReadBack) {
  const TransActRankerModel model = RandomRankerModel(4);
  const auto read = WriteAndRead(model);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->columns, model.columns);
  EXPECT_EQ(read->candidate_columns, model.candidate_columns);
  EXPECT_EQ(read->side.vectors, model.side.vectors);
  EXPECT_EQ(read->side.dimension, 8u);
  EXPECT_EQ(read->item_table, model.item_table);
}

// The first one knew no columns but numbers.
TEST_F(TransActRankerTest, AFileOfTheFirstFormatIsReadAndOneOfALaterFormatRefused) {
  TransActRankerModel model = RandomRankerModel(8);
  model.candidate_columns = {"price", "age"};
  model.columns.clear();
  model.side = {};
  const std::string path = testing::TempDir() + "transact_format_test.safetensors";
  const auto read_as = [&](int format) -> absl::StatusOr<TransActRankerModel> {
    EXPECT_TRUE(WriteTransActRanker(model, path).ok());
    const auto file = SafetensorsFile::Open(path);
    constexpr char kDescription[] = "fourfold.transact_ranker";
    nlohmann::json json = nlohmann::json::parse(file->metadata().at(kDescription));
    json["format"] = format;
    for (const char* key : {"columns", "side_rows", "category_rows", "category_dimension"}) {
      if (format == 1) json.erase(key);
    }
    const std::string changed = path + ".changed";
    EXPECT_TRUE(WriteSafetensors(changed, file->tensors(), {{kDescription, json.dump()}}).ok());
    const auto other = SafetensorsFile::Open(changed);
    std::filesystem::remove(path);
    std::filesystem::remove(changed);
    return ReadTransActRanker(*other);
  };
  const auto first = read_as(1);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->candidate_columns, model.candidate_columns);
  EXPECT_EQ(first->item_table, model.item_table);
  EXPECT_EQ(first->network.head.weight, model.network.head.weight);
  EXPECT_TRUE(read_as(2).ok());
  EXPECT_EQ(read_as(4).status().message(), "not a ranker of format 1 to 3");
}

TEST_F(TransActRankerTest, ThePrecisionIsReadBackAndRoundsTheAnswers) {
  TransActRankerModel model = RandomRankerModel(9);
  const std::vector<std::string_view> candidates = {"a", "b", "x"};
  const std::vector<float> rows = {7, 2, 0, 1, 30, 7, 3, kNone, 2, 4, 7, 1, 4, 4, 300};
  const std::vector<std::string> items = {"c", "d"}, types = {"click", "click"};
  const std::vector<std::int64_t> times_ms = {900, 800};
  const std::vector<std::vector<float>> codes = {{1, 2}, {3, kNone}};
  const auto score = [&](const TransActRankerModel& of) {
    std::vector<float> logits(6);
    TransActScratch scratch;
    TransActRanker(of).Score({{items, types, times_ms, codes}, 1000, candidates, rows}, &scratch,
                             logits);
    return logits;
  };
  model.training_precision = Precision::kBfloat16;  // says nothing of the answers
  const auto exact = WriteAndRead(model);
  ASSERT_TRUE(exact.ok()) << exact.status();
  EXPECT_EQ(exact->precision, Precision::kFloat32);
  EXPECT_EQ(exact->training_precision, Precision::kBfloat16);
  model.training_precision = Precision::kFloat32;
  model.precision = Precision::kBfloat16;
  const auto rounded = WriteAndRead(model);
  ASSERT_TRUE(rounded.ok()) << rounded.status();
  EXPECT_EQ(rounded->precision, Precision::kBfloat16);
  EXPECT_EQ(rounded->training_precision, Precision::kFloat32);
  const std::vector<float> expected = score(*exact), actual = score(*rounded);
  EXPECT_NE(expected, actual);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 0.02F);
}

TEST_F(TransActRankerTest, ACategoryIsTheVectorOfItsCodeAmongTheInputs) {
  TransActRankerModel model = RandomRankerModel(6);
  model.request_columns = {"hour", "platform"};
  model.candidate_columns = {"price", "kind 1", "kind 2", "seller"};
  model.columns = {Column::kNumber,   Column::kCategory, Column::kNumber,
                   Column::kItemCode, Column::kItemCode, Column::kCategory};
  model.encoding = NumberEncoding::Fit({{0, 6, 12, 23}, {1, 2, 3, 4}});
  model.categories = {3, {1, 2, 3, 4, 5, 6}};
  constexpr std::size_t kRows = NumberEncoding::kRows;
  EXPECT_EQ(model.request_inputs(), kRows + 3);
  EXPECT_EQ(model.column_inputs(), 2 * (kRows + 3));
  EXPECT_EQ(model.vector_row(), 32u);
  constexpr std::size_t kStride = 2;
  std::vector<float> input(32 * kStride, -1);
  FillColumns(model, std::vector<float>{7, 5}, std::vector<float>{2, 0, 1, kNone}, kStride,
              input.data());
  for (std::size_t d = 0; d < 3; ++d) {
    EXPECT_EQ(input[(kRows + d) * kStride], static_cast<float>(4 + d));
    EXPECT_EQ(input[(2 * kRows + 3 + d) * kStride], 0);
  }
  std::vector<float> hour(kRows), price(kRows);
  model.encoding.Encode(0, 7, hour.data(), 1);
  model.encoding.Encode(1, 2, price.data(), 1);
  for (std::size_t r = 0; r < kRows; ++r) {
    EXPECT_EQ(input[r * kStride], hour[r]);
    EXPECT_EQ(input[(kRows + 3 + r) * kStride], price[r]);
    EXPECT_EQ(input[r * kStride + 1], -1);
  }

  RankingNetworkShape shape = model.network.shape;
  shape.inputs = model.inputs();
  model.network = RankingNetworkParameters::Zeros(shape);
  const auto read = WriteAndRead(model);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->columns, model.columns);
  EXPECT_EQ(read->categories.vectors, model.categories.vectors);
  EXPECT_EQ(read->categories.dimension, 3u);
  model.categories.vectors.pop_back();
  EXPECT_FALSE(model.Check().ok());
}

// The same one, which takes a retriever's vectors as they are: of its items, and of codes below 5.
TransActRankerModel RandomFrozenModel(std::uint64_t seed) {
  TransActRankerModel model = RandomRankerModel(seed);
  FrozenItems::Parts parts;
  parts.dimension = 8;
  parts.items = model.items;
  parts.vectors = model.item_table;
  parts.fields = {"kind"};
  parts.codes_per_field = 2;
  for (std::size_t code = 0; code < 5; ++code) {
    parts.keys.push_back(FrozenItems::KeyOf(0, static_cast<float>(code)));
  }
  parts.side_vectors = model.side.vectors;
  model.frozen = *FrozenItems::Make(parts);
  model.items.clear();
  model.item_table.clear();
  model.side = {};
  return model;
}

TEST_F(TransActRankerTest, FrozenItemsAreTheVectorsThatTheEncoderSees) {
  const TransActRankerModel model = RandomFrozenModel(3);
  ASSERT_TRUE(model.Check().ok()) << model.Check();
  const TransActRanker ranker(model);
  TransActScratch scratch, told_scratch;
  for (int round = 0; round < 40; ++round) {
    // Is told every item's vector as a learned one, and knows of no codes.
    TransActRankerModel told = model;
    told.frozen = nullptr;
    told.candidate_columns = {"price", "age"};
    told.columns.clear();
    const auto tell = [&](const CodedItem& item) {
      std::vector<float> vector(8);
      model.frozen->Fill(model.frozen->RowOf(item.id), item.codes, vector);
      told.items.push_back("item " + std::to_string(told.items.size()));
      told.item_table.insert(told.item_table.end(), vector.begin(), vector.end());
      return told.items.back();
    };
    std::vector<std::string> acted, told_acted, ids, told_ids;
    std::vector<std::int64_t> times_ms;
    std::vector<std::vector<float>> codes(2);
    for (std::size_t a = random_() % 15; a > 0; --a) {
      const CodedItem item = RandomItem();
      acted.push_back(item.id);
      told_acted.push_back(tell(item));
      for (std::size_t i = 0; i < 2; ++i) codes[i].push_back(item.codes[i]);
      times_ms.push_back(1000 * static_cast<std::int64_t>(a));
    }
    std::vector<float> row, told_row;
    for (int c = 0; c < 9; ++c) {
      const CodedItem item = RandomItem();
      ids.push_back(item.id);
      told_ids.push_back(tell(item));
      const float price = static_cast<float>(random_() % 5);
      row.insert(row.end(), {4, price, item.codes[0], item.codes[1], 30});
      told_row.insert(told_row.end(), {4, price, 30});
    }
    const std::vector<std::string> types(acted.size(), "click");
    const std::vector<std::string_view> candidates(ids.begin(), ids.end());
    const std::vector<std::string_view> told_candidates(told_ids.begin(), told_ids.end());
    std::vector<float> scores(18), told_scores(18);
    ranker.Score({{acted, types, times_ms, codes}, 100'000, candidates, row}, &scratch, scores);
    TransActRanker(told).Score({{told_acted, types, times_ms}, 100'000, told_candidates, told_row},
                               &told_scratch, told_scores);
    EXPECT_EQ(scores, told_scores);
  }
}

TEST_F(TransActRankerTest, FrozenItemsSurviveAFileAndLearnedOnesKeepTheirFormat) {
  const auto format_of = [](const TransActRankerModel& model) {
    const std::string path = testing::TempDir() + "transact_ranker_format.safetensors";
    EXPECT_TRUE(WriteTransActRanker(model, path).ok());
    const auto file = SafetensorsFile::Open(path);
    std::filesystem::remove(path);
    return nlohmann::json::parse(file->metadata().at("fourfold.transact_ranker"))["format"];
  };
  const TransActRankerModel model = RandomFrozenModel(4);
  const auto read = WriteAndRead(model);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_NE(read->frozen, nullptr);
  EXPECT_EQ(read->frozen->parts(), model.frozen->parts());
  EXPECT_TRUE(read->items.empty());
  EXPECT_EQ(format_of(model), 3);
  EXPECT_EQ(format_of(RandomRankerModel(4)), 2);
  EXPECT_EQ(WriteAndRead(RandomRankerModel(4))->frozen, nullptr);
}

TEST_F(TransActRankerTest, FrozenItemsGoWithNoLearnedOnesAndHaveTheCodesOfTheColumns) {
  TransActRankerModel model = RandomFrozenModel(5);
  model.items = {"a"};
  model.item_table.resize(8);
  EXPECT_FALSE(model.Check().ok());
  model = RandomFrozenModel(5);
  model.side = RandomRankerModel(5).side;
  EXPECT_FALSE(model.Check().ok());
  for (const std::size_t codes : {1, 3}) {
    model = RandomFrozenModel(5);
    FrozenItems::Parts parts = model.frozen->parts();
    parts.codes_per_field = codes;
    model.frozen = *FrozenItems::Make(parts);
    EXPECT_FALSE(model.Check().ok());
  }
}

TEST_F(TransActRankerTest, PartsThatDoNotFitAreRefused) {
  TransActRankerModel model = RandomRankerModel(5);
  model.columns = {Column::kNumber, Column::kItemCode, Column::kItemCode, Column::kNumber,
                   Column::kItemCode};
  EXPECT_FALSE(model.Check().ok());  // codes that do not stand together
  model.columns = {Column::kItemCode, Column::kItemCode, Column::kNumber, Column::kNumber,
                   Column::kNumber};
  EXPECT_FALSE(model.Check().ok());  // a code of the request
  model.columns = {Column::kNumber};
  EXPECT_FALSE(model.Check().ok());
  model = RandomRankerModel(5);
  model.side.vectors.pop_back();
  EXPECT_FALSE(model.Check().ok());
  model.side.vectors.clear();
  EXPECT_FALSE(model.Check().ok());
}

TEST(CodeTableTest, ACodeHasOneRowAndNoCodeNone) {
  const CodeTable table{2, {1, 2, 3, 4, 5, 6}};
  ASSERT_EQ(table.rows(), 3u);
  EXPECT_EQ(table.RowOf(4), 1u);
  EXPECT_EQ(table.RowOf(16'777'215.0F), 16'777'215u % 3);
  for (const float none : {kNone, -1.0F, 16'777'216.0F, INFINITY}) {
    EXPECT_FALSE(table.RowOf(none).has_value());
  }
  EXPECT_FALSE(CodeTable().RowOf(0).has_value());
  std::vector<float> mean(2, 7);
  EXPECT_EQ(table.FillMean(std::vector<float>{0, kNone, 2}, mean), 2u);
  EXPECT_EQ(mean, (std::vector<float>{3, 4}));
  EXPECT_EQ(table.FillMean(std::vector<float>{kNone}, mean), 0u);
  EXPECT_EQ(mean, (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace fourfold
