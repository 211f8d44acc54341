#include "offline/ingest/import_batches.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/status_macros.h"
#include "data/event_codec.h"
#include "data/event_id.h"
#include "data/limits.h"

namespace fourfold {
namespace {

constexpr std::size_t kBatchEvents = 2048;
constexpr std::size_t kBatchBytes = 4 << 20;
constexpr std::size_t kBatchesAhead = 2;

std::int64_t KnownTime(std::int64_t time_ms, std::int64_t lag_ms) {
  if (time_ms == kSinceForEverMs) return kSinceForEverMs;
  return std::clamp(time_ms + lag_ms, limits::kTimeMsMin, limits::kTimeMsMax);
}

}  // namespace

std::uint64_t OccurrenceCounter::Count(std::int64_t time_ms, std::string_view record) {
  if (time_ms != time_ms_) {
    time_ms_ = time_ms;
    counts_.clear();
  }
  return counts_[StableHash(record)]++;
}

ImportBatches::ImportBatches(EventSorter* sorter, std::int64_t lag_ms)
    : sorter_(sorter), lag_ms_(lag_ms), thread_([this] { Run(); }) {}

ImportBatches::~ImportBatches() {
  {
    const MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  changed_.SignalAll();
  thread_.join();
}

absl::StatusOr<std::vector<TimedEvent>> ImportBatches::Next() {
  absl::StatusOr<std::vector<TimedEvent>> batch;
  {
    const MutexLock lock(&mutex_);
    while (ready_.empty()) changed_.Wait(&mutex_);
    batch = std::move(ready_.front());
    // The end and an error stay, for whoever asks again.
    if (batch.ok() && !batch->empty()) {
      ready_.pop_front();
    } else {
      ready_.front() = batch;
    }
  }
  changed_.SignalAll();
  return batch;
}

void ImportBatches::Run() {
  while (true) {
    absl::StatusOr<std::vector<TimedEvent>> batch = Make();
    const bool is_last = !batch.ok() || batch->empty();
    {
      const MutexLock lock(&mutex_);
      while (ready_.size() >= kBatchesAhead && !is_stopping_) changed_.Wait(&mutex_);
      if (is_stopping_) return;
      ready_.push_back(std::move(batch));
    }
    changed_.SignalAll();
    if (is_last) return;
  }
}

absl::StatusOr<std::vector<TimedEvent>> ImportBatches::Make() {
  std::vector<TimedEvent> batch;
  batch.reserve(kBatchEvents);
  std::size_t bytes = 0;
  while (batch.size() < kBatchEvents && bytes < kBatchBytes) {
    std::int64_t time_ms = 0;
    std::string_view record;
    FOURFOLD_ASSIGN_OR_RETURN(const bool more, sorter_->Next(&time_ms, &record));
    if (!more) break;
    bytes += record.size();
    FOURFOLD_ASSIGN_OR_RETURN(Event event, DecodeEvent(record));
    if (event.id.empty()) {
      event.id = ContentIdOfRecord(record, occurrences_.Count(time_ms, record));
    }
    batch.push_back({std::move(event), KnownTime(time_ms, lag_ms_)});
  }
  return batch;
}

}  // namespace fourfold
