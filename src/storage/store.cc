#include "storage/store.h"

#include "base/strings.h"
#include "storage/rocksdb_store.h"

namespace fourfold::storage {

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const StoreOptions& options) {
  constexpr std::string_view kRocksDb = "rocksdb:";
  if (options.url.starts_with(kRocksDb) && options.url.size() > kRocksDb.size()) {
    return OpenRocksDbStore(options.url.substr(kRocksDb.size()), options);
  }
  return FailedPrecondition("store ", options.url, ": not a kind of store; known: rocksdb:path");
}

}  // namespace fourfold::storage
