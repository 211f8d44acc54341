#include "offline/ranking/training_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include "base/strings.h"
#include "offline/ranking/training_rows_codec.h"

namespace fourfold {
namespace {

using ::testing::HasSubstr;
using Kind = TrainingSchema::SequenceColumn::Kind;

TrainingSchema ActionsSchema() {
  TrainingSchema schema;
  schema.request_features = {"hour", "user_clicks"};
  schema.candidate_features = {"price", "clicks", "place"};
  schema.dictionaries = {"user", "item", "type"};
  schema.sequences = {{"latest",
                       {{"item", Kind::kId, "item"},
                        {"type", Kind::kId, "type"},
                        {"time", Kind::kTime, ""},
                        {"stars", Kind::kNumber, ""}}},
                      {"searches", {{"age", Kind::kNumber, ""}}}};
  schema.heads = {"click", "hide", "buy"};
  return schema;
}

// What a request is made of, by itself.
struct Request {
  std::int64_t event_time_ms;
  std::uint64_t position;
  std::uint32_t user;
  std::vector<float> features;
  std::vector<std::uint32_t> items;
  std::vector<float> candidate_features;
  std::vector<float> labels;
  std::vector<float> weights;
  std::vector<TrainingBlock::Sequence> sequences;
  std::vector<std::uint32_t> outcomes;

  TrainingRequest View() const {
    return {event_time_ms,      position, user,    features,  items,
            candidate_features, labels,   weights, sequences, outcomes};
  }
};

class RandomRequests {
 public:
  explicit RandomRequests(std::uint64_t seed) : random_(seed) {}

  Request Next(TrainingRowsWriter* writer) {
    Request request;
    request.event_time_ms = static_cast<std::int64_t>(random_());
    request.position = random_();
    request.user = Below(4) == 0 ? kNoTrainingId : writer->NumberOf(0, StrCat("user-", Below(50)));
    const std::size_t rows = 1 + Below(8);
    request.features = Floats(2);
    request.candidate_features = Floats(rows * 3);
    for (std::size_t row = 0; row < rows; ++row) {
      request.items.push_back(writer->NumberOf(1, StrCat("item-", Below(300))));
      request.labels.push_back(static_cast<float>(Below(3)));
      request.weights.push_back(static_cast<float>(Below(5)) / 2);
      request.outcomes.push_back(Below(8));
    }
    request.sequences.resize(2);
    request.sequences[0].columns.resize(4);
    request.sequences[1].columns.resize(1);
    const std::size_t steps = Below(6);
    for (std::size_t step = 0; step < steps; ++step) {
      request.sequences[0].columns[0].ids.push_back(
          writer->NumberOf(1, StrCat("item-", Below(300))));
      request.sequences[0].columns[1].ids.push_back(
          Below(3) == 0 ? kNoTrainingId : writer->NumberOf(2, StrCat("type-", Below(3))));
      request.sequences[0].columns[2].times_ms.push_back(static_cast<std::int64_t>(random_()));
    }
    request.sequences[0].columns[3].numbers = Floats(steps);
    request.sequences[0].step_end = {static_cast<std::uint32_t>(steps)};
    request.sequences[1].columns[0].numbers = Floats(Below(3));
    request.sequences[1].step_end = {
        static_cast<std::uint32_t>(request.sequences[1].columns[0].numbers.size())};
    return request;
  }

 private:
  std::uint32_t Below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  std::vector<float> Floats(std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) {
      value = Below(5) == 0 ? std::numeric_limits<float>::quiet_NaN()
                            : static_cast<float>(static_cast<std::int32_t>(random_())) / 1e6F;
    }
    return values;
  }

