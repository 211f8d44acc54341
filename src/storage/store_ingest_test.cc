#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "storage/store.h"

// Large batches, which go to files past the write buffers, against small ones.
namespace fourfold::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNeverIngest = SIZE_MAX;
// Tells a process that runs a test's mortal part where the test's directory is.
constexpr const char* kDirectoryVariable = "FOURFOLD_INGEST_TEST_DIRECTORY";

class StoreIngestTest : public testing::Test {
 protected:
  StoreIngestTest() {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    if (const char* const given = std::getenv(kDirectoryVariable); given != nullptr) {
      directory_ = given;
      return;
    }
    directory_ = StrCat(testing::TempDir(), "fourfold_ingest_",
                        testing::UnitTest::GetInstance()->current_test_info()->name(), "_",
                        static_cast<std::int64_t>(getpid()));
    fs::remove_all(directory_);
    fs::create_directory(directory_);
    setenv(kDirectoryVariable, directory_.c_str(), 1);
  }
  ~StoreIngestTest() override {
    unsetenv(kDirectoryVariable);
    fs::remove_all(directory_);
  }

  std::unique_ptr<Store> Open(const std::string& name, std::size_t ingest_bytes_min) const {
    StoreOptions options;
    options.url = StrCat("rocksdb:", directory_, "/", name);
    options.format_name = "test";
    options.write_buffer_bytes = 1 << 20;
    options.ingest_bytes_min = ingest_bytes_min;
    auto opened = OpenStore(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  std::string directory_;
};

using Change = std::function<void(Batch*)>;

// Changes that meet the same keys again and again, of any bytes and lengths.
class RandomChanges {
 public:
  explicit RandomChanges(std::uint64_t seed) : random_(seed) {}

  Change Next() {
    const std::string record(Draw(200), static_cast<char>(Draw(256)));
    const RecordId id = Id();
    const auto time = static_cast<std::int64_t>(Draw(5)) - 2;
    const std::string entity = Name();
    switch (Draw(8)) {
      case 0:
      case 1:
        return [=, position = end_++](Batch* batch) { batch->AppendLog(position, id, record); };
      case 2:
        return [=, position = Draw(end_ + 1)](Batch* batch) { batch->EraseLog(position); };
      case 3:
      case 4:
        return [=](Batch* batch) { batch->PutHistory(entity, time, id, record); };
      case 5:
        return [=](Batch* batch) { batch->EraseHistory(entity, time, id); };
      case 6:
        return [=](Batch* batch) { batch->PutValue(entity, record); };
      default:
        return [=](Batch* batch) { batch->EraseValue(entity); };
    }
  }
  std::uint64_t Draw(std::uint64_t end) {
    return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random_);
  }
  RecordId Id() {
    RecordId id{};
    id[Draw(id.size())] = static_cast<std::uint8_t>(Draw(3));
    return id;
  }
  std::uint64_t end() const { return end_; }

 private:
  // Some are a prefix of others, some longer than what is compared first.
  std::string Name() {
    constexpr char kBytes[] = {'\0', 'a', '\xff'};
    std::string name(Draw(3) * 9, 'n');
    for (std::uint64_t i = Draw(4); i > 0; --i) name.push_back(kBytes[Draw(3)]);
    return name;
  }

  std::mt19937_64 random_;
  std::uint64_t end_ = 0;
};

std::string Contents(const Store& store, const std::vector<RecordId>& ids) {
  std::string text;
  EXPECT_TRUE(store
                  .ScanLog(0, UINT64_MAX,
                           [&](std::uint64_t position, std::string_view record) {
                             StrAppend(&text, "log ", position, " ", record, "\n");
                             return true;
                           })
                  .ok());
  std::vector<std::optional<std::uint64_t>> positions;
  EXPECT_TRUE(store.FindPositions(ids, &positions).ok());
  for (const auto& position : positions) {
    StrAppend(&text, "id ", position.has_value() ? StrCat(*position) : "none", "\n");
  }
  const auto cursor = store.NewHistoryCursor();
  for (auto entities = store.NewEntityCursor(""); entities->Valid(); entities->Next()) {
    for (cursor->SeekNewest(entities->entity(), INT64_MAX); cursor->Valid(); cursor->Next()) {
      const RecordId id = cursor->id();
      StrAppend(&text, "history ", entities->entity(), " ", cursor->time(), " ",
                std::string_view(reinterpret_cast<const char*>(id.data()), id.size()), " ",
                cursor->record(), "\n");
    }
    EXPECT_TRUE(cursor->status().ok());
  }
  EXPECT_TRUE(store
                  .ScanValues("",
                              [&](std::string_view key, std::string_view value) {
                                StrAppend(&text, "value ", key, "=", value, "\n");
                                return true;
                              })
                  .ok());
  return text;
}

TEST_F(StoreIngestTest, BatchesOfAnySizeAndLoggingLeaveTheSameContents) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    RandomChanges random(seed);
    const std::string plain_name = StrCat("plain", seed);
    const std::string ingested_name = StrCat("ingested", seed);
    auto plain = Open(plain_name, kNeverIngest);
    // Batches of fewer than about ten changes stay below.
    auto ingested = Open(ingested_name, 4 << 10);
    for (int batch = 0; batch < 40; ++batch) {
      const Logging logging = random.Draw(3) == 0 ? Logging::kLogged : Logging::kUnlogged;
      const auto whole = ingested->NewBatch();
      for (std::uint64_t i = random.Draw(2) == 0 ? random.Draw(4) : random.Draw(300); i > 0; --i) {
        const Change change = random.Next();
        change(whole.get());
        const auto single = plain->NewBatch();
        change(single.get());
        ASSERT_TRUE(plain->Write(single.get(), Logging::kLogged).ok());
      }
      const absl::Status written = ingested->Write(whole.get(), logging);
      ASSERT_TRUE(written.ok()) << written;
      std::vector<RecordId> ids;
      for (int i = 0; i < 50; ++i) ids.push_back(random.Id());
      ASSERT_EQ(Contents(*ingested, ids), Contents(*plain, ids)) << "batch " << batch;
      if (random.Draw(10) == 0) {
        ingested.reset();
        ingested = Open(ingested_name, 4 << 10);
        ASSERT_EQ(Contents(*ingested, ids), Contents(*plain, ids)) << "batch " << batch;
      }
    }
  }
}

