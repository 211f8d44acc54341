#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "feature/event_store.h"
#include "feature/event_store_codec.h"
#include "feature/event_store_sessions.h"
#include "feature/live_dates.h"
#include "storage/store.h"

namespace fourfold {

struct DigestHash {
  std::size_t operator()(const Digest& digest) const {
    std::size_t hash;
    std::memcpy(&hash, digest.data(), sizeof(hash));
    return hash;
  }
};

// Imported events that are planned, and the batch that they make.
struct GatheredEvents {
  std::unique_ptr<storage::Batch> batch;
  absl::flat_hash_set<Digest, DigestHash> digests;
  Position first = 0;
  StoreState state;                   // once they are written
  std::future<absl::Status> written;  // of those handed to the store
};

// The one writer of an event store: decides times and positions, drops duplicates, and puts each
// batch in with every line that it makes. Thread-safe; writers queue at its lock, and those that
// wait for the disk share a sync after it.
class EventWriter {
 public:
  // Continues from the state that the store holds.
  static absl::StatusOr<std::unique_ptr<EventWriter>> Open(storage::Store* store,
                                                           const Clock* clock,
                                                           const EventStoreOptions& options);

  absl::StatusOr<std::vector<AppendResult>> Append(absl::Span<const Event> events,
                                                   Durability durability);
  absl::StatusOr<std::vector<AppendResult>> AppendImported(absl::Span<const TimedEvent> events);
  absl::StatusOr<ImportCounts> GatherImported(absl::Span<TimedEvent> events);
  absl::Status Flush();
  absl::StatusOr<std::uint64_t> EraseUser(std::string_view user);
  absl::Status PrepareHorizon(std::int64_t horizon_ms, const RetentionOptions& options)
      ABSL_LOCKS_EXCLUDED(retention_mutex_);
  absl::Status MoveHorizon(std::int64_t horizon_ms) ABSL_LOCKS_EXCLUDED(retention_mutex_, mutex_);
  absl::StatusOr<RetentionCounts> RemoveBefore(std::int64_t horizon_ms,
                                               const RetentionOptions& options)
      ABSL_LOCKS_EXCLUDED(retention_mutex_, mutex_);
  void SetCommitListener(CommitListener listener);

  // An event below the end has its known time at or before a NowMs() read after it.
  Position end() const { return end_.load(std::memory_order_acquire); }
  std::int64_t NowMs() const;
  std::int64_t last_event_time_ms() const { return last_event_time_ms_.load(); }
  // As it is with this `retain_ms`. What the store keeps of that is changed by a removal alone, not
  // by being opened with another one.
  Horizon horizon() const ABSL_LOCKS_EXCLUDED(horizon_mutex_);
  bool IsRetainChanged() const ABSL_LOCKS_EXCLUDED(horizon_mutex_) {
    const MutexLock lock(&horizon_mutex_);
    return horizon_.time_ms != kSinceForEverMs && horizon_.retain_ms != retain_ms_;
  }

 private:
  struct Candidate;

  EventWriter(storage::Store* store, const Clock* clock, const EventStoreOptions& options,
              const StoreState& state);

