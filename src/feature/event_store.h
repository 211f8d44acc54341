#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "data/action.h"
#include "feature/read_point.h"
#include "fourfold/event.h"

// The durable log of events, and every entity's history kept from it: what we know, readable as of
// any moment. One directory, one engine, one process.
namespace fourfold {

namespace storage {
class Store;
}

struct EventStoreOptions {
  std::string directory;  // holds the store's files; made if absent
  bool create_if_missing = true;
  // Memory for recently written events before they go to sorted files, and for cached blocks.
  std::size_t write_buffer_bytes = 32 << 20;
  std::size_t block_cache_bytes = 32 << 20;
  // Memory of the events that GatherImported holds before they are written; twice that while some
  // are being written.
  std::size_t gather_bytes = 64 << 20;
  // How far histories reach back from the moment that they are read at (Time, rule 7). 0: for ever.
  std::int64_t retain_ms = 0;
};

struct RetentionOptions {
  // The longest that other writers wait is what a batch of so many events takes. At least 1.
  std::size_t events_per_batch = 1000;
  // Asked after each batch, every thousand events that are only looked at, and every 16,384 places
  // of the log that are empty; true: stop, and go on another time. May be empty.
  std::function<bool()> is_cancelled = nullptr;
};

struct RetentionCounts {
  std::int64_t horizon_ms = kSinceForEverMs;
  std::uint64_t events = 0;  // that went
};

enum class EventOutcome : std::uint8_t { kAccepted, kDuplicate, kRejected };

struct AppendResult {
  EventOutcome outcome = EventOutcome::kRejected;
  Position position = 0;           // of the event, or of the first one with this id
  std::int64_t event_time_ms = 0;  // as stored
  std::int64_t known_time_ms = 0;
  std::string id;       // as stored
  absl::Status status;  // why it was rejected
};

enum class Durability : std::uint8_t {
  kSynced,    // on disk when the call returns
  kBuffered,  // in the state when the call returns, in its file 20 ms later, on disk with a sync
};

// An event of an import: its known time is decided by the importer (Time, rule 1).
struct TimedEvent {
  Event event;
  std::int64_t known_time_ms = 0;
};

struct ImportCounts {
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
  std::vector<std::pair<std::size_t, absl::Status>> rejected;  // index, and why
};

// One event of the log, as stored.
struct LoggedEvent {
  Position position = 0;
  std::int64_t known_time_ms = 0;
  std::int64_t client_time_ms = kNoTimeMs;  // the client's own clock where it was ahead of ours
  Event event;
};

// The value of one field of an entity, with the moment it has held since.
struct FieldAsOf {
  std::string name;
  FieldValue value;
  std::int64_t since_ms = kSinceForEverMs;
  friend bool operator==(const FieldAsOf&, const FieldAsOf&) = default;
};

struct EntityAsOf {
  bool exists = false;  // some item/user event is seen and the newest is no tombstone
  bool erased = false;  // users: erased at erased_at_ms, nothing newer
  std::int64_t erased_at_ms = 0;
  std::vector<FieldAsOf> fields;  // sorted by name; without those whose value is null by then
  friend bool operator==(const EntityAsOf&, const EntityAsOf&) = default;
};

// Called with each batch as soon as it can be read, before its writers get their answer, on the
// writing thread, one batch at a time. Entries are the accepted events in log order.
using CommitListener = std::function<void(absl::Span<const LoggedEvent> committed)>;

// Thread-safe.
class EventStore {
 public:
  // Fails with FailedPrecondition for a directory of another format version (the message names
  // both) or one that another process holds.
  static absl::StatusOr<std::unique_ptr<EventStore>> Open(const EventStoreOptions& options,
                                                          const Clock* clock);
  ~EventStore();
  EventStore(const EventStore&) = delete;
  EventStore& operator=(const EventStore&) = delete;

  // Takes in live events (Time, rule 1): the event time is the client's but never after the clock;
  // the known time is the clock, never going back. Each event is checked on its own: results[i]
  // belongs to events[i], also when it is a duplicate or refused (data/limits.h). Concurrent calls
  // share one write to disk. Fails as a whole only when the store does: it then refuses further
  // writes until it is opened again, which shows whether this batch went in (its ids tell).
  absl::StatusOr<std::vector<AppendResult>> Append(absl::Span<const Event> events,
                                                   Durability durability = Durability::kSynced);

