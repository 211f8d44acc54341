#include "storage/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "storage/rocksdb_keys.h"

namespace fourfold::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RecordId Id(std::uint8_t byte) {
  RecordId id{};
  id.fill(byte);
  return id;
}

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    directory_ = StrCat(testing::TempDir(), "fourfold_store_",
                        testing::UnitTest::GetInstance()->current_test_info()->name(), "_",
                        static_cast<std::int64_t>(getpid()));
    std::filesystem::remove_all(directory_);
    Open();
  }
  ~StoreTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  StoreOptions Options() const {
    StoreOptions options;
    options.url = "rocksdb:" + directory_;
    options.format_name = "test";
    return options;
  }
  void Open() {
    store_.reset();
    auto opened = OpenStore(Options());
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  void Put(std::string_view entity, std::int64_t time, std::uint8_t id, std::string_view record) {
    const auto batch = store_->NewBatch();
    batch->PutHistory(entity, time, Id(id), record);
    ASSERT_TRUE(store_->Write(batch.get(), Logging::kLogged).ok());
  }
  std::vector<std::string> Newest(std::string_view entity, std::int64_t time_max) const {
    std::vector<std::string> records;
    const auto cursor = store_->NewHistoryCursor();
    for (cursor->SeekNewest(entity, time_max); cursor->Valid(); cursor->Next()) {
      records.emplace_back(cursor->record());
    }
    EXPECT_TRUE(cursor->status().ok());
    return records;
  }

  std::string directory_;
  std::unique_ptr<Store> store_;
};