  std::mt19937_64 random_;
};

// NaN is equal to itself here.
std::vector<std::uint32_t> BitsOf(std::span<const float> values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

template <typename T>
std::vector<T> Part(const std::vector<T>& values, std::size_t begin, std::size_t end) {
  return {values.begin() + static_cast<std::ptrdiff_t>(begin),
          values.begin() + static_cast<std::ptrdiff_t>(end)};
}

void ExpectSameRequest(const TrainingBlock& block, std::size_t i, const Request& expected) {
  EXPECT_EQ(block.event_time_ms[i], expected.event_time_ms);
  EXPECT_EQ(block.position[i], expected.position);
  EXPECT_EQ(block.user[i], expected.user);
  EXPECT_EQ(BitsOf(Part(block.request_features, 2 * i, 2 * i + 2)), BitsOf(expected.features));
  const std::size_t begin = block.row_begin(i);
  const std::size_t end = block.row_end[i];
  EXPECT_EQ(Part(block.item, begin, end), expected.items);
  EXPECT_EQ(BitsOf(Part(block.candidate_features, 3 * begin, 3 * end)),
            BitsOf(expected.candidate_features));
  EXPECT_EQ(Part(block.label, begin, end), expected.labels);
  EXPECT_EQ(Part(block.weight, begin, end), expected.weights);
  EXPECT_EQ(Part(block.outcome, begin, end), expected.outcomes);
  for (std::size_t s = 0; s < expected.sequences.size(); ++s) {
    const TrainingBlock::Sequence& sequence = block.sequences[s];
    const std::size_t first = i == 0 ? 0 : sequence.step_end[i - 1];
    const std::size_t last = sequence.step_end[i];
    for (std::size_t c = 0; c < sequence.columns.size(); ++c) {
      const TrainingBlock::SequenceColumn& column = sequence.columns[c];
      const TrainingBlock::SequenceColumn& wanted = expected.sequences[s].columns[c];
      if (!column.ids.empty()) {
        EXPECT_EQ(Part(column.ids, first, last), wanted.ids);
      }
      if (!column.numbers.empty()) {
        EXPECT_EQ(BitsOf(Part(column.numbers, first, last)), BitsOf(wanted.numbers));
      }
      if (!column.times_ms.empty()) {
        EXPECT_EQ(Part(column.times_ms, first, last), wanted.times_ms);
      }
    }
    EXPECT_EQ(last - first, expected.sequences[s].step_end[0]);
  }
}

class TrainingRowsTest : public testing::Test {
 protected:
  TrainingRowsTest()
      : path_(testing::TempDir() + "fourfold_rows_" +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {}
  ~TrainingRowsTest() override { std::filesystem::remove(path_); }

  std::unique_ptr<TrainingRowsWriter> Writer(std::size_t block_bytes = 1000) {
    auto writer = TrainingRowsWriter::Create(path_, ActionsSchema(), block_bytes);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return *std::move(writer);
  }
  std::vector<Request> WriteRandom(int requests, std::uint64_t seed) {
    auto writer = Writer();
    RandomRequests random(seed);
    std::vector<Request> written;
    for (int i = 0; i < requests; ++i) {
      written.push_back(random.Next(writer.get()));
      EXPECT_TRUE(writer->Add(written.back().View()).ok());
    }
    const auto counts = writer->Finish();
    EXPECT_TRUE(counts.ok()) << counts.status();
    counts_ = *counts;
    return written;
  }
  // OK only when the whole file can be read.
  absl::Status ReadAll() {
    auto reader = TrainingRowsReader::Open(path_);
    if (!reader.ok()) return reader.status();
    TrainingBlock block;
    while (true) {
      const auto more = (*reader)->Next(&block);
      if (!more.ok() || !*more) return more.status();
    }
  }
  std::string Contents() {
    std::ostringstream text;
    text << std::ifstream(path_, std::ios::binary).rdbuf();
    return text.str();
  }
  void Replace(std::string_view contents) {
    std::ofstream(path_, std::ios::binary)
        .write(contents.data(), static_cast<std::streamsize>(contents.size()));
  }

  const std::string path_;
  TrainingRowCounts counts_;
};

TEST_F(TrainingRowsTest, WhatIsWrittenIsReadBackBitForBit) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const std::vector<Request> written = WriteRandom(seed == 3 ? 0 : 400, seed);
    auto reader = TrainingRowsReader::Open(path_);
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ((*reader)->schema(), ActionsSchema());
    EXPECT_EQ((*reader)->counts(), counts_);
    EXPECT_EQ(counts_.bytes, std::filesystem::file_size(path_));
    for (int pass = 0; pass < 2; ++pass) {
      std::size_t next = 0;
      int blocks = 0;
      TrainingBlock block;
      while (true) {
        const auto more = (*reader)->Next(&block);
        ASSERT_TRUE(more.ok()) << more.status();
        if (!*more) break;
        ++blocks;
        for (std::size_t i = 0; i < block.requests(); ++i) {
          ExpectSameRequest(block, i, written[next++]);
        }
      }
      EXPECT_EQ(next, written.size());
      EXPECT_EQ(blocks > 10, !written.empty());
      ASSERT_TRUE((*reader)->Rewind().ok());
    }
    for (std::size_t id = 0; id < (*reader)->ids(0).size(); ++id) {
      EXPECT_THAT((*reader)->ids(0)[id], HasSubstr("user-"));
    }
  }
}

TEST_F(TrainingRowsTest, SharedColumnsAreCountedOnceAndFlatOnesPerRow) {
  TrainingSchema schema;
  schema.request_features = {"a", "b"};
  schema.candidate_features = {"c"};
  schema.dictionaries = {"item", "user"};
  schema.sequences = {{"s", {{"item", Kind::kId, "item"}, {"time", Kind::kTime, ""}}}};
  auto writer = *TrainingRowsWriter::Create(path_, schema);
  const std::uint32_t item = writer->NumberOf(0, "four");
  const std::vector<std::uint32_t> items(3, item);
  const std::vector<float> numbers(3, 1.0F);
  for (const std::uint32_t steps : {0u, 5u}) {
    std::vector<TrainingBlock::Sequence> sequences(1);
    sequences[0].step_end = {steps};
    sequences[0].columns = {{std::vector<std::uint32_t>(steps, item), {}, {}},
                            {{}, {}, std::vector<std::int64_t>(steps, 7)}};
    TrainingRequest request;
    request.features = std::span(numbers).first(2);
    request.items = items;
    request.candidate_features = request.labels = numbers;
    request.sequences = sequences;
    ASSERT_TRUE(writer->Add(request).ok());
  }
  const TrainingRowCounts counts = *writer->Finish();
  EXPECT_EQ(counts.rows, 6u);
  // A row: time 8, position 8, user 4, two features 8; item, label, weight, feature 16; length 4.
  // A step: 4 + 8. The id: 4.
  EXPECT_EQ(counts.flat_bytes, 6u * (28 + 16 + 4) + 3u * 5 * 12 + 4);
  EXPECT_EQ(counts.padded_flat_bytes, 6u * (28 + 16) + 6u * 5 * 12 + 4);
}

TEST_F(TrainingRowsTest, AnyCutAndAnyChangedByteIsNoticed) {
  WriteRandom(40, 4);
  const std::string whole = Contents();
  ASSERT_TRUE(ReadAll().ok());
  for (std::size_t size = 0; size < whole.size(); size += 37) {
    Replace(std::string_view(whole).substr(0, size));
    EXPECT_FALSE(ReadAll().ok()) << size;
  }
  for (std::size_t at = 0; at < whole.size(); at += 13) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    Replace(changed);
    EXPECT_FALSE(ReadAll().ok()) << at;
  }
  Replace(whole + "more");
  EXPECT_EQ(ReadAll().code(), absl::StatusCode::kDataLoss);
  Replace("fourfold training rows 9\n" + whole.substr(25));
  EXPECT_EQ(ReadAll().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(ReadAll().message()), HasSubstr("another version"));
  Replace("something else, that is long enough to be read");
  EXPECT_EQ(ReadAll().code(), absl::StatusCode::kFailedPrecondition);
  std::filesystem::remove(path_);
  EXPECT_EQ(ReadAll().code(), absl::StatusCode::kNotFound);
}

