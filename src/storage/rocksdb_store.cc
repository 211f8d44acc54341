#include "storage/rocksdb_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/options_util.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/format_file.h"
#include "storage/log_flusher.h"
#include "storage/rocksdb_batch.h"
#include "storage/rocksdb_families.h"
#include "storage/rocksdb_ingest.h"
#include "storage/rocksdb_keys.h"

namespace fourfold::storage {

absl::Status ToStatus(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = StrCat(what, ": ", status.ToString());
  if (status.IsNotFound()) return absl::NotFoundError(message);
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(message);
  return absl::UnavailableError(message);
}

namespace {

using rocksdb::ColumnFamilyHandle;
using rocksdb::Slice;

// The entity's part of a history key, for filters that tell which files know an entity at all.
class EntityPrefix final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "fourfold.EntityPrefix"; }
  Slice Transform(const Slice& key) const override {
    return {key.data(), key.size() - kPlaceBytes};
  }
  bool InDomain(const Slice& key) const override { return key.size() > kPlaceBytes; }
};

class RocksDbHistoryCursor final : public HistoryCursor {
 public:
  RocksDbHistoryCursor(rocksdb::DB* db, ColumnFamilyHandle* family) : db_(db), family_(family) {}

  void SeekNewest(std::string_view entity, std::int64_t time_max) override {
    if (newest_first_ == nullptr) {
      rocksdb::ReadOptions options;
      options.prefix_same_as_start = true;
      newest_first_.reset(db_->NewIterator(options, family_));
    }
    Start(entity, newest_first_.get());
    AppendBigEndian64(&key_, ~OrderedBits(time_max));
    key_.append(kPlaceBytes - 8, '\0');
    iterator_->Seek(key_);
  }
  void SeekOldest(std::string_view entity) override {
    if (oldest_first_ == nullptr) {
      rocksdb::ReadOptions options;
      options.total_order_seek = true;  // prefix filters do not serve the way back
      oldest_first_.reset(db_->NewIterator(options, family_));
    }
    Start(entity, oldest_first_.get());
    key_.append(kPlaceBytes, '\xff');
    iterator_->SeekForPrev(key_);
  }
  bool Valid() const override {
    if (iterator_ == nullptr || !iterator_->Valid()) return false;
    const Slice key = iterator_->key();
    return key.size() == entity_key_bytes_ + kPlaceBytes &&
           std::memcmp(key.data(), key_.data(), entity_key_bytes_) == 0;
  }
  void Next() override {
    if (iterator_ == newest_first_.get()) {
      iterator_->Next();
    } else {
      iterator_->Prev();
    }
  }
  std::int64_t time() const override {
    return TimeOfPlace(iterator_->key().data() + entity_key_bytes_);
  }
  RecordId id() const override { return IdOfPlace(iterator_->key().data() + entity_key_bytes_); }
  std::string_view record() const override { return ToView(iterator_->value()); }
  absl::Status status() const override {
    if (iterator_ == nullptr) return absl::OkStatus();
    return ToStatus(iterator_->status(), "reading a history");
  }

 private:
  void Start(std::string_view entity, rocksdb::Iterator* iterator) {
    iterator_ = iterator;
    key_.clear();
    AppendEntityKey(entity, &key_);
    entity_key_bytes_ = key_.size();
  }

  rocksdb::DB* db_;
  ColumnFamilyHandle* family_;
  std::unique_ptr<rocksdb::Iterator> newest_first_;
  std::unique_ptr<rocksdb::Iterator> oldest_first_;
  rocksdb::Iterator* iterator_ = nullptr;
  std::string key_;
  std::size_t entity_key_bytes_ = 0;
};

class RocksDbEntityCursor final : public EntityCursor {
 public:
  RocksDbEntityCursor(std::unique_ptr<rocksdb::Iterator> iterator, std::string_view prefix)
      : iterator_(std::move(iterator)), prefix_(prefix) {
    AppendEntityKey(prefix, &key_);
    key_.resize(key_.size() - 2);  // the entities that go on from here too
    iterator_->Seek(key_);
    Read();
  }

  bool Valid() const override { return valid_; }
  void Next() override {
    key_.append(kPlaceBytes + 1, '\xff');  // past every record of this entity
    iterator_->Seek(key_);
    Read();
  }
  const std::string& entity() const override { return entity_; }
  absl::Status status() const override {
    return ToStatus(iterator_->status(), "listing histories");
  }

