#pragma once

#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "storage/store.h"

// What the files of the RocksDB store share: its column families, and RocksDB's types as ours.
namespace fourfold::storage {

enum Family : std::uint8_t { kDefault, kLog, kIds, kHistory, kValues, kFamilies };
inline constexpr const char* kFamilyNames[kFamilies] = {"default", "log", "ids", "history",
                                                        "values"};

inline rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
inline rocksdb::Slice ToSlice(const RecordId& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

// "what: the reason", with the code that a caller can act on.
absl::Status ToStatus(const rocksdb::Status& status, std::string_view what);

}  // namespace fourfold::storage