TEST_F(TrainingRowsTest, ABlockThatIsLeftOutIsNoticed) {
  WriteRandom(40, 5);
  const std::string whole = Contents();
  const std::size_t begin = 25;
  std::uint64_t size = 0;
  for (int i = 0; i < 8; ++i) size = size << 8 | static_cast<unsigned char>(whole[begin + 1 + i]);
  const std::size_t block = 9 + size + 16;
  std::string without = whole.substr(0, begin) + whole.substr(begin + block);
  std::uint64_t footer = 0;
  for (std::size_t i = whole.size() - 16; i < whole.size() - 8; ++i) {
    footer = footer << 8 | static_cast<unsigned char>(whole[i]);
  }
  footer -= block;
  for (std::size_t i = 0; i < 8; ++i) {
    without[without.size() - 16 + i] = static_cast<char>(footer >> (56 - 8 * i));
  }
  Replace(without);
  EXPECT_THAT(std::string(ReadAll().message()), HasSubstr("blocks are missing or out of order"));
}

TEST_F(TrainingRowsTest, NothingStandsUnderTheNameBeforeTheFileIsWhole) {
  {
    auto writer = Writer();
    RandomRequests random(6);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(writer->Add(random.Next(writer.get()).View()).ok());
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + ".partial"));
}

