#include "storage/rocksdb_batch.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "storage/rocksdb_keys.h"

namespace fourfold::storage {
namespace {

using Change = FamilyChanges::Change;

constexpr std::size_t kChunkBytesMin = 1 << 10;
constexpr std::size_t kChunkBytesMax = 1 << 20;
constexpr std::size_t kPrefixBytes = 16;

bool IsBefore(const Change& a, const Change& b) {
  if (a.prefix[0] != b.prefix[0]) return a.prefix[0] < b.prefix[0];
  if (a.prefix[1] != b.prefix[1]) return a.prefix[1] < b.prefix[1];
  // Padded with zeros, a prefix says nothing of where a short key ends.
  if (a.key_bytes <= kPrefixBytes || b.key_bytes <= kPrefixBytes)
    return a.key_view() < b.key_view();
  return a.key_view().substr(kPrefixBytes) < b.key_view().substr(kPrefixBytes);
}

}  // namespace

void FamilyChanges::Put(std::string_view key, std::string_view value) {
  FOURFOLD_CHECK(value.size() < kErasure);
  Add(key, value, static_cast<std::uint32_t>(value.size()));
}

void FamilyChanges::Erase(std::string_view key) { Add(key, {}, kErasure); }

void FamilyChanges::Add(std::string_view key, std::string_view value, std::uint32_t value_bytes) {
  FOURFOLD_CHECK(key.size() <= UINT32_MAX);
  char* const bytes = Take(key.size() + value.size());
  key.copy(bytes, key.size());
  value.copy(bytes + key.size(), value.size());
  char prefix[kPrefixBytes] = {};
  key.copy(prefix, kPrefixBytes);
  changes_.push_back({{ReadBigEndian64(prefix), ReadBigEndian64(prefix + 8)},
                      bytes,
                      static_cast<std::uint32_t>(key.size()),
                      value_bytes});
  is_sorted_ = false;
}

char* FamilyChanges::Take(std::size_t size) {
  if (size > chunk_left_) {
    const std::size_t wanted = std::clamp(chunk_bytes_, kChunkBytesMin, kChunkBytesMax);
    chunk_left_ = std::max(size, wanted);
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_left_));
    chunk_free_ = chunks_.back().get();
    chunk_bytes_ += chunk_left_;
  }
  char* const taken = chunk_free_;
  chunk_free_ += size;
  chunk_left_ -= size;
  return taken;
}

const std::vector<Change>& FamilyChanges::Sorted() {
  if (!is_sorted_ && !std::is_sorted(changes_.begin(), changes_.end(), IsBefore)) {
    std::stable_sort(changes_.begin(), changes_.end(), IsBefore);
  }
  is_sorted_ = true;
  return changes_;
}

void RocksDbBatch::AppendLog(std::uint64_t position, const RecordId& id, std::string_view record) {
  changes_[kLog].Put(LogKey(position), record);
  value_.clear();
  AppendVarint(&value_, position);
  changes_[kIds].Put(ToView(ToSlice(id)), value_);
}

void RocksDbBatch::EraseLog(std::uint64_t position) { changes_[kLog].Erase(LogKey(position)); }

void RocksDbBatch::PutHistory(std::string_view entity, std::int64_t time, const RecordId& id,
                              std::string_view record) {
  changes_[kHistory].Put(HistoryKey(entity, time, id), record);
}

void RocksDbBatch::EraseHistory(std::string_view entity, std::int64_t time, const RecordId& id) {
  changes_[kHistory].Erase(HistoryKey(entity, time, id));
}

void RocksDbBatch::PutValue(std::string_view key, std::string_view value) {
  changes_[kValues].Put(key, value);
}

void RocksDbBatch::EraseValue(std::string_view key) { changes_[kValues].Erase(key); }

std::size_t RocksDbBatch::bytes() const {
  std::size_t bytes = 0;
  for (const FamilyChanges& changes : changes_) bytes += changes.bytes();
  return bytes;
}

rocksdb::WriteBatch RocksDbBatch::ToWriteBatch(
    const std::vector<rocksdb::ColumnFamilyHandle*>& families) {
  rocksdb::WriteBatch batch(bytes());
  // Adding to a batch fails only for limits that we do not set.
  const auto check = [](const rocksdb::Status& status) { FOURFOLD_CHECK(status.ok()); };
  for (int family = 0; family < kFamilies; ++family) {
    for (const Change& change : changes_[family].Sorted()) {
      if (change.is_erasure()) {
        check(batch.Delete(families[family], ToSlice(change.key_view())));
      } else {
        check(
            batch.Put(families[family], ToSlice(change.key_view()), ToSlice(change.value_view())));
      }
    }
  }
  return batch;
}

std::string_view RocksDbBatch::LogKey(std::uint64_t position) {
  key_.clear();
  AppendBigEndian64(&key_, position);
  return key_;
}

std::string_view RocksDbBatch::HistoryKey(std::string_view entity, std::int64_t time,
                                          const RecordId& id) {
  key_.clear();
  AppendEntityKey(entity, &key_);
  AppendPlaceKey(time, id, &key_);
  return key_;
}

}  // namespace fourfold::storage
