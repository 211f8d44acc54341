#include "data/byte_sink.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "data/byte_source.h"

namespace fourfold {
namespace {

class ByteSinkTest : public testing::TestWithParam<std::string> {
 protected:
  ByteSinkTest() { std::filesystem::create_directories(directory_); }
  ~ByteSinkTest() override { std::filesystem::remove_all(directory_); }

  static std::string ReadAll(const std::string& path) {
    absl::StatusOr<std::unique_ptr<ByteSource>> source = ByteSource::Open(path);
    EXPECT_TRUE(source.ok()) << source.status();
    std::string all;
    for (std::string piece(100'000, '\0');;) {
      const absl::StatusOr<std::size_t> size = (*source)->Read(piece.data(), piece.size());
      EXPECT_TRUE(size.ok()) << size.status();
      if (!size.ok() || *size == 0) return all;
      all.append(piece, 0, *size);
    }
  }

  const std::string directory_ =
      testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_P(ByteSinkTest, WhatIsWrittenIsReadBack) {
  const std::string path = StrCat(directory_, "/log", GetParam());
  std::string wanted;
  {
    absl::StatusOr<std::unique_ptr<ByteSink>> sink = ByteSink::Create(path);
    ASSERT_TRUE(sink.ok()) << sink.status();
    for (int i = 0; i < 60'000; ++i) {
      const std::string line = StrCat("line ", i, "\n");
      wanted += line;
      ASSERT_TRUE((*sink)->Write(line).ok());
    }
    const std::string large(700'000, 'x');
    wanted += large;
    ASSERT_TRUE((*sink)->Write(large).ok());
    EXPECT_FALSE(std::filesystem::exists(path)) << "it has its name before it is whole";
    ASSERT_TRUE((*sink)->Finish().ok());
    EXPECT_EQ((*sink)->bytes_on_disk(), std::filesystem::file_size(path));
  }
  EXPECT_EQ(ReadAll(path), wanted);
  EXPECT_EQ(GetParam().empty(), std::filesystem::file_size(path) == wanted.size());
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST_P(ByteSinkTest, OfALinkWhatItPointsToIsReplaced) {
  const std::string link = StrCat(directory_, "/link", GetParam());
  const std::string target = StrCat(directory_, "/target", GetParam());
  std::ofstream(target) << "old";
  std::filesystem::create_symlink(target, link);
  absl::StatusOr<std::unique_ptr<ByteSink>> sink = ByteSink::Create(link);
  ASSERT_TRUE(sink.ok()) << sink.status();
  ASSERT_TRUE((*sink)->Write("new").ok());
  ASSERT_TRUE((*sink)->Finish().ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(ReadAll(target), "new");
}

TEST_P(ByteSinkTest, AnEmptyFileIsWhole) {
  const std::string path = StrCat(directory_, "/log", GetParam());
  absl::StatusOr<std::unique_ptr<ByteSink>> sink = ByteSink::Create(path);
  ASSERT_TRUE(sink.ok()) << sink.status();
  ASSERT_TRUE((*sink)->Finish().ok());
  EXPECT_EQ(ReadAll(path), "");
}

TEST_P(ByteSinkTest, UnfinishedLeavesTheOldFile) {
  const std::string path = StrCat(directory_, "/log", GetParam());
  for (const bool finish : {true, false}) {
    absl::StatusOr<std::unique_ptr<ByteSink>> sink = ByteSink::Create(path);
    ASSERT_TRUE(sink.ok()) << sink.status();
    ASSERT_TRUE((*sink)->Write(finish ? "old" : "new").ok());
    if (finish) {
      ASSERT_TRUE((*sink)->Finish().ok());
    }
  }
  EXPECT_EQ(ReadAll(path), "old");
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

INSTANTIATE_TEST_SUITE_P(Packings, ByteSinkTest, testing::Values("", ".zst", ".gz"),
                         [](const auto& packing) {
                           return packing.param.empty() ? "Plain" : packing.param.substr(1);
                         });

TEST(ByteSinkErrorTest, AFileThatCannotBeMadeIsNamed) {
  const auto sink = ByteSink::Create("/nowhere/at/all.jsonl");
  EXPECT_NE(MessageOf(sink.status()).find("/nowhere/at/all.jsonl"), std::string_view::npos);
}

}  // namespace
}  // namespace fourfold