  // The bulk path: known times come from the caller, in any order; nothing is durable until Flush
  // returns. Same checks and results as Append.
  absl::StatusOr<std::vector<AppendResult>> AppendImported(absl::Span<const TimedEvent> events);
  // The same for many: what was taken in can be read once enough of it is gathered to be written in
  // large files, at the next write of another kind, or after Flush, whichever comes first. Events
  // other than those rejected may be moved from. A failure may undo earlier calls since the last
  // Flush, which the next Flush tells too.
  absl::StatusOr<ImportCounts> GatherImported(absl::Span<TimedEvent> events);
  absl::Status Flush();

  // Where a request reads: the clock, and everything acknowledged so far.
  ReadPoint Now() const;
  // The clock, never behind the last acknowledged event's known time.
  std::int64_t NowMs() const;
  Position EndPosition() const;  // one past the last event in the state
  // The largest event time in the store, or kSinceForEverMs when there is none.
  std::int64_t LastEventTimeMs() const;

  struct HistoryRequest {
    std::string_view user = {};  // either may be empty, not both; given both: the union, each once
    std::string_view session = {};
    std::int64_t since_ms = kSinceForEverMs;  // event time >= since_ms
    std::size_t limit = 100;                  // newest entries of the kinds asked for
    bool actions = true;
    bool impressions = false;
  };
  // Newest first by (event time, event id's digest); appended to *entries. A user's history
  // includes that of the anonymous sessions that became theirs (Time, rule 8). Nothing before
  // FloorMs(at.as_of_ms); OutOfRange where that, or since_ms if it is later, is below the horizon.
  absl::Status ReadHistory(const HistoryRequest& request, const ReadPoint& at,
                           std::vector<HistoryEntry>* entries) const;
  // Same for an item: its actions (of everybody) and its item events.
  absl::Status ReadItemHistory(std::string_view item, const ReadPoint& at, std::size_t limit,
                               std::vector<HistoryEntry>* entries) const;

  // Whose actions ReadActions reads.
  enum class ActionsOf : std::uint8_t { kItem, kUser, kSession };
  using ActionVisitor =
      std::function<void(const HistoryEntry& line, const std::vector<Field>& fields)>;
  // Visits every action of one of them, as the histories above have it, oldest first; with_fields:
  // with the fields of its event, which are read from the log in batches. Has no floor: who calls
  // it knows how far back they look, and asks CheckReach.
  absl::Status ReadActions(ActionsOf whose, std::string_view id, const ReadPoint& at,
                           bool with_fields, const ActionVisitor& visit) const;
  // Whether anonymous sessions may be part of the user's history at some read point.
  absl::StatusOr<bool> MayHaveJoinedSessions(std::string_view user) const;
  // Visits every item event of an item, or user event of a user, below `end`, newest first.
  absl::Status ReadItemEvents(std::string_view item, Position end,
                              const std::function<void(const LoggedEvent&)>& visit) const;
  absl::Status ReadUserEvents(std::string_view user, Position end,
                              const std::function<void(const LoggedEvent&)>& visit) const;

  // Every field as of the read point: per field the value of the event that is newest by (event
  // time, event id's digest) among those seen that name it, after the last tombstone. OutOfRange
  // for a read point below the horizon.
  absl::StatusOr<EntityAsOf> ReadItem(std::string_view item, const ReadPoint& at) const;
  absl::StatusOr<EntityAsOf> ReadUser(std::string_view user, const ReadPoint& at) const;
  // The same, but it does not tell of an erasure, for which ReadUser looks at the history, too.
  absl::StatusOr<EntityAsOf> ReadUserFields(std::string_view user, const ReadPoint& at) const;

  // NotFound for an id never taken in, or of an erased event.
  absl::StatusOr<LoggedEvent> FindEvent(std::string_view event_id) const;

  // Log order from `from` up to `end` (exclusive; clipped to EndPosition()). Erased events are left
  // out, and so is what lies below the horizon, by and by. Stops early, with OK, when the visitor
  // returns false.
  absl::Status ScanLog(Position from, Position end,
                       const std::function<bool(const LoggedEvent&)>& visit) const;

