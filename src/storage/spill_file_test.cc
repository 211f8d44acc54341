#include "storage/spill_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <utility>

#include "base/strings.h"

namespace fourfold::storage {
namespace {

class SpillFileTest : public testing::Test {
 protected:
  SpillFileTest() { std::filesystem::create_directories(directory_); }
  ~SpillFileTest() override { std::filesystem::remove_all(directory_); }

  const std::string directory_ =
      StrCat((std::filesystem::temp_directory_path() / "fourfold_spill_").string(), getpid());
};

TEST_F(SpillFileTest, WhatWasWrittenIsReadAndTheFileHasNoName) {
  const auto file = SpillFile::Open(directory_).value();
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
  std::mt19937_64 random(1);
  std::vector<std::pair<std::string, std::shared_ptr<const SpillFile::Place>>> kept;
  for (int i = 0; i < 2000; ++i) {
    if (!kept.empty() && random() % 3 == 0) {
      std::swap(kept[random() % kept.size()], kept.back());
      kept.pop_back();
    }
    std::string bytes(random() % 5000, static_cast<char>(random()));
    if (!bytes.empty()) bytes.back() = static_cast<char>(i);
    auto place = file->Write(bytes).value();
    EXPECT_EQ(place->size(), bytes.size());
    kept.emplace_back(std::move(bytes), std::move(place));
    const auto& [expected, at] = kept[random() % kept.size()];
    std::string read = "before ";
    ASSERT_TRUE(file->Read(*at, &read).ok());
    ASSERT_EQ(read, "before " + expected);
  }
}

TEST_F(SpillFileTest, RoomThatWasGivenBackIsUsedAgain) {
  auto file = SpillFile::Open(directory_).value();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(file->Write(std::string(3000, 'x')).ok());
  EXPECT_EQ(file->bytes(), 4096u);
  // A place outlives whoever else holds the file.
  auto place = file->Write("still here").value();
  const SpillFile* const same = file.get();
  file.reset();
  std::string read;
  ASSERT_TRUE(same->Read(*place, &read).ok());
  EXPECT_EQ(read, "still here");
}

TEST_F(SpillFileTest, ADirectoryThatIsNotThereIsAnError) {
  EXPECT_FALSE(SpillFile::Open(directory_ + "/nowhere").ok());
}

}  // namespace
}  // namespace fourfold::storage
