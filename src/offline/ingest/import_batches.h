#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "feature/event_store.h"
#include "offline/ingest/event_sorter.h"

namespace fourfold {

// Events without an id in sorted order get theirs: those of equal content have equal event times,
// so that what is remembered is the contents of one event time only.
class OccurrenceCounter {
 public:
  // How often this content came before. `record` is the event's, with an empty id.
  std::uint64_t Count(std::int64_t time_ms, std::string_view record);

 private:
  std::int64_t time_ms_ = 0;
  // By a 64-bit hash: were two contents to share one, they would still get two ids, and the same
  // ones in every import.
  absl::flat_hash_map<std::uint64_t, std::uint64_t> counts_;
};

// Decodes the sorted records on a thread of its own, a few batches ahead of the caller, which
// writes them.
class ImportBatches {
 public:
  // The sorter is finished, outlives this, and is used by nobody else. Known times are event time
  // plus lag_ms; those of facts that hold since for ever are kSinceForEverMs.
  ImportBatches(EventSorter* sorter, std::int64_t lag_ms);
  ~ImportBatches();
  ImportBatches(const ImportBatches&) = delete;
  ImportBatches& operator=(const ImportBatches&) = delete;

  // The next batch in order; empty at the end.
  absl::StatusOr<std::vector<TimedEvent>> Next();

 private:
  void Run();
  absl::StatusOr<std::vector<TimedEvent>> Make();

  EventSorter* const sorter_;
  const std::int64_t lag_ms_;
  OccurrenceCounter occurrences_;  // of the thread, as the sorter

  Mutex mutex_;
  CondVar changed_;
  std::deque<absl::StatusOr<std::vector<TimedEvent>>> ready_ ABSL_GUARDED_BY(mutex_);
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace fourfold
