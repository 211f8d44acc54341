#include "online/ranking/served_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/strings.h"

namespace fourfold {
namespace {

namespace fs = std::filesystem;

std::uint32_t Bits(float value) { return std::bit_cast<std::uint32_t>(value); }

class ServedLogTest : public testing::Test {
 protected:
  ServedLogTest() {
    std::string pattern = (fs::temp_directory_path() / "fourfold.XXXXXX").string();
    home_ = mkdtemp(pattern.data());
  }
  ~ServedLogTest() override {
    std::error_code ignored;
    fs::remove_all(home_, ignored);
  }

  std::string Directory() const { return home_ + "/served"; }
  std::string File() const { return Directory() + "/served.log"; }

  static ServedScores Sample(int number) {
    ServedScores served;
    served.servable = "version";
    served.request.user = StrCat("u", number);
    served.request.session = "s";
    served.request.surface = "home";
    served.request.fields = {{"device", std::string("phone")}};
    served.request.at.as_of_ms = 1000 + number;
    served.request.at.known_at_ms = 2000 + number;
    served.request.at.position_end = 77;
    served.request.now_ms = 1000 + number;
    served.request.candidates = {{"a", {{"price", 1.5}}, 0}, {"b", {}, 0}};
    served.table.columns = {{kNoFeature, -0.0F}, {static_cast<float>(number)}};
    served.table.sequences = {{{"x", "y"}, {"click", "buy"}, {-5, 6}, {{1.0F, kNoFeature}}}};
    served.predictions = {0.1F, -3.0F};
    return served;
  }
  static void Note(ServedLog& log, const ServedScores& served) { Note(log, log.era(), served); }
  static void Note(ServedLog& log, std::uint64_t era, const ServedScores& served) {
    log.Note(era, served.servable, served.request, served.table,
             std::span<const float>(served.predictions));
  }
  std::vector<ServedScores> ReadAll() const {
    std::vector<ServedScores> all;
    const absl::Status status = ServedLog::Read(Directory(), [&](const ServedScores& served) {
      all.push_back(served);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return all;
  }

  std::string home_;
};

TEST_F(ServedLogTest, WhatIsNotedIsReadBackBitForBit) {
  ServedLog log(Directory(), 1);
  EXPECT_TRUE(ReadAll().empty());
  Note(log, Sample(3));
  const std::vector<ServedScores> all = ReadAll();
  ASSERT_EQ(all.size(), 1u);
  const ServedScores expected = Sample(3);
  const ServedScores& read = all[0];
  EXPECT_EQ(read.servable, "version");
  EXPECT_EQ(read.request.user, "u3");
  EXPECT_EQ(read.request.session, "s");
  EXPECT_EQ(read.request.surface, "home");
  EXPECT_EQ(read.request.fields, expected.request.fields);
  EXPECT_EQ(read.request.at, expected.request.at);
  EXPECT_EQ(read.request.now_ms, 1003);
  ASSERT_EQ(read.request.candidates.size(), 2u);
  EXPECT_EQ(read.request.candidates[0].item, "a");
  EXPECT_EQ(read.request.candidates[0].fields, expected.request.candidates[0].fields);
  ASSERT_EQ(read.table.columns.size(), 2u);
  EXPECT_EQ(Bits(read.table.columns[0][0]), Bits(kNoFeature));
  EXPECT_EQ(Bits(read.table.columns[0][1]), Bits(-0.0F));
  EXPECT_EQ(read.table.columns[1], std::vector<float>{3});
  ASSERT_EQ(read.table.sequences.size(), 1u);
  EXPECT_EQ(read.table.sequences[0].items, expected.table.sequences[0].items);
  EXPECT_EQ(read.table.sequences[0].types, expected.table.sequences[0].types);
  EXPECT_EQ(read.table.sequences[0].event_times_ms, expected.table.sequences[0].event_times_ms);
  EXPECT_EQ(Bits(read.table.sequences[0].fields[0][1]), Bits(kNoFeature));
  EXPECT_EQ(read.predictions, expected.predictions);
}

TEST_F(ServedLogTest, AShareIsKeptEvenlyAndBeginsWithTheFirst) {
  ServedLog log(Directory(), 0.25);
  for (int i = 0; i < 9; ++i) Note(log, Sample(i));
  const std::vector<ServedScores> all = ReadAll();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].request.user, "u0");
  EXPECT_EQ(all[1].request.user, "u4");
  EXPECT_EQ(all[2].request.user, "u8");
}

TEST_F(ServedLogTest, NothingIsWrittenForAShareOfNone) {
  ServedLog log(Directory(), 0);
  Note(log, Sample(0));
  EXPECT_FALSE(fs::exists(Directory()));
}

TEST_F(ServedLogTest, TheNewestStayWithinTheBytesAllowed) {
  constexpr std::size_t kBytes = 4096;
  ServedLog log(Directory(), 1, kBytes);
  for (int i = 0; i < 200; ++i) {
    Note(log, Sample(i));
    std::uintmax_t bytes = 0;
    for (const fs::directory_entry& file : fs::directory_iterator(Directory())) {
      bytes += file.file_size();
    }
    ASSERT_LE(bytes, kBytes);
  }
  const std::vector<ServedScores> all = ReadAll();
  ASSERT_GT(all.size(), 5u);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].request.user, StrCat("u", 200 - all.size() + i));
  }
}

TEST_F(ServedLogTest, ARecordThatWasCutOffIsLeftOutAndTheNextStandsInItsPlace) {
  {
    ServedLog log(Directory(), 1);
    Note(log, Sample(0));
    Note(log, Sample(1));
  }
  fs::resize_file(File(), fs::file_size(File()) - 3);
  EXPECT_EQ(ReadAll().size(), 1u);
  ServedLog log(Directory(), 1);
  Note(log, Sample(2));
  const std::vector<ServedScores> all = ReadAll();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].request.user, "u2");
}

TEST_F(ServedLogTest, DamageIsToldWithItsPlace) {
  {
    ServedLog log(Directory(), 1);
    Note(log, Sample(0));
  }
  std::fstream file(File(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(60);
  file.put('!');
  file.close();
  const absl::Status status =
      ServedLog::Read(Directory(), [](const ServedScores&) { return absl::OkStatus(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(MessageOf(status).find("served.log: byte 8"), std::string_view::npos) << status;
}

TEST_F(ServedLogTest, WhatWasReadBeforeItWasClearedIsNotKeptAfterwards) {
  ServedLog log(Directory(), 1);
  const std::uint64_t before = log.era();
  ASSERT_TRUE(log.Clear().ok());
  Note(log, before, Sample(0));
  Note(log, log.era(), Sample(1));
  const std::vector<ServedScores> all = ReadAll();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].request.at.as_of_ms, 1001);
}

TEST_F(ServedLogTest, ClearedItIsEmptyAndGoesOn) {
  ServedLog log(Directory(), 1);
  Note(log, Sample(0));
  ASSERT_TRUE(log.Clear().ok());
  EXPECT_TRUE(ReadAll().empty());
  Note(log, Sample(1));
  EXPECT_EQ(ReadAll().size(), 1u);
}

}  // namespace
}  // namespace fourfold
