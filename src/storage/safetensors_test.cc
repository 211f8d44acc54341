#include "storage/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace fourfold {
namespace {

using testing::HasSubstr;

std::string TemporaryPath(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / ("safetensors_test_" + name);
}

std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A file put together by hand, as the format's description says.
std::string FileOf(const std::string& header, const std::string& data) {
  std::string bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8 * i)));
  }
  return bytes + header + data;
}

// Parses a copy that starts at a multiple of 8.
absl::Status ParseCopy(const std::string& bytes) {
  std::vector<std::uint64_t> aligned(bytes.size() / 8 + 1);
  std::memcpy(aligned.data(), bytes.data(), bytes.size());
  return SafetensorsFile::Parse({reinterpret_cast<const char*>(aligned.data()), bytes.size()})
      .status();
}

TEST(SafetensorsTest, ReadsAFileMadeByHand) {
  // 1.0f and -2.5f, little-endian; the header is padded to 64 bytes with spaces.
  std::string header = R"({"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  header.resize(64, ' ');
  const std::string path = TemporaryPath("hand");
  std::ofstream(path, std::ios::binary)
      << FileOf(header, std::string("\x00\x00\x80\x3f\x00\x00\x20\xc0", 8));
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors().size(), 1u);
  const TensorView& tensor = file->tensors().front();
  EXPECT_EQ(tensor.name, "w");
  EXPECT_EQ(tensor.shape, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(tensor.As<float>()[0], 1.0f);
  EXPECT_EQ(tensor.As<float>()[1], -2.5f);
}

TEST(SafetensorsTest, WritesExactlyTheFormat) {
  const std::vector<std::uint8_t> small = {7};
  const std::vector<std::uint32_t> wide = {0x01020304};
  const std::string path = TemporaryPath("exact");
  ASSERT_TRUE(WriteSafetensors(path, {MakeTensor<std::uint8_t>("a", Dtype::kU8, small),
                                      MakeTensor<std::uint32_t>("b", Dtype::kU32, wide)})
                  .ok());
  std::string header = R"({"a":{"data_offsets":[4,5],"dtype":"U8","shape":[1]},)"
                       R"("b":{"data_offsets":[0,4],"dtype":"U32","shape":[1]}})";
  header.resize(120, ' ');  // 8 + 120 is a multiple of 64
  EXPECT_EQ(Bytes(path), FileOf(header, "\x04\x03\x02\x01\x07"));
}

TEST(SafetensorsTest, GivesBackWhatWasWritten) {
  const std::vector<std::int64_t> offsets = {0, -5, 1LL << 40};
  const std::vector<float> none;
  const std::vector<double> scores = {0.5, -1e300};
  const std::string path = TemporaryPath("round");
  ASSERT_TRUE(WriteSafetensors(path,
                               {MakeTensor<std::int64_t>("offsets", Dtype::kI64, offsets),
                                MakeTensor<float>("none", Dtype::kF32, none),
                                MakeTensor<double>("scores", Dtype::kF64, scores)},
                               {{"made_by", "a test"}})
                  .ok());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("made_by"), "a test");
  const auto read = file->Find("offsets", Dtype::kI64);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(std::ranges::equal(read->As<std::int64_t>(), offsets));
  EXPECT_TRUE(std::ranges::equal(file->Find("scores", Dtype::kF64)->As<double>(), scores));
  EXPECT_EQ(file->Find("none", Dtype::kF32)->elements(), 0u);
}

TEST(SafetensorsTest, FindNamesWhatIsWrong) {
  const std::vector<float> values = {1, 2};
  const std::string path = TemporaryPath("find");
  ASSERT_TRUE(WriteSafetensors(path, {MakeTensor<float>("x", Dtype::kF32, values)}).ok());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(file->Find("y", Dtype::kF32).status().ToString(), HasSubstr("no tensor \"y\""));
  EXPECT_THAT(file->Find("x", Dtype::kI32).status().ToString(), HasSubstr("is F32, not I32"));
  EXPECT_THAT(file->Find("x", Dtype::kF32, 2).status().ToString(), HasSubstr("1 dimensions"));
}

TEST(SafetensorsTest, RefusesToWriteWhatCouldNotBeRead) {
  const std::vector<float> values = {1, 2};
  const TensorView tensor = MakeTensor<float>("x", Dtype::kF32, values);
  TensorView wrong_shape = tensor;
  wrong_shape.shape = {3};
  TensorView not_utf8 = tensor;
  not_utf8.name = "\xff";
  const std::string path = TemporaryPath("refused");
  EXPECT_TRUE(absl::IsInvalidArgument(WriteSafetensors(path, {tensor, tensor})));
  EXPECT_TRUE(absl::IsInvalidArgument(WriteSafetensors(path, {wrong_shape})));
  EXPECT_TRUE(absl::IsInvalidArgument(WriteSafetensors(path, {not_utf8})));
}

struct Malformed {
  std::string header;
  std::string data;
  std::string reason;
};