 private:
  void Read() {
    valid_ = iterator_->Valid() && iterator_->key().size() > kPlaceBytes;
    if (!valid_) return;
    const Slice key = iterator_->key();
    key_.assign(key.data(), key.size() - kPlaceBytes);
    entity_ = EntityOfKey(key_);
    valid_ = entity_.starts_with(prefix_);
  }

  std::unique_ptr<rocksdb::Iterator> iterator_;
  std::string prefix_;
  std::string key_;  // of the entity, escaped and terminated
  std::string entity_;
  bool valid_ = false;
};

class RocksDbStore final : public Store {
 public:
  RocksDbStore(std::unique_ptr<rocksdb::DB> db, std::vector<ColumnFamilyHandle*> families,
               std::shared_ptr<rocksdb::WriteBufferManager> buffers,
               std::shared_ptr<rocksdb::Cache> cache, std::unique_ptr<BatchIngester> ingester,
               std::size_t ingest_bytes_min)
      : db_(std::move(db)),
        families_(std::move(families)),
        buffers_(std::move(buffers)),
        cache_(std::move(cache)),
        ingest_bytes_min_(ingest_bytes_min),
        ingester_(std::move(ingester)),
        flusher_(std::make_unique<LogFlusher>([this] { FlushLog(); })) {}

  ~RocksDbStore() override {
    flusher_.reset();
    // Unlogged batches would be lost with the write buffers.
    (void)Flush();
    for (ColumnFamilyHandle* family : families_) {
      (void)db_->DestroyColumnFamilyHandle(family);
    }
    (void)db_->Close();
  }

  std::unique_ptr<Batch> NewBatch() override { return std::make_unique<RocksDbBatch>(); }

  absl::Status Write(Batch* batch, Logging logging) override {
    auto* const changes = static_cast<RocksDbBatch*>(batch);
    const bool is_unlogged = logging == Logging::kUnlogged;
    const bool is_large = is_unlogged && changes->bytes() >= ingest_bytes_min_;
    if (!is_unlogged || is_large) FOURFOLD_RETURN_IF_ERROR(FlushUnlogged());
    FOURFOLD_RETURN_IF_ERROR(Refusal());
    if (is_large) {
      FOURFOLD_RETURN_IF_ERROR(Sync());
      const MutexLock lock(&ingest_mutex_);
      return Kept(ingester_->Ingest(changes));
    }
    rocksdb::WriteOptions options;
    options.disableWAL = is_unlogged;
    rocksdb::WriteBatch writes = changes->ToWriteBatch(families_);
    FOURFOLD_RETURN_IF_ERROR(Kept(ToStatus(db_->Write(options, &writes), "writing a batch")));
    (is_unlogged ? unlogged_batches_ : logged_batches_).fetch_add(1);
    if (!is_unlogged) flusher_->Touch();
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    const std::uint64_t wanted = logged_batches_.load();
    MutexLock lock(&sync_mutex_);
    while (synced_batches_ < wanted) {
      FOURFOLD_RETURN_IF_ERROR(Refusal());
      if (is_syncing_) {
        sync_done_.Wait(&sync_mutex_);
        continue;
      }
      is_syncing_ = true;
      const std::uint64_t covered = logged_batches_.load();
      sync_mutex_.Unlock();
      const absl::Status status =
          Kept(ToStatus(db_->FlushWAL(/*sync=*/true), "syncing the write-ahead log"));
      sync_mutex_.Lock();
      is_syncing_ = false;
      if (status.ok()) synced_batches_ = covered;
      sync_done_.SignalAll();
    }
    return absl::OkStatus();
  }

  absl::Status Flush() override {
    FOURFOLD_RETURN_IF_ERROR(FlushBuffers());
    const MutexLock lock(&ingest_mutex_);
    return ingester_->EndBulk();
  }