  // Visits every known user id (someone with at least one event), in key order.
  absl::Status ScanUsers(const std::function<bool(std::string_view user)>& visit) const;
  // Visits every item named by an item event or an interaction, in key order.
  absl::Status ScanItems(const std::function<bool(std::string_view item)>& visit) const;

  // Visits every item event, item by item and newest first: many times quicker than the log where
  // most events are actions.
  absl::Status ScanItemEvents(const std::function<bool(const LoggedEvent&)>& visit) const;
  // Visits every item with an action, and the first moment not before now_ms at which a reader sees
  // one of its actions: now_ms where that is so already.
  absl::Status ScanActedOn(
      std::int64_t now_ms,
      const std::function<bool(std::string_view item, std::int64_t seen_from_ms)>& visit) const;

  // Forgets a user: their events, those of anonymous sessions that became theirs among them, leave
  // the log (a gap stays), every history and the fields; event ids stay known as digests, so that a
  // replayed duplicate does not bring them back. Returns the number of events removed; a user
  // without any is not marked as erased. Durable when it returns. Rewrites files, so it may take
  // seconds, of which other writers wait only for the removal itself; docs/formats.md says what
  // stays in files for how long.
  absl::StatusOr<std::uint64_t> EraseUser(std::string_view user);

  // The horizon: of actions and slates that happened before it nothing is left, and none are taken
  // in any more. It never goes back. kSinceForEverMs: there is none.
  std::int64_t HorizonMs() const;
  // Some of what lies below the horizon is still there, as a removal was cut short.
  bool IsRemovalUnfinished() const;
  // The first event time of what a history read as of this moment shows: the moment minus
  // `retain_ms`, and not before where history begins where what was removed went by a shorter one.
  std::int64_t FloorMs(std::int64_t as_of_ms) const;
  // The store was opened with another `retain_ms` than that by which its horizon was moved last.
  // Until it is moved anew, opening it with that one again makes everything what it was.
  bool IsRetainChanged() const;
  // OutOfRange, naming the horizon and the reach, for a read that reaches below the horizon: with
  // `since_ms` (the first event time that it looks at), or with any part of its read point. To be
  // asked after the read: the horizon moves before anything goes, so what was read until now was
  // whole. Reads that do not say otherwise ask it themselves.
  absl::Status CheckReach(const ReadPoint& at, std::int64_t since_ms) const;
  // Looks through the log for a horizon of `horizon_ms`, for which everybody else goes on; changes
  // nothing. Cancelled: the next one goes on where this one was.
  absl::Status PrepareHorizon(std::int64_t horizon_ms, const RetentionOptions& options = {});
  // Moves the horizon up to `horizon_ms`, durably and quickly, and removes nothing yet. What was in
  // the log (ReadPoint::position_end) lies below it as far as it was prepared.
  absl::Status MoveHorizon(std::int64_t horizon_ms);
  // Prepares and moves it, and removes the actions and slates below it from
  // the log and from every history, and those facts that no read at or above it can see. What stays
  // of them: event ids, that an event named its session's user, that somebody acted on an item.
  // Goes on with a removal that was cut short, by is_cancelled (Cancelled) or by a crash. A batch
  // locks out writers as an erasure does. InvalidArgument for batches of no events.
  absl::StatusOr<RetentionCounts> RemoveBefore(std::int64_t horizon_ms,
                                               const RetentionOptions& options = {});
  // Rewrites all files without what was removed. Slow.
  absl::Status Compact();

  // At most one; set it before the first write. The listener must not call back into Append.
  void SetCommitListener(CommitListener listener);

  struct Stats {
    std::uint64_t events = 0;  // ever accepted, = EndPosition()
    std::uint64_t disk_bytes = 0;
    std::uint64_t memory_bytes = 0;  // buffers, caches, filters
    bool refuses_writes = false;     // since one failed, until it is opened again
  };
  Stats ReadStats() const;

  // Small values beside the events, for the engine's own bookkeeping (import marks and the like).
  absl::StatusOr<std::string> GetValue(std::string_view key) const;     // NotFound when absent
  absl::Status PutValue(std::string_view key, std::string_view value);  // synced

 private:
  class Impl;
  explicit EventStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fourfold
