#pragma once

#include <string>

#include "absl/status/status.h"
#include "storage/store.h"

// The file that says what a store's directory holds: storage/rocksdb_store.h has its bytes.
namespace fourfold::storage {

// Makes the directory and its FORMAT file, or checks the one that is there: FailedPrecondition when
// the directory is no store, is absent and not to be made, or is one of another format or version.
absl::Status CheckFormat(const std::string& directory, const StoreOptions& options);

// DataLoss when files of a database lie there without the one that names its state: RocksDB would
// start an empty one over them.
absl::Status CheckDatabaseFiles(const std::string& path);

}  // namespace fourfold::storage