  absl::Status FindPositions(absl::Span<const RecordId> ids,
                             std::vector<std::optional<std::uint64_t>>* positions) const override {
    positions->assign(ids.size(), std::nullopt);
    // RocksDB wants them in order too, and takes longer to sort them.
    std::vector<const RecordId*> sorted;
    sorted.reserve(ids.size());
    for (const RecordId& id : ids) sorted.push_back(&id);
    std::sort(sorted.begin(), sorted.end(),
              [](const RecordId* a, const RecordId* b) { return *a < *b; });
    std::vector<Slice> keys;
    keys.reserve(ids.size());
    for (const RecordId* const id : sorted) keys.push_back(ToSlice(*id));
    std::vector<rocksdb::PinnableSlice> values(ids.size());
    std::vector<rocksdb::Status> statuses(ids.size());
    db_->MultiGet(rocksdb::ReadOptions(), families_[kIds], keys.size(), keys.data(), values.data(),
                  statuses.data(), /*sorted_input=*/true);
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (statuses[i].IsNotFound()) continue;
      FOURFOLD_RETURN_IF_ERROR(ToStatus(statuses[i], "finding an id"));
      Decoder decoder(ToView(values[i]));
      (*positions)[static_cast<std::size_t>(sorted[i] - ids.data())] = decoder.Varint();
      if (!decoder.ok()) return DataLoss("the position of an id is not readable");
    }
    return absl::OkStatus();
  }

  absl::Status ReadLog(std::uint64_t position, std::string* record) const override {
    std::string key;
    AppendBigEndian64(&key, position);
    return ToStatus(db_->Get(rocksdb::ReadOptions(), families_[kLog], key, record),
                    "reading the log");
  }

  absl::Status ReadLogs(absl::Span<const std::uint64_t> positions,
                        absl::FunctionRef<absl::Status(std::size_t index, std::string_view record)>
                            visit) const override {
    // Neighbours of the log share blocks, which a sorted batch reads once; so many at once keep few
    // blocks in memory.
    constexpr std::size_t kAtOnce = 512;
    std::vector<std::size_t> order(positions.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return positions[a] < positions[b]; });
    std::vector<std::array<char, 8>> bytes(std::min(kAtOnce, order.size()));
    std::vector<Slice> keys(bytes.size());
    std::vector<rocksdb::PinnableSlice> values(bytes.size());
    std::vector<rocksdb::Status> statuses(bytes.size());
    for (std::size_t begin = 0; begin < order.size(); begin += kAtOnce) {
      const std::size_t count = std::min(kAtOnce, order.size() - begin);
      for (std::size_t i = 0; i < count; ++i) {
        std::string key;
        AppendBigEndian64(&key, positions[order[begin + i]]);
        std::copy(key.begin(), key.end(), bytes[i].begin());
        keys[i] = Slice(bytes[i].data(), bytes[i].size());
        values[i].Reset();
      }
      db_->MultiGet(rocksdb::ReadOptions(), families_[kLog], count, keys.data(), values.data(),
                    statuses.data(), /*sorted_input=*/true);
      for (std::size_t i = 0; i < count; ++i) {
        if (statuses[i].IsNotFound()) continue;
        FOURFOLD_RETURN_IF_ERROR(ToStatus(statuses[i], "reading the log"));
        FOURFOLD_RETURN_IF_ERROR(visit(order[begin + i], ToView(values[i])));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ScanLog(std::uint64_t from, std::uint64_t end,
                       absl::FunctionRef<bool(std::uint64_t position, std::string_view record)>
                           visit) const override {
    std::string first;
    AppendBigEndian64(&first, from);
    std::string bound;
    AppendBigEndian64(&bound, end);
    const Slice upper_bound = bound;
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_bound;
    options.readahead_size = 2 << 20;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options, families_[kLog]));
    for (iterator->Seek(first); iterator->Valid(); iterator->Next()) {
      if (iterator->key().size() != 8) return DataLoss("a key of the log is not a position");
      if (!visit(ReadBigEndian64(iterator->key().data()), ToView(iterator->value()))) break;
    }
    return ToStatus(iterator->status(), "scanning the log");
  }

  std::unique_ptr<HistoryCursor> NewHistoryCursor() const override {
    return std::make_unique<RocksDbHistoryCursor>(db_.get(), families_[kHistory]);
  }

  std::unique_ptr<EntityCursor> NewEntityCursor(std::string_view prefix) const override {
    rocksdb::ReadOptions options;
    options.total_order_seek = true;
    options.fill_cache = false;
    return std::make_unique<RocksDbEntityCursor>(
        std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options, families_[kHistory])), prefix);
  }

  absl::Status CompactHistories(absl::Span<const std::string> entities) override {
    rocksdb::CompactRangeOptions options;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    for (const std::string& entity : entities) {
      std::string first;
      AppendEntityKey(entity, &first);
      const std::string last = first + std::string(kPlaceBytes, '\xff');
      const Slice from = first;
      const Slice to = last;
      FOURFOLD_RETURN_IF_ERROR(
          ToStatus(db_->CompactRange(options, families_[kHistory], &from, &to), "compacting"));
    }
    return absl::OkStatus();
  }

  absl::Status Compact() override {
    rocksdb::CompactRangeOptions options;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    for (ColumnFamilyHandle* family : families_) {
      FOURFOLD_RETURN_IF_ERROR(
          ToStatus(db_->CompactRange(options, family, nullptr, nullptr), "compacting"));
    }
    return absl::OkStatus();
  }

  absl::Status GetValue(std::string_view key, std::string* value) const override {
    return ToStatus(db_->Get(rocksdb::ReadOptions(), families_[kValues], ToSlice(key), value),
                    "reading a value");
  }

  absl::Status ScanValues(
      std::string_view prefix,
      absl::FunctionRef<bool(std::string_view key, std::string_view value)> visit) const override {
    const std::unique_ptr<rocksdb::Iterator> iterator(
        db_->NewIterator(rocksdb::ReadOptions(), families_[kValues]));
    for (iterator->Seek(ToSlice(prefix));
         iterator->Valid() && iterator->key().starts_with(ToSlice(prefix)); iterator->Next()) {
      if (!visit(ToView(iterator->key()), ToView(iterator->value()))) break;
    }
    return ToStatus(iterator->status(), "scanning values");
  }

  StoreStats ReadStats() const override {
    StoreStats stats;
    stats.refuses_writes = has_failed_.load();
    stats.memory_bytes = buffers_->memory_usage() + cache_->GetUsage();
    for (ColumnFamilyHandle* family : families_) {
      std::uint64_t bytes = 0;
      if (db_->GetIntProperty(family, rocksdb::DB::Properties::kEstimateTableReadersMem, &bytes)) {
        stats.memory_bytes += bytes;
      }
      if (db_->GetIntProperty(family, rocksdb::DB::Properties::kTotalSstFilesSize, &bytes)) {
        stats.disk_bytes += bytes;
      }
    }
    rocksdb::VectorLogPtr logs;
    if (db_->GetSortedWalFiles(logs).ok()) {
      for (const auto& log : logs) stats.disk_bytes += log->SizeFileBytes();
    }
    return stats;
  }

 private:
  absl::Status FlushBuffers() {
    FOURFOLD_RETURN_IF_ERROR(Refusal());
    const std::uint64_t covered = unlogged_batches_.load();
    rocksdb::FlushOptions options;
    options.allow_write_stall = true;
    FOURFOLD_RETURN_IF_ERROR(Kept(ToStatus(db_->Flush(options, families_), "flushing")));
    std::uint64_t flushed = flushed_batches_.load();
    while (flushed < covered && !flushed_batches_.compare_exchange_weak(flushed, covered)) {
    }
    return Sync();
  }

  // What no sync has taken to the file meanwhile.
  void FlushLog() {
    {
      const MutexLock lock(&sync_mutex_);
      if (synced_batches_ >= logged_batches_.load()) return;
    }
    if (!Refusal().ok()) return;
    (void)Kept(ToStatus(db_->FlushWAL(/*sync=*/false), "writing the write-ahead log"));
  }

  // Batches that are to outlive a crash only with those before them need those on disk.
  absl::Status FlushUnlogged() {
    return flushed_batches_.load() < unlogged_batches_.load() ? FlushBuffers() : absl::OkStatus();
  }
  absl::Status Refusal() const {
    if (!has_failed_.load()) return absl::OkStatus();
    return absl::UnavailableError("the store refuses writes since one failed; open it again");
  }
  // Passes the status on and remembers a failure.
  absl::Status Kept(absl::Status status) {
    if (!status.ok()) has_failed_.store(true);
    return status;
  }

  std::unique_ptr<rocksdb::DB> db_;
  const std::vector<ColumnFamilyHandle*> families_;
  const std::shared_ptr<rocksdb::WriteBufferManager> buffers_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  const std::size_t ingest_bytes_min_;
  Mutex ingest_mutex_;
  const std::unique_ptr<BatchIngester> ingester_ ABSL_PT_GUARDED_BY(ingest_mutex_);
  std::atomic<bool> has_failed_ = false;
  std::atomic<std::uint64_t> unlogged_batches_ = 0;
  std::atomic<std::uint64_t> flushed_batches_ = 0;  // of the unlogged ones
  std::atomic<std::uint64_t> logged_batches_ = 0;
  Mutex sync_mutex_;
  CondVar sync_done_;
  bool is_syncing_ ABSL_GUARDED_BY(sync_mutex_) = false;
  std::uint64_t synced_batches_ ABSL_GUARDED_BY(sync_mutex_) = 0;
  std::unique_ptr<LogFlusher> flusher_;  // the last member: its thread uses the others
};

