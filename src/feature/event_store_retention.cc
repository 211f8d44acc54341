#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "feature/event_store_superfluous.h"
#include "feature/event_store_writer.h"

// What leaves a store whose history is limited (Time, rule 7).
//
// An event below the horizon that another one makes superfluous goes: the other one must be seen by
// whoever could see it. Read points below the horizon are errors, so every one that counts sees
// what was known before the horizon's time and stood before its position.
namespace fourfold {
namespace {

constexpr std::size_t kSessionsAtOnce = 1 << 16;
// Of the log, one after the other: what is erased is passed over without a look at it.
constexpr Position kPositionsAtOnce = 1 << 14;

absl::Status CalledOff() {
  return absl::CancelledError("the removal was called off; the next one goes on with it");
}

// Of a scan that may find nothing to remove for a long time.
class LongScan {
 public:
  explicit LongScan(const RetentionOptions& options) : options_(options) {}
  // To be asked for each record; true: the scan ends here.
  bool IsCalledOff() {
    return ++visited_ % kVisitsBetweenLooks == 0 ? IsCalledOffNow() : is_called_off_;
  }
  bool IsCalledOffNow() {
    is_called_off_ = is_called_off_ || (options_.is_cancelled && options_.is_cancelled());
    return is_called_off_;
  }
  absl::Status status() const { return is_called_off_ ? CalledOff() : absl::OkStatus(); }

 private:
  static constexpr std::uint64_t kVisitsBetweenLooks = 1000;
  const RetentionOptions& options_;
  std::uint64_t visited_ = 0;
  bool is_called_off_ = false;
};

// What stays of an event that named its session's user: a user event without fields.
LoggedEvent NamingOf(const LoggedEvent& logged) {
  LoggedEvent naming;
  naming.position = logged.position;
  naming.known_time_ms = logged.known_time_ms;
  naming.event.kind = EventKind::kUser;
  naming.event.id = logged.event.id;
  naming.event.event_time_ms = logged.event.event_time_ms;
  naming.event.user = logged.event.user;
  naming.event.session = logged.event.session;
  naming.event.tie_group = logged.event.tie_group;
  naming.event.step = logged.event.step;
  return naming;
}

// What stays of an action in the history of its item: that there was one.
LoggedEvent MarkOf(const LoggedEvent& logged) {
  LoggedEvent mark;
  mark.position = logged.position;
  mark.known_time_ms = logged.known_time_ms;
  mark.event.kind = EventKind::kUser;
  return mark;
}

// Decides what of an event must stay, and takes the rest out of the store.
class Remover {
 public:
  Remover(const storage::Store* store, const Horizon& horizon)
      : store_(*store), horizon_(horizon), cursor_(store->NewHistoryCursor()) {}

  // False: it is gone already.
  absl::StatusOr<bool> Remove(Position position, storage::Batch* batch) {
    const absl::Status found = store_.ReadLog(position, &record_);
    if (absl::IsNotFound(found)) return false;
    FOURFOLD_RETURN_IF_ERROR(found);
    FOURFOLD_ASSIGN_OR_RETURN(const LoggedEvent logged, DecodeLogged(position, record_));
    const Event& event = logged.event;
    const Digest digest = DigestOf(event.id);
    FOURFOLD_ASSIGN_OR_RETURN(const bool names, IsNaming(event, digest, logged));
    FOURFOLD_ASSIGN_OR_RETURN(const bool marks, IsMark(event, digest, logged));
    batch->EraseLog(position);
    ForEachHistory(event, [&](Stream stream, const std::string& id) {
      batch->EraseHistory(EntityOf(stream, id), event.event_time_ms, digest);
    });
    const auto put = [&](Stream stream, const std::string& id, const LoggedEvent& rest) {
      record_.clear();
      EncodeLine(stream, rest, &record_);
      batch->PutHistory(EntityOf(stream, id), event.event_time_ms, digest, record_);
    };
    if (marks) put(Stream::kItemActions, event.item, MarkOf(logged));
    if (names) {
      const LoggedEvent naming = NamingOf(logged);
      record_.clear();
      EncodeLogged(naming, &record_);
      batch->AppendLog(position, digest, record_);
      put(Stream::kSessionKnown, event.session, naming);
      put(Stream::kUserActions, event.user, naming);  // where an erasure finds it
    }
    return true;
  }