  Candidate Prepare(const Event& event, std::size_t index);
  std::string MakeId();
  // Puts in what is new among the candidates and fills results in.
  absl::Status Commit(std::vector<Candidate>* candidates, bool is_live,
                      std::vector<AppendResult>* results) ABSL_LOCKS_EXCLUDED(mutex_);
  // The positions of those that the store holds already, by candidate.
  absl::Status FindStored(const std::vector<Candidate>& candidates,
                          std::vector<std::optional<Position>>* stored) const;
  absl::Status Plan(std::vector<Candidate>* candidates, bool is_live, storage::Batch* batch,
                    StoreState* state, std::vector<LoggedEvent>* accepted,
                    std::vector<AppendResult>* results) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Put(const LoggedEvent& logged, const Digest& digest, storage::Batch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  StoreState State() const ABSL_LOCKS_EXCLUDED(horizon_mutex_);
  void Publish(const StoreState& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Why an event comes too late to be taken in, if it does.
  static absl::Status CheckHorizon(const Event& event, std::int64_t event_time_ms,
                                   std::int64_t horizon_ms);
  absl::Status DescribeStoredDuplicates(std::vector<AppendResult>* results) const;

  // The bulk path, in event_store_gather.cc: events are planned into one batch while the one before
  // is being written.
  absl::Status Gather(absl::Span<TimedEvent* const> events, absl::Span<const Digest> digests,
                      const TimedEvent* first, ImportCounts* counts)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartGathering() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SendGathered() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for what is being written, if any, and makes it readable. The listener must then hear it.
  struct PositionRange {
    Position first;
    Position end;
  };
  absl::StatusOr<PositionRange> PublishSent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AwaitSent() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Everything gathered is written and published: needed before any other change.
  absl::Status WriteGathered() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives up what is gathered; passes the reason on and keeps it for Flush.
  absl::Status Lose(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TellListener(const PositionRange& range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::StatusOr<std::vector<Position>> EventsToErase(std::string_view user,
                                                      std::vector<std::string>* owned_sessions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status EraseEvent(Position position, storage::Batch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Retention, in event_store_retention.cc. Each removes what it finds below the horizon, batch by
  // batch; Cancelled once the options say so.
  using RemoveWith = absl::FunctionRef<absl::Status(storage::Batch* batch)>;
  absl::Status WriteHorizon(const Horizon& horizon) ABSL_LOCKS_EXCLUDED(mutex_, horizon_mutex_);
  // Log order, until the visitor returns false.
  absl::Status ScanOld(Position from, Position end, const RetentionOptions& options,
                       absl::FunctionRef<bool(const LoggedEvent&)> visit) const;
  // Finds how far the position of a horizon of this time may reach.
  absl::Status ScanFor(std::int64_t horizon_ms, const RetentionOptions& options)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(retention_mutex_) ABSL_LOCKS_EXCLUDED(horizon_mutex_);
  // To where that was found.
  absl::Status MoveTo(std::int64_t horizon_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(retention_mutex_)
      ABSL_LOCKS_EXCLUDED(mutex_, horizon_mutex_);
  absl::Status RemoveActions(const Horizon& horizon, const RetentionOptions& options,
                             std::uint64_t* removed) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status RemoveFacts(Stream stream, const Horizon& horizon, const RetentionOptions& options,
                           std::uint64_t* removed) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status RemoveAnonymousSessions(const Horizon& horizon, const RetentionOptions& options)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // One batch each, with everybody else locked out.
  absl::Status RemoveEvents(absl::Span<const Position> positions, const Horizon& horizon,
                            const RetentionOptions& options, std::uint64_t* removed)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status RemoveBatch(const RetentionOptions& options, RemoveWith remove)
      ABSL_LOCKS_EXCLUDED(mutex_);

  storage::Store* const store_;
  const Clock* const clock_;
  const std::size_t gather_bytes_;
  const std::int64_t retain_ms_;
  std::atomic<Position> end_;
  std::atomic<std::int64_t> last_known_ms_;
  std::atomic<std::int64_t> last_event_time_ms_;
  const std::string id_prefix_;  // of the ids made by this process
  std::atomic<std::uint64_t> ids_made_ = 0;

  Mutex retention_mutex_;  // one removal at a time
  // What was found of the log for a horizon, and where a scan for a later one goes on.
  struct LogScan {
    Position position = 0;  // every event before it was known before:
    std::int64_t time_ms = kSinceForEverMs;
  };
  LogScan scanned_ ABSL_GUARDED_BY(retention_mutex_);
  Mutex mutex_;
  mutable Mutex horizon_mutex_;
  // As the store has it; changes with mutex_ held, too.
  Horizon horizon_ ABSL_GUARDED_BY(horizon_mutex_);
  SessionRegistry sessions_ ABSL_GUARDED_BY(mutex_);
  LiveDates dates_ ABSL_GUARDED_BY(mutex_);
  CommitListener listener_ ABSL_GUARDED_BY(mutex_);
  // Bulk goes past the write-ahead log only until live events come: each of those would have to
  // flush what went before.
  bool has_live_events_ ABSL_GUARDED_BY(mutex_) = false;
  std::string record_ ABSL_GUARDED_BY(mutex_);                      // reused from event to event
  std::string entity_ ABSL_GUARDED_BY(mutex_);                      // the same
  std::optional<GatheredEvents> gathered_ ABSL_GUARDED_BY(mutex_);  // not yet handed to the store
  std::optional<GatheredEvents> sent_ ABSL_GUARDED_BY(mutex_);      // being written
  absl::Status loss_ ABSL_GUARDED_BY(mutex_);  // of gathered events, since Flush
};

}  // namespace fourfold
