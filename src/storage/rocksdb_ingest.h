#pragma once

#include <rocksdb/db.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/rocksdb_batch.h"

// Large batches go past the write-ahead log and the write buffers: their changes are written as
// sorted files, which the database takes in together.
namespace fourfold::storage {

// Not thread-safe.
class BatchIngester {
 public:
  // `directory` lies beside the database, on the same file system, and is used for nothing else:
  // what a process that ended left in it is removed. The database must be held open by now.
  static absl::StatusOr<std::unique_ptr<BatchIngester>> Open(
      rocksdb::DB* db, std::vector<rocksdb::ColumnFamilyHandle*> families, std::string directory);

  // What is in the batch can be read, and is on disk, when it returns OK. A process that ends
  // before leaves nothing of it. Every batch written before must be on disk. May wait for the
  // database to merge files of batches before.
  absl::Status Ingest(RocksDbBatch* batch);
  // No batch follows for a while. Until then files wait longer to be merged, so that fewer bytes
  // are written twice.
  absl::Status EndBulk();

 private:
  BatchIngester(rocksdb::DB* db, std::vector<rocksdb::ColumnFamilyHandle*> families,
                std::string directory);

  absl::Status EmptyDirectory() const;
  absl::Status WriteFile(Family family, FamilyChanges* changes, const std::string& path) const;
  absl::Status MergeFrom(int files) const;
  void AwaitMerging() const;

  rocksdb::DB* const db_;
  const std::vector<rocksdb::ColumnFamilyHandle*> families_;
  const std::string directory_;
  std::vector<rocksdb::Options> options_;  // by family
  bool is_bulk_ = false;
};

}  // namespace fourfold::storage