  // The facts below the horizon of an item or user that no read needs any more.
  absl::Status FindSuperfluous(const std::string& entity, LongScan* scan,
                               std::vector<Position>* positions) {
    if (horizon_.time_ms == kSinceForEverMs) return absl::OkStatus();
    SuperfluousFacts facts(horizon_);
    for (cursor_->SeekNewest(entity, horizon_.time_ms - 1); cursor_->Valid(); cursor_->Next()) {
      if (scan->IsCalledOff()) return scan->status();
      FOURFOLD_ASSIGN_OR_RETURN(const LoggedEvent logged, DecodeFacts(cursor_->record()));
      if (facts.Add(logged)) positions->push_back(logged.position);
    }
    return cursor_->status();
  }

 private:
  static bool IsBefore(std::int64_t time_ms, const Digest& digest, const Event& event,
                       const Digest& event_digest) {
    return std::pair(time_ms, digest) < std::pair(event.event_time_ms, event_digest);
  }

  // Whether it may be the first of its user that a read point sees name its session. Each user's is
  // kept, as another's may be erased.
  absl::StatusOr<bool> IsNaming(const Event& event, const Digest& digest,
                                const LoggedEvent& logged) {
    if (event.user.empty() || event.session.empty()) return false;
    for (cursor_->SeekOldest(EntityOf(Stream::kSessionKnown, event.session));
         cursor_->Valid() && IsBefore(cursor_->time(), cursor_->id(), event, digest);
         cursor_->Next()) {
      HistoryEntry earlier;
      FOURFOLD_RETURN_IF_ERROR(
          DecodeLine(Stream::kSessionKnown, event.session, cursor_->record(), &earlier));
      if (earlier.user != event.user) continue;
      if (!earlier.tie_group.empty() && earlier.tie_group != event.tie_group) continue;
      if (SeenWith({earlier.known_time_ms, earlier.position},
                   {logged.known_time_ms, logged.position}, horizon_)) {
        return false;
      }
    }
    FOURFOLD_RETURN_IF_ERROR(cursor_->status());
    return true;
  }

  // Whether it may be the first action on its item that is seen.
  absl::StatusOr<bool> IsMark(const Event& event, const Digest& digest, const LoggedEvent& logged) {
    if (event.kind != EventKind::kInteraction) return false;
    for (cursor_->SeekOldest(EntityOf(Stream::kItemActions, event.item));
         cursor_->Valid() && IsBefore(cursor_->time(), cursor_->id(), event, digest);
         cursor_->Next()) {
      HistoryEntry earlier;
      FOURFOLD_RETURN_IF_ERROR(
          DecodeLine(Stream::kItemActions, event.item, cursor_->record(), &earlier));
      if (SeenWith({earlier.known_time_ms, earlier.position},
                   {logged.known_time_ms, logged.position}, horizon_)) {
        return false;
      }
    }
    FOURFOLD_RETURN_IF_ERROR(cursor_->status());
    return true;
  }