TEST(SafetensorsTest, RefusesMalformedFilesWithTheReason) {
  const std::string f32 = R"("dtype":"F32","shape":[1],"data_offsets":)";
  const std::vector<Malformed> cases = {
      {"", "", "does not begin with {"},
      {"[]", "", "does not begin with {"},
      {"{", "", "not a JSON object"},
      {R"({"x":1})", "", "not an object of dtype"},
      {R"({"x":{"dtype":"F32","shape":[1]}})", "", "not an object of dtype"},
      {R"({"x":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", "1234", "unknown dtype"},
      {R"({"x":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})", "1234", "dtype is not a string"},
      {R"({"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234", "shape"},
      {R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", "1234", "are not two"},
      {R"({"x":{)" + f32 + R"([0,8]}})", "1234", "do not lie in the data"},
      {R"({"x":{)" + f32 + R"([4,0]}})", "1234", "do not lie in the data"},
      {R"({"x":{)" + f32 + R"([0,3]}})", "123", "disagree"},
      {R"({"x":{"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8]}})", "12345678",
       "disagree"},
      {R"({"x":{)" + f32 + R"([0,4]},"y":{)" + f32 + R"([2,6]}})", "123456", "overlaps"},
      {R"({"x":{)" + f32 + R"([0,4]},"y":{)" + f32 + R"([0,4]}})", "1234", "overlaps"},
      {R"({"x":{)" + f32 + R"([4,8]}})", "12345678", "gap"},
      {R"({"x":{)" + f32 + R"([0,4]}})", "12345678", "after the last tensor"},
      {R"({"x":{)" + f32 + R"([0,4]},"x":{)" + f32 + R"([0,4]}})", "1234", "twice"},
      {R"({"__metadata__":{"a":1}})", "", "__metadata__"},
  };
  for (Malformed malformed : cases) {
    // Keeps the data aligned, so that nothing but the reason is wrong.
    while (malformed.header.size() > 2 && malformed.header.size() % 8 != 0) malformed.header += ' ';
    const absl::Status status = ParseCopy(FileOf(malformed.header, malformed.data));
    EXPECT_TRUE(absl::IsDataLoss(status)) << malformed.header;
    EXPECT_THAT(status.ToString(), HasSubstr(malformed.reason)) << malformed.header;
  }
  EXPECT_TRUE(absl::IsDataLoss(ParseCopy("1234567")));
  EXPECT_TRUE(absl::IsDataLoss(ParseCopy(FileOf("{}", "").substr(0, 9))));
  EXPECT_THAT(ParseCopy(std::string(8, '\xff') + "{}").ToString(), HasSubstr("above the limit"));
  std::string unaligned = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  while (unaligned.size() % 4 != 1) unaligned += ' ';
  EXPECT_THAT(ParseCopy(FileOf(unaligned, "1234")).ToString(), HasSubstr("not aligned"));
}

TEST(SafetensorsTest, SurvivesEveryByteChangedAndEveryTruncation) {
  const std::vector<float> values = {1, 2, 3};
  const std::vector<std::uint8_t> bytes = {9, 8};
  const std::string path = TemporaryPath("flip");
  ASSERT_TRUE(WriteSafetensors(path, {MakeTensor<float>("x", Dtype::kF32, values),
                                      MakeTensor<std::uint8_t>("y", Dtype::kU8, bytes)})
                  .ok());
  const std::string good = Bytes(path);
  ASSERT_TRUE(ParseCopy(good).ok());
  std::mt19937 random(301);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ static_cast<char>(1 + random() % 255));
    const absl::Status status = ParseCopy(bad);  // must return, whatever it says
    EXPECT_TRUE(status.ok() || absl::IsDataLoss(status));
    EXPECT_TRUE(absl::IsDataLoss(ParseCopy(good.substr(0, at)))) << at;
  }
}

TEST(SafetensorsTest, OpenNamesTheFile) {
  const std::string missing = TemporaryPath("missing");
  EXPECT_TRUE(absl::IsNotFound(SafetensorsFile::Open(missing).status()));
  const std::string empty = TemporaryPath("empty");
  std::ofstream(empty).flush();
  const absl::Status status = SafetensorsFile::Open(empty).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(status.ToString(), HasSubstr(empty));
}

// Files that the reference implementation wrote.
TEST(SafetensorsTest, ReadsFilesOfTheReferenceImplementation) {
  const char* variable = std::getenv("FOURFOLD_SHARED_DATA");
  const std::filesystem::path shared =
      variable != nullptr ? std::filesystem::path(variable)
                          : std::filesystem::path(FOURFOLD_SOURCE_DIR) / "../shared/data";
  const std::filesystem::path golden = shared / "transact-golden/eval-1head.safetensors";
  if (!std::filesystem::exists(golden)) GTEST_SKIP() << golden << " is not here";
  const auto file = SafetensorsFile::Open(golden);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE(file->metadata().empty());
  bool has_out = false;
  for (const TensorView& tensor : file->tensors()) {
    has_out |= tensor.name == "out" && tensor.dtype == Dtype::kF32;
  }
  EXPECT_TRUE(has_out);
}

}  // namespace
}  // namespace fourfold