rocksdb::ColumnFamilyOptions FamilyOptions(Family family, const StoreOptions& options,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions result;
  // The write buffer manager is what bounds them together.
  result.write_buffer_size = options.write_buffer_bytes;
  result.compression = rocksdb::kLZ4Compression;
  result.level_compaction_dynamic_level_bytes = true;
  // So that what was erased leaves old files that nothing else would rewrite.
  result.periodic_compaction_seconds = std::uint64_t{30} * 24 * 3600;
  if (family == kLog) {
    table.block_size = 16 << 10;
  } else {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  }
  if (family == kIds) {
    result.compression = rocksdb::kNoCompression;  // digests do not compress
    // Of the buffer of all families: 20 bits for each id of as many small events as it holds. The
    // batch that begins a buffer waits until there is memory for it.
    result.memtable_prefix_bloom_size_ratio = 0.01;
    result.memtable_whole_key_filtering = true;
    result.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(0));
  }
  if (family == kHistory) {
    result.prefix_extractor = std::make_shared<EntityPrefix>();
    table.whole_key_filtering = false;
    result.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  }
  result.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return result;
}

// Requests and acknowledgements go before flushes and compactions, for which writers wait only when
// the buffers are full. Not by much: an erasure waits for compactions, beside a training too, and
// RocksDB's own way of lowering them leaves them a fiftieth of a busy processor.
void YieldInBackground(rocksdb::Env* env) {
  for (const rocksdb::Env::Priority pool : {rocksdb::Env::HIGH, rocksdb::Env::LOW}) {
    // Each pool has one thread (max_background_jobs), which takes the priority on itself.
    env->Schedule([](void*) { (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 5); },
                  nullptr, pool);
  }
}