// A copy of the files is what a process that was killed would have left.
TEST_F(StoreTest, WhatIsLoggedReachesTheFilesSoonWithoutASync) {
  Put("e", 1, 1, "before");
  ASSERT_TRUE(store_->Sync().ok());
  Put("e", 2, 2, "after");
  const std::string copy = directory_ + "_copy";
  bool is_there = false;
  for (int attempt = 0; attempt < 100 && !is_there; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::filesystem::remove_all(copy);
    std::filesystem::copy(directory_, copy, std::filesystem::copy_options::recursive);
    StoreOptions options = Options();
    options.url = "rocksdb:" + copy;
    const auto opened = OpenStore(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    const auto cursor = (*opened)->NewHistoryCursor();
    cursor->SeekNewest("e", 9);
    ASSERT_TRUE(cursor->Valid());
    is_there = cursor->record() == "after";
  }
  EXPECT_TRUE(is_there);
  std::filesystem::remove_all(copy);
}

TEST_F(StoreTest, AfterAFailedWriteItSaysThatItRefusesAllOthers) {
  Put("u", 1, 1, "before");
  EXPECT_FALSE(store_->ReadStats().refuses_writes);
  std::filesystem::remove_all(directory_);  // so that no new file can be made
  EXPECT_FALSE(store_->Flush().ok());
  EXPECT_TRUE(store_->ReadStats().refuses_writes);
  const auto batch = store_->NewBatch();
  batch->PutHistory("u", 2, Id(2), "after");
  EXPECT_FALSE(store_->Write(batch.get(), Logging::kLogged).ok());
}

TEST_F(StoreTest, HistoryReadsNewestFirstByTimeAndThenId) {
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  Put("e", 0, 1, "0/1");
  Put("e", kLast, 1, "last");
  Put("e", 0, 2, "0/2");
  Put("e", -1, 9, "-1/9");
  Put("e", kFirst, 1, "first");
  EXPECT_THAT(Newest("e", kLast), ElementsAre("last", "0/2", "0/1", "-1/9", "first"));
  EXPECT_THAT(Newest("e", 0), ElementsAre("0/2", "0/1", "-1/9", "first"));
  EXPECT_THAT(Newest("e", kFirst), ElementsAre("first"));
  const auto cursor = store_->NewHistoryCursor();
  cursor->SeekOldest("e");
  ASSERT_TRUE(cursor->Valid());
  EXPECT_EQ(cursor->time(), kFirst);
  cursor->Next();
  EXPECT_EQ(cursor->record(), "-1/9");
  EXPECT_EQ(cursor->id(), Id(9));
}

TEST_F(StoreTest, EntitiesOfAnyBytesStayApart) {
  const std::vector<std::string> entities = {"",
                                             std::string(1, '\0'),
                                             std::string("\0\0", 2),
                                             std::string("\0\xff", 2),
                                             "a",
                                             std::string("a\0", 2),
                                             std::string("a\0b", 3),
                                             "ab",
                                             "\xff",
                                             "\xff\xff"};
  for (const std::string& entity : entities) Put(entity, 5, 0xff, entity + "!");
  for (bool flushed : {false, true}) {
    for (const std::string& entity : entities) {
      EXPECT_THAT(Newest(entity, 9), ElementsAre(entity + "!"));
      const auto oldest = store_->NewHistoryCursor();
      oldest->SeekOldest(entity);
      ASSERT_TRUE(oldest->Valid());
      EXPECT_EQ(oldest->record(), entity + "!");
      oldest->Next();
      EXPECT_FALSE(oldest->Valid());
    }
    EXPECT_THAT(Newest("b", 9), IsEmpty());
    std::vector<std::string> all;
    for (auto cursor = store_->NewEntityCursor(""); cursor->Valid(); cursor->Next()) {
      all.push_back(cursor->entity());
    }
    EXPECT_EQ(all, entities);
    std::vector<std::string> with_a;
    for (auto cursor = store_->NewEntityCursor("a"); cursor->Valid(); cursor->Next()) {
      with_a.push_back(cursor->entity());
    }
    EXPECT_THAT(with_a, ElementsAre("a", std::string("a\0", 2), std::string("a\0b", 3), "ab"));
    ASSERT_TRUE(store_->Flush().ok()) << flushed;
  }
}

TEST_F(StoreTest, LogKeepsIdsOfErasedRecords) {
  auto batch = store_->NewBatch();
  for (std::uint8_t i = 0; i < 3; ++i) batch->AppendLog(i, Id(i), StrCat("record ", i));
  ASSERT_TRUE(store_->Write(batch.get(), Logging::kUnlogged).ok());
  batch = store_->NewBatch();
  batch->EraseLog(1);
  ASSERT_TRUE(store_->Write(batch.get(), Logging::kLogged).ok());
  ASSERT_TRUE(store_->Sync().ok());
  Open();
  std::vector<std::string> records;
  ASSERT_TRUE(store_
                  ->ScanLog(0, 9,
                            [&](std::uint64_t, std::string_view record) {
                              records.emplace_back(record);
                              return true;
                            })
                  .ok());
  EXPECT_THAT(records, ElementsAre("record 0", "record 2"));
  std::string record;
  EXPECT_TRUE(absl::IsNotFound(store_->ReadLog(1, &record)));
  std::vector<std::optional<std::uint64_t>> positions;
  ASSERT_TRUE(store_->FindPositions({Id(1), Id(7)}, &positions).ok());
  EXPECT_THAT(positions, ElementsAre(1, std::nullopt));
}

TEST_F(StoreTest, ChangesOfOneKeyInABatchKeepTheirOrder) {
  const auto batch = store_->NewBatch();
  batch->PutHistory("e", 2, Id(1), "old");
  batch->PutHistory("a", 1, Id(1), "a");
  batch->EraseHistory("e", 2, Id(1));
  batch->PutHistory("e", 2, Id(1), "new");
  batch->PutHistory("gone", 2, Id(1), "x");
  batch->EraseHistory("gone", 2, Id(1));
  ASSERT_TRUE(store_->Write(batch.get(), Logging::kLogged).ok());
  EXPECT_THAT(Newest("e", 9), ElementsAre("new"));
  EXPECT_THAT(Newest("gone", 9), IsEmpty());
}

TEST_F(StoreTest, ValuesAreScannedByPrefix) {
  const auto batch = store_->NewBatch();
  for (const char* key : {"a", "b", "ba", "bb", "c"}) batch->PutValue(key, key);
  batch->EraseValue("ba");
  ASSERT_TRUE(store_->Write(batch.get(), Logging::kLogged).ok());
  std::vector<std::string> keys;
  ASSERT_TRUE(
      store_->ScanValues("b", [&](auto key, auto) { return keys.emplace_back(key), true; }).ok());
  EXPECT_THAT(keys, ElementsAre("b", "bb"));
}

TEST_F(StoreTest, OtherFormatsAndUnknownKindsOfUrlAreRefused) {
  store_.reset();
  StoreOptions options = Options();
  options.format_name = "other";
  EXPECT_EQ(OpenStore(options).status().code(), absl::StatusCode::kFailedPrecondition);
  options = Options();
  options.format_version = 2;
  EXPECT_EQ(OpenStore(options).status().code(), absl::StatusCode::kFailedPrecondition);
  options.url = "carrier-pigeon:coop";
  EXPECT_EQ(OpenStore(options).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace fourfold::storage
