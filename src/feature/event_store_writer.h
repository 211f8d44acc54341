#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "feature/event_store.h"
#include "feature/event_store_codec.h"
#include "feature/event_store_sessions.h"
#include "storage/store.h"

namespace fourfold {

// The one writer of an event store: decides times and positions, drops duplicates, and puts each
// batch in with every line that it makes. Thread-safe; writers queue at its lock, and those that
// wait for the disk share a sync after it.
class EventWriter {
 public:
  // Continues from the state that the store holds.
  static absl::StatusOr<std::unique_ptr<EventWriter>> Open(storage::Store* store,
                                                           const Clock* clock);

  absl::StatusOr<std::vector<AppendResult>> Append(absl::Span<const Event> events,
                                                   Durability durability);
  absl::StatusOr<std::vector<AppendResult>> AppendImported(absl::Span<const TimedEvent> events);
  absl::StatusOr<std::uint64_t> EraseUser(std::string_view user);
  void SetCommitListener(CommitListener listener);

  // An event below the end has its known time at or before a NowMs() read after it.
  Position end() const { return end_.load(std::memory_order_acquire); }
  std::int64_t NowMs() const;
  std::int64_t last_event_time_ms() const { return last_event_time_ms_.load(); }

 private:
  struct Candidate;

  EventWriter(storage::Store* store, const Clock* clock, const StoreState& state);

  Candidate Prepare(const Event& event, std::size_t index);
  std::string MakeId();
  // Puts in what is new among the candidates and fills results in.
  absl::Status Commit(std::vector<Candidate>* candidates, bool is_live,
                      std::vector<AppendResult>* results) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Plan(std::vector<Candidate>* candidates, bool is_live, storage::Batch* batch,
                    StoreState* state, std::vector<LoggedEvent>* accepted,
                    std::vector<AppendResult>* results) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Date(bool is_live, std::int64_t now_ms, LoggedEvent* logged) const;
  absl::Status Put(const LoggedEvent& logged, const Digest& digest, storage::Batch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Publish(const StoreState& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status DescribeStoredDuplicates(std::vector<AppendResult>* results) const;

  absl::StatusOr<std::vector<Position>> EventsToErase(std::string_view user,
                                                      std::vector<std::string>* owned_sessions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status EraseEvent(Position position, storage::Batch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  storage::Store* const store_;
  const Clock* const clock_;
  std::atomic<Position> end_;
  std::atomic<std::int64_t> last_known_ms_;
  std::atomic<std::int64_t> last_event_time_ms_;
  const std::string id_prefix_;  // of the ids made by this process
  std::atomic<std::uint64_t> ids_made_ = 0;

  Mutex mutex_;
  SessionRegistry sessions_ ABSL_GUARDED_BY(mutex_);
  CommitListener listener_ ABSL_GUARDED_BY(mutex_);
  // Bulk goes past the write-ahead log only until live events come: each of those would have to
  // flush what went before.
  bool has_live_events_ ABSL_GUARDED_BY(mutex_) = false;
  std::string record_ ABSL_GUARDED_BY(mutex_);  // reused from event to event
};

}  // namespace fourfold