absl::Status OpenError(const rocksdb::Status& status, const std::string& directory) {
  // RocksDB has no code of its own for a lock that somebody holds.
  if (status.IsIOError() && status.ToString().find("LOCK") != std::string::npos) {
    return FailedPrecondition(directory, ": another process (or this one) holds it open");
  }
  if (status.IsInvalidArgument()) return DataLoss(directory, ": ", status.ToString());
  return ToStatus(status, directory);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenRocksDbStore(const std::string& directory,
                                                        const StoreOptions& options) {
  FOURFOLD_RETURN_IF_ERROR(CheckFormat(directory, options));
  const std::string path = directory + "/rocksdb";
  FOURFOLD_RETURN_IF_ERROR(CheckDatabaseFiles(path));

  rocksdb::DBOptions db_options;
  db_options.create_if_missing = true;
  db_options.create_missing_column_families = true;
  db_options.atomic_flush = true;
  // Batches go to the log's file with the next sync, or with the flusher: a write to a file that is
  // being synced may have to wait for the disk.
  db_options.manual_wal_flush = true;
  db_options.max_background_jobs = 2;
  db_options.max_open_files = 512;
  db_options.max_total_wal_size = 4 * options.write_buffer_bytes;
  db_options.bytes_per_sync = 1 << 20;
  db_options.keep_log_file_num = 2;
  db_options.max_log_file_size = 1 << 20;
  db_options.info_log_level = rocksdb::WARN_LEVEL;
  db_options.stats_dump_period_sec = 0;
  db_options.stats_persist_period_sec = 0;
  auto buffers = std::make_shared<rocksdb::WriteBufferManager>(options.write_buffer_bytes);
  db_options.write_buffer_manager = buffers;
  // Few shards: with the default of 64, none has room for the filter of a large file of event ids.
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes, /*num_shard_bits=*/2);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.reserve(kFamilies);
  for (int family = 0; family < kFamilies; ++family) {
    descriptors.emplace_back(kFamilyNames[family],
                             FamilyOptions(static_cast<Family>(family), options, cache));
  }
  rocksdb::DB* db = nullptr;
  std::vector<ColumnFamilyHandle*> families;
  const rocksdb::Status status = rocksdb::DB::Open(db_options, path, descriptors, &families, &db);
  if (!status.ok()) return OpenError(status, directory);
  auto ingester = BatchIngester::Open(db, families, directory + "/bulk");
  const absl::Status can_ingest = ingester.status();
  auto store = std::make_unique<RocksDbStore>(
      std::unique_ptr<rocksdb::DB>(db), std::move(families), std::move(buffers), cache,
      can_ingest.ok() ? *std::move(ingester) : nullptr, options.ingest_bytes_min);
  FOURFOLD_RETURN_IF_ERROR(can_ingest);
  YieldInBackground(db_options.env);
  return store;
}

}  // namespace fourfold::storage
