#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

// What the engine needs of a store, in bytes without meaning: a log to append to and follow, an
// entity's history to append to and read by range, small values, and one atomic batch over all.
// Engines hide behind it: the embedded default is RocksDB (storage/rocksdb_store.h).
namespace fourfold::storage {

// Names a record of the log for ever, and orders records of one entity that share a time.
using RecordId = std::array<std::uint8_t, 16>;

// Changes that take effect together or not at all, in the order in which they were added.
class Batch {
 public:
  virtual ~Batch() = default;

  // Positions are dense and never reused. The id is kept even when the record is erased.
  virtual void AppendLog(std::uint64_t position, const RecordId& id, std::string_view record) = 0;
  virtual void EraseLog(std::uint64_t position) = 0;

  // A record in the history of an entity: any bytes name one, by (time, id) its records stand.
  virtual void PutHistory(std::string_view entity, std::int64_t time, const RecordId& id,
                          std::string_view record) = 0;
  virtual void EraseHistory(std::string_view entity, std::int64_t time, const RecordId& id) = 0;

  virtual void PutValue(std::string_view key, std::string_view value) = 0;
  virtual void EraseValue(std::string_view key) = 0;

  // Memory that the changes so far take.
  virtual std::size_t bytes() const = 0;
};

// Reads the histories of entities one after the other. Sees what was written before it was made.
// Views it hands out are valid until its next call. Not thread-safe.
class HistoryCursor {
 public:
  virtual ~HistoryCursor() = default;

  // To the newest record with time <= time_max; Next() goes on to older ones.
  virtual void SeekNewest(std::string_view entity, std::int64_t time_max) = 0;
  // To the oldest record; Next() goes on to newer ones.
  virtual void SeekOldest(std::string_view entity) = 0;
  // False past the entity's last record, or after an error: then status() tells.
  virtual bool Valid() const = 0;
  virtual void Next() = 0;
  virtual std::int64_t time() const = 0;
  virtual RecordId id() const = 0;
  virtual std::string_view record() const = 0;
  virtual absl::Status status() const = 0;
};

// Walks the entities that have a history, in the order of their bytes. Not thread-safe.
class EntityCursor {
 public:
  virtual ~EntityCursor() = default;
  virtual bool Valid() const = 0;
  virtual void Next() = 0;
  virtual const std::string& entity() const = 0;
  virtual absl::Status status() const = 0;
};

enum class Logging : std::uint8_t {
  kLogged,    // survives a crash of the process after some 20 ms, and any crash after Sync()
  kUnlogged,  // need not survive either before Flush(): the fast way in for bulk, the more so in
              // batches past StoreOptions::ingest_bytes_min
};

struct StoreStats {
  std::uint64_t disk_bytes = 0;
  std::uint64_t memory_bytes = 0;  // write buffers, block cache, tables' own
  bool refuses_writes = false;     // since one failed
};

// Thread-safe. After a failed write, Sync or Flush the store refuses further writes until it is
// opened again, as nobody can tell what of them reached the disk.
class Store {
 public:
  virtual ~Store() = default;

  virtual std::unique_ptr<Batch> NewBatch() = 0;
  // The batch can be read when it returns. An unlogged batch makes the next logged one flush first:
  // no batch outlives a crash that an earlier one did not.
  virtual absl::Status Write(Batch* batch, Logging logging) = 0;
  // Every logged batch written before the call is on disk. Concurrent calls share one sync.
  virtual absl::Status Sync() = 0;
  // Every batch written before the call is on disk, unlogged ones too.
  virtual absl::Status Flush() = 0;

  // Out of (*positions)[i] comes the position of ids[i], if the log ever held it.
  virtual absl::Status FindPositions(
      absl::Span<const RecordId> ids,
      std::vector<std::optional<std::uint64_t>>* positions) const = 0;
  // NotFound where there is none (any more).
  virtual absl::Status ReadLog(std::uint64_t position, std::string* record) const = 0;
  // Those of many positions, in no particular order: visit(i, record) for positions[i]; not called
  // where there is none (any more). Views last for the call. Much cheaper than one by one.
  virtual absl::Status ReadLogs(
      absl::Span<const std::uint64_t> positions,
      absl::FunctionRef<absl::Status(std::size_t index, std::string_view record)> visit) const = 0;
  // Log order over [from, end), until the visitor returns false.
  virtual absl::Status ScanLog(
      std::uint64_t from, std::uint64_t end,
      absl::FunctionRef<bool(std::uint64_t position, std::string_view record)> visit) const = 0;

  virtual std::unique_ptr<HistoryCursor> NewHistoryCursor() const = 0;
  // Entities whose bytes begin with `prefix`.
  virtual std::unique_ptr<EntityCursor> NewEntityCursor(std::string_view prefix) const = 0;
  // Removes from the files what was erased of these entities' histories. Slow: rewrites the files
  // they lie in.
  virtual absl::Status CompactHistories(absl::Span<const std::string> entities) = 0;
  // The same of everything that was erased.
  virtual absl::Status Compact() = 0;

  // NotFound when absent.
  virtual absl::Status GetValue(std::string_view key, std::string* value) const = 0;
  // Keys that begin with `prefix`, in the order of their bytes, until the visitor returns false.
  virtual absl::Status ScanValues(
      std::string_view prefix,
      absl::FunctionRef<bool(std::string_view key, std::string_view value)> visit) const = 0;

  virtual StoreStats ReadStats() const = 0;
};

struct StoreOptions {
  std::string url;  // "rocksdb:path": made if absent
  bool create_if_missing = true;
  // What the records mean, for whoever opens the store: refused when it is not what was written.
  std::string format_name;
  int format_version = 1;
  std::size_t write_buffer_bytes = 32 << 20;
  std::size_t block_cache_bytes = 32 << 20;
  // Unlogged batches from this size on go straight to sorted files, and are on disk when Write
  // returns.
  std::size_t ingest_bytes_min = 8 << 20;
};

// FailedPrecondition for a store of another format or version (the message names both), one that
// another process holds, a directory with foreign files in it, or an unknown kind of url. DataLoss
// for a damaged one.
absl::StatusOr<std::unique_ptr<Store>> OpenStore(const StoreOptions& options);

}  // namespace fourfold::storage