void PutLarge(Store* store, std::string_view key) {
  const auto batch = store->NewBatch();
  batch->PutValue(key, std::string(8 << 10, 'x'));
  if (!store->Write(batch.get(), Logging::kUnlogged).ok()) std::_Exit(1);
}
void PutSmall(Store* store, std::string_view key, Logging logging) {
  const auto batch = store->NewBatch();
  batch->PutValue(key, "x");
  if (!store->Write(batch.get(), logging).ok()) std::_Exit(1);
}

std::vector<std::string> Keys(const Store& store) {
  std::vector<std::string> keys;
  EXPECT_TRUE(
      store.ScanValues("", [&](auto key, auto) { return keys.emplace_back(key), true; }).ok());
  return keys;
}

TEST_F(StoreIngestTest, LargeBatchSurvivesAKillWithEveryBatchBeforeIt) {
  const auto write_and_die = [this] {
    auto store = Open("store", 4 << 10);
    PutSmall(store.get(), "1", Logging::kUnlogged);
    PutSmall(store.get(), "2", Logging::kLogged);
    PutSmall(store.get(), "3", Logging::kUnlogged);
    PutLarge(store.get(), "4");
    PutSmall(store.get(), "5", Logging::kUnlogged);
    std::raise(SIGKILL);
  };
  EXPECT_EXIT(write_and_die(), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EQ(Keys(*Open("store", 4 << 10)), (std::vector<std::string>{"1", "2", "3", "4"}));
}

TEST_F(StoreIngestTest, FilesThatWereNotTakenInLeaveWithTheNextOpening) {
  Open("store", 4 << 10).reset();
  const std::string orphan = directory_ + "/store/bulk/history.sst";
  fs::copy_file(directory_ + "/store/FORMAT", orphan);
  const auto store = Open("store", 4 << 10);
  ASSERT_NE(store, nullptr);
  EXPECT_FALSE(fs::exists(orphan));
  EXPECT_TRUE(Keys(*store).empty());
  PutLarge(store.get(), "1");
  EXPECT_EQ(Keys(*store), std::vector<std::string>{"1"});
  EXPECT_TRUE(fs::is_empty(directory_ + "/store/bulk"));
}

}  // namespace
}  // namespace fourfold::storage