  const storage::Store& store_;
  const Horizon& horizon_;
  const std::unique_ptr<storage::HistoryCursor> cursor_;
  std::string record_;
};

}  // namespace

absl::Status EventWriter::WriteHorizon(const Horizon& horizon) {
  {
    const MutexLock lock(&mutex_);
    FOURFOLD_RETURN_IF_ERROR(WriteGathered());
    StoreState state = State();
    state.horizon = horizon;
    const std::unique_ptr<storage::Batch> batch = store_->NewBatch();
    batch->PutValue(kStateKey, EncodeState(state));
    FOURFOLD_RETURN_IF_ERROR(store_->Write(batch.get(), storage::Logging::kLogged));
    const MutexLock horizon_lock(&horizon_mutex_);
    horizon_ = horizon;
  }
  return store_->Sync();
}

absl::Status EventWriter::ScanOld(Position from, Position end, const RetentionOptions& options,
                                  absl::FunctionRef<bool(const LoggedEvent&)> visit) const {
  LongScan scan(options);
  absl::Status readable;
  bool goes_on = true;
  for (Position next = from; goes_on && next < end; next += kPositionsAtOnce) {
    if (next != from && scan.IsCalledOffNow()) break;
    const Position until = std::min(end - next, kPositionsAtOnce) + next;
    FOURFOLD_RETURN_IF_ERROR(
        store_->ScanLog(next, until, [&](Position position, std::string_view record) {
          const absl::StatusOr<LoggedEvent> logged = DecodeLogged(position, record);
          readable = logged.status();
          goes_on = !scan.IsCalledOff() && logged.ok() && visit(*logged);
          return goes_on;
        }));
    FOURFOLD_RETURN_IF_ERROR(readable);
  }
  return scan.status();
}

absl::Status EventWriter::ScanFor(std::int64_t horizon_ms, const RetentionOptions& options) {
  const Horizon now = horizon();
  if (horizon_ms <= now.time_ms && now.is_removed) return absl::OkStatus();
  LogScan next{now.position, std::max(now.time_ms, horizon_ms)};
  if (next.time_ms >= scanned_.time_ms) next.position = std::max(next.position, scanned_.position);
  absl::Status status = ScanOld(next.position, end(), options, [&](const LoggedEvent& logged) {
    if (logged.known_time_ms >= next.time_ms) return false;
    next.position = logged.position + 1;
    return true;
  });
  scanned_ = next;
  return status;
}

absl::Status EventWriter::MoveTo(std::int64_t horizon_ms) {
  Horizon next = horizon();
  if (horizon_ms <= next.time_ms && next.is_removed) {
    // With a longer `retain_ms` nothing goes for a while, and yet from now on it is this one's.
    if (!IsRetainChanged()) return absl::OkStatus();
    next.retain_ms = retain_ms_;
    return WriteHorizon(next);
  }
  next.time_ms = std::max(next.time_ms, horizon_ms);
  next.retain_ms = retain_ms_;
  next.is_removed = false;
  // An earlier position than could be found lets more reads see more, and less be superfluous.
  if (next.time_ms >= scanned_.time_ms) next.position = std::max(next.position, scanned_.position);
  return WriteHorizon(next);
}

absl::Status EventWriter::PrepareHorizon(std::int64_t horizon_ms, const RetentionOptions& options) {
  const MutexLock turn(&retention_mutex_);
  return ScanFor(horizon_ms, options);
}

absl::Status EventWriter::MoveHorizon(std::int64_t horizon_ms) {
  const MutexLock turn(&retention_mutex_);
  return MoveTo(horizon_ms);
}

absl::StatusOr<RetentionCounts> EventWriter::RemoveBefore(std::int64_t horizon_ms,
                                                          const RetentionOptions& options) {
  if (options.events_per_batch == 0) return InvalidArgument("events_per_batch: must be 1 or more");
  const MutexLock turn(&retention_mutex_);
  FOURFOLD_RETURN_IF_ERROR(ScanFor(horizon_ms, options));
  FOURFOLD_RETURN_IF_ERROR(MoveTo(horizon_ms));
  Horizon next = horizon();
  RetentionCounts counts{.horizon_ms = next.time_ms};
  if (next.is_removed) return counts;
  FOURFOLD_RETURN_IF_ERROR(RemoveActions(next, options, &counts.events));
  for (const Stream stream : {Stream::kItemFacts, Stream::kUserFacts}) {
    FOURFOLD_RETURN_IF_ERROR(RemoveFacts(stream, next, options, &counts.events));
  }
  FOURFOLD_RETURN_IF_ERROR(RemoveAnonymousSessions(next, options));
  next.is_removed = true;
  FOURFOLD_RETURN_IF_ERROR(WriteHorizon(next));
  return counts;
}

absl::Status EventWriter::RemoveBatch(const RetentionOptions& options, RemoveWith remove) {
  {
    const MutexLock lock(&mutex_);
    FOURFOLD_RETURN_IF_ERROR(WriteGathered());
    const std::unique_ptr<storage::Batch> batch = store_->NewBatch();
    FOURFOLD_RETURN_IF_ERROR(remove(batch.get()));
    FOURFOLD_RETURN_IF_ERROR(store_->Write(batch.get(), storage::Logging::kLogged));
    sessions_.Forget();
  }
  return options.is_cancelled && options.is_cancelled() ? CalledOff() : absl::OkStatus();
}

absl::Status EventWriter::RemoveEvents(absl::Span<const Position> positions, const Horizon& horizon,
                                       const RetentionOptions& options, std::uint64_t* removed) {
  for (; !positions.empty();
       positions.remove_prefix(std::min(positions.size(), options.events_per_batch))) {
    FOURFOLD_RETURN_IF_ERROR(RemoveBatch(options, [&](storage::Batch* batch) -> absl::Status {
      // It sees nothing of its own batch: whatever makes another superfluous may go itself only for
      // a third that does so, too.
      Remover remover(store_, horizon);
      for (const Position position : positions.subspan(0, options.events_per_batch)) {
        FOURFOLD_ASSIGN_OR_RETURN(const bool was_there, remover.Remove(position, batch));
        *removed += was_there ? 1 : 0;
      }
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

absl::Status EventWriter::RemoveActions(const Horizon& horizon, const RetentionOptions& options,
                                        std::uint64_t* removed) {
  // Of those below the horizon that come later, none is taken in.
  const Position end = this->end();
  std::vector<Position> old;
  for (Position next = 0; next < end;) {
    old.clear();
    Position until = end;
    FOURFOLD_RETURN_IF_ERROR(ScanOld(next, end, options, [&](const LoggedEvent& logged) {
      const EventKind kind = logged.event.kind;
      if (logged.event.event_time_ms >= horizon.time_ms ||
          (kind != EventKind::kInteraction && kind != EventKind::kRanking)) {
        return true;
      }
      old.push_back(logged.position);
      if (old.size() < options.events_per_batch) return true;
      until = logged.position + 1;
      return false;
    }));
    next = until;
    FOURFOLD_RETURN_IF_ERROR(RemoveEvents(old, horizon, options, removed));
  }
  return absl::OkStatus();
}

absl::Status EventWriter::RemoveFacts(Stream stream, const Horizon& horizon,
                                      const RetentionOptions& options, std::uint64_t* removed) {
  std::vector<Position> old;
  Remover finder(store_, horizon);
  LongScan scan(options);
  const auto entities = store_->NewEntityCursor(EntityOf(stream, ""));
  for (; entities->Valid(); entities->Next()) {
    if (scan.IsCalledOff()) return scan.status();
    FOURFOLD_RETURN_IF_ERROR(finder.FindSuperfluous(entities->entity(), &scan, &old));
    if (old.size() < options.events_per_batch) continue;
    FOURFOLD_RETURN_IF_ERROR(RemoveEvents(old, horizon, options, removed));
    old.clear();
  }
  FOURFOLD_RETURN_IF_ERROR(entities->status());
  return RemoveEvents(old, horizon, options, removed);
}

absl::Status EventWriter::RemoveAnonymousSessions(const Horizon& horizon,
                                                  const RetentionOptions& options) {
  const std::string prefix = AnonymousKey("");
  LongScan scan(options);
  std::vector<std::string> old;
  do {
    old.clear();
    FOURFOLD_RETURN_IF_ERROR(
        store_->ScanValues(prefix, [&](std::string_view key, std::string_view value) {
          if (scan.IsCalledOff()) return false;
          Decoder decoder(value);
          // The end of a span that holds the session's newest anonymous event.
          if (decoder.SignedVarint() < horizon.time_ms && decoder.ok()) {
            old.emplace_back(key.substr(prefix.size()));
          }
          return old.size() < kSessionsAtOnce;
        }));
    FOURFOLD_RETURN_IF_ERROR(scan.status());
    for (std::size_t begin = 0; begin < old.size(); begin += options.events_per_batch) {
      const std::size_t end = std::min(begin + options.events_per_batch, old.size());
      FOURFOLD_RETURN_IF_ERROR(RemoveBatch(
          options, [&](storage::Batch* batch) ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::Status {
            for (std::size_t i = begin; i < end; ++i) {
              FOURFOLD_RETURN_IF_ERROR(
                  sessions_.EraseAnonymousBefore(old[i], horizon.time_ms, batch));
            }
            return absl::OkStatus();
          }));
    }
  } while (old.size() == kSessionsAtOnce);
  return absl::OkStatus();
}

}  // namespace fourfold