TEST_F(TrainingRowsTest, ARequestThatDoesNotFitIsRefusedWhole) {
  auto writer = Writer();
  RandomRequests random(7);
  const Request good = random.Next(writer.get());
  const auto error = [&](const Request& request) {
    return std::string(writer->Add(request.View()).message());
  };
  Request bad = good;
  bad.features.pop_back();
  EXPECT_THAT(error(bad), HasSubstr("not shaped as the schema says"));
  bad = good;
  bad.items[0] = 1'000'000;
  EXPECT_THAT(error(bad), HasSubstr("unknown item"));
  bad = good;
  bad.user = 1'000'000;
  EXPECT_THAT(error(bad), HasSubstr("unknown user"));
  bad = good;
  bad.labels[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error(bad), HasSubstr("label that is not finite"));
  bad = good;
  bad.weights[0] = -1;
  EXPECT_THAT(error(bad), HasSubstr("weight that is negative"));
  bad = good;
  bad.sequences[1].columns[0].numbers.push_back(1);
  EXPECT_THAT(error(bad), HasSubstr("sequence searches: column age is not as long"));
  bad = good;
  bad.items.clear();
  EXPECT_THAT(error(bad), HasSubstr("a request of 0 rows"));
  ASSERT_TRUE(writer->Add(good.View()).ok());
  EXPECT_EQ(writer->Finish()->requests, 1u);
}

TEST_F(TrainingRowsTest, ASchemaThatCannotBeIsRefused) {
  const auto error = [&](TrainingSchema schema) {
    return std::string(TrainingRowsWriter::Create(path_, std::move(schema)).status().message());
  };
  TrainingSchema schema = ActionsSchema();
  schema.request_features = {"a", "a"};
  EXPECT_THAT(error(schema), HasSubstr("request features: a stands twice"));
  schema = ActionsSchema();
  schema.dictionaries = {"item"};
  EXPECT_THAT(error(schema), HasSubstr("dictionaries: user is missing"));
  schema = ActionsSchema();
  schema.sequences[0].columns[1].dictionary = "typ";
  EXPECT_THAT(error(schema), HasSubstr("no such dictionary: \"typ\""));
}

}  // namespace
}  // namespace fourfold
