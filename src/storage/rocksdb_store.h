#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/store.h"

// The embedded store: RocksDB 7.8 in the directory of a "rocksdb:" url.
//
//   FORMAT     text, two lines: the format's name, and "version " with a decimal number
//   bulk/      files of a large batch that is being written; emptied when the store is opened
//   rocksdb/   the database, with these column families besides RocksDB's empty "default":
//
//   family    key                                          value
//   log       position, 8 bytes                            record
//   ids       record id, 16 bytes                          position, LEB128
//   history   entity, escaped, 00 00, then every bit of    record
//             these 24 bytes flipped: time, record id
//   values    key                                          value
//
//   position   big-endian
//   time       8 bytes, big-endian, sign bit flipped: sorts as the number does. With all bits
//              flipped after that the newest record of an entity stands first
//   escaped    each byte 00 is written 00 FF, so that no entity's keys lie among another's
//
// All families are flushed together (atomic flush) and share one write-ahead log, and the files of
// a large batch are taken in together, so that a crash leaves a prefix of the batches.
namespace fourfold::storage {

absl::StatusOr<std::unique_ptr<Store>> OpenRocksDbStore(const std::string& directory,
                                                        const StoreOptions& options);

}  // namespace fourfold::storage
