#include "storage/rocksdb_ingest.h"

#include <rocksdb/sst_file_writer.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold::storage {
namespace {

namespace fs = std::filesystem;

// Files of one family that overlap, each of which a read may have to look into: from how many on
// they are merged during a bulk load, and how many there may be at most, as ingestion does not heed
// RocksDB's own brake.
constexpr int kBulkMergedFiles = 12;
constexpr int kBulkFilesMax = 20;
// In the order of their keys the changes lie anywhere in memory.
constexpr std::size_t kChangesAhead = 8;
constexpr auto kMergingCheckInterval = std::chrono::milliseconds(5);

absl::Status DirectoryError(const std::string& directory, const std::error_code& error) {
  return absl::UnavailableError(StrCat(directory, ": ", error.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<BatchIngester>> BatchIngester::Open(
    rocksdb::DB* db, std::vector<rocksdb::ColumnFamilyHandle*> families, std::string directory) {
  std::unique_ptr<BatchIngester> ingester(
      new BatchIngester(db, std::move(families), std::move(directory)));
  FOURFOLD_RETURN_IF_ERROR(ingester->EmptyDirectory());
  return ingester;
}

BatchIngester::BatchIngester(rocksdb::DB* db, std::vector<rocksdb::ColumnFamilyHandle*> families,
                             std::string directory)
    : db_(db), families_(std::move(families)), directory_(std::move(directory)) {
  for (rocksdb::ColumnFamilyHandle* family : families_) options_.push_back(db_->GetOptions(family));
}

absl::Status BatchIngester::EmptyDirectory() const {
  std::error_code error;
  fs::remove_all(directory_, error);
  if (!error) fs::create_directory(directory_, error);
  return error ? DirectoryError(directory_, error) : absl::OkStatus();
}

absl::Status BatchIngester::Ingest(RocksDbBatch* batch) {
  if (!is_bulk_) FOURFOLD_RETURN_IF_ERROR(MergeFrom(kBulkMergedFiles));
  is_bulk_ = true;
  AwaitMerging();
  std::vector<rocksdb::IngestExternalFileArg> arguments;
  for (int i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    FamilyChanges& changes = batch->changes(family);
    if (changes.in_order_added().empty()) continue;
    rocksdb::IngestExternalFileArg& argument = arguments.emplace_back();
    argument.column_family = families_[family];
    argument.external_files = {StrCat(directory_, "/", kFamilyNames[family], ".sst")};
    argument.options.move_files = true;
    argument.options.failed_move_fall_back_to_copy = false;
    argument.options.write_global_seqno = false;
    FOURFOLD_RETURN_IF_ERROR(WriteFile(family, &changes, argument.external_files.front()));
  }
  if (arguments.empty()) return absl::OkStatus();
  return ToStatus(db_->IngestExternalFiles(arguments), "taking in the files of a batch");
}

absl::Status BatchIngester::EndBulk() {
  if (!std::exchange(is_bulk_, false)) return absl::OkStatus();
  return MergeFrom(options_[kHistory].level0_file_num_compaction_trigger);
}

absl::Status BatchIngester::MergeFrom(int files) const {
  for (const Family family : {kIds, kHistory, kValues}) {  // files of the log never overlap
    FOURFOLD_RETURN_IF_ERROR(ToStatus(
        db_->SetOptions(families_[family], {{"level0_file_num_compaction_trigger", StrCat(files)}}),
        "setting when files are merged"));
  }
  return absl::OkStatus();
}

absl::Status BatchIngester::WriteFile(Family family, FamilyChanges* changes,
                                      const std::string& path) const {
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(options_[family]), options_[family],
                                families_[family], /*invalidate_page_cache=*/false);
  rocksdb::Status status = writer.Open(path);
  const std::vector<FamilyChanges::Change>& sorted = changes->Sorted();
  for (std::size_t i = 0; i < sorted.size() && status.ok(); ++i) {
    const FamilyChanges::Change& change = sorted[i];
    if (i + kChangesAhead < sorted.size()) __builtin_prefetch(sorted[i + kChangesAhead].key);
    // Of changes of one key the last one holds.
    if (i + 1 < sorted.size() && sorted[i + 1].HasKeyOf(change)) continue;
    status = change.is_erasure()
                 ? writer.Delete(ToSlice(change.key_view()))
                 : writer.Put(ToSlice(change.key_view()), ToSlice(change.value_view()));
  }
  if (status.ok()) status = writer.Finish();
  return ToStatus(status, path);
}

void BatchIngester::AwaitMerging() const {
  using Properties = rocksdb::DB::Properties;
  const auto is_positive = [this](rocksdb::ColumnFamilyHandle* family, const std::string& name) {
    std::uint64_t value = 0;
    return db_->GetIntProperty(family, name, &value) && value > 0;
  };
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    std::string files;
    while (db_->GetProperty(family, Properties::kNumFilesAtLevelPrefix + "0", &files) &&
           std::stoi(files) >= kBulkFilesMax &&
           (is_positive(family, Properties::kCompactionPending) ||
            is_positive(family, Properties::kNumRunningCompactions))) {
      std::this_thread::sleep_for(kMergingCheckInterval);
    }
  }
}

}  // namespace fourfold::storage
