#include "feature/event_store_writer.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/event_check.h"
#include "data/timestamp.h"
#include "feature/event_store_reader.h"

namespace fourfold {

// An event that passed its checks.
struct EventWriter::Candidate {
  std::size_t index = 0;  // among the caller's events
  Digest digest{};
  bool has_our_id = false;  // no event can have had it before
  LoggedEvent logged;
};

namespace {

std::string RandomPrefix() {
  std::random_device device;
  std::string bytes;
  for (int i = 0; i < 8; ++i) AppendVarint(&bytes, device());
  return DigestToHex(DigestOf(bytes)).substr(0, 24);
}

void Describe(const LoggedEvent& logged, EventOutcome outcome, AppendResult* result) {
  result->outcome = outcome;
  result->position = logged.position;
  result->event_time_ms = logged.event.event_time_ms;
  result->known_time_ms = logged.known_time_ms;
  result->id = logged.event.id;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventWriter>> EventWriter::Open(storage::Store* store,
                                                               const Clock* clock,
                                                               const EventStoreOptions& options) {
  std::string bytes;
  const absl::Status found = store->GetValue(kStateKey, &bytes);
  StoreState state;
  if (found.ok()) {
    FOURFOLD_ASSIGN_OR_RETURN(state, DecodeState(bytes));
  } else if (!absl::IsNotFound(found)) {
    return found;
  }
  return std::unique_ptr<EventWriter>(new EventWriter(store, clock, options, state));
}

EventWriter::EventWriter(storage::Store* store, const Clock* clock,
                         const EventStoreOptions& options, const StoreState& state)
    : store_(store),
      clock_(clock),
      gather_bytes_(options.gather_bytes),
      retain_ms_(options.retain_ms),
      end_(state.end),
      last_known_ms_(state.last_known_ms),
      last_event_time_ms_(state.last_event_time_ms),
      id_prefix_(RandomPrefix()),
      horizon_(state.horizon),
      sessions_(store),
      dates_(state.last_known_ms) {}

std::int64_t EventWriter::NowMs() const {
  return std::max(clock_->NowMs(), last_known_ms_.load(std::memory_order_acquire));
}

void EventWriter::SetCommitListener(CommitListener listener) {
  MutexLock lock(&mutex_);
  listener_ = std::move(listener);
}

std::string EventWriter::MakeId() { return StrCat(id_prefix_, "-", ids_made_.fetch_add(1)); }

EventWriter::Candidate EventWriter::Prepare(const Event& event, std::size_t index) {
  Candidate candidate;
  candidate.index = index;
  candidate.logged.event = event;
  candidate.has_our_id = event.id.empty();
  if (candidate.has_our_id) candidate.logged.event.id = MakeId();
  candidate.digest = DigestOf(candidate.logged.event.id);
  return candidate;
}

absl::StatusOr<std::vector<AppendResult>> EventWriter::Append(absl::Span<const Event> events,
                                                              Durability durability) {
  std::vector<AppendResult> results(events.size());
  std::vector<Candidate> candidates;
  candidates.reserve(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    results[i].id = events[i].id;
    results[i].status = CheckEvent(events[i]);
    if (results[i].status.ok()) candidates.push_back(Prepare(events[i], i));
  }
  FOURFOLD_RETURN_IF_ERROR(Commit(&candidates, /*is_live=*/true, &results));
  // Also for duplicates alone: the first one may still be on its way to the disk.
  if (durability == Durability::kSynced) FOURFOLD_RETURN_IF_ERROR(store_->Sync());
  return results;
}

absl::StatusOr<std::vector<AppendResult>> EventWriter::AppendImported(
    absl::Span<const TimedEvent> events) {
  std::vector<AppendResult> results(events.size());
  std::vector<Candidate> candidates;
  candidates.reserve(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    results[i].id = events[i].event.id;
    results[i].status = CheckEvent(events[i].event);
    if (!results[i].status.ok()) continue;
    candidates.push_back(Prepare(events[i].event, i));
    candidates.back().logged.known_time_ms = events[i].known_time_ms;
  }
  FOURFOLD_RETURN_IF_ERROR(Commit(&candidates, /*is_live=*/false, &results));
  return results;
}

absl::Status EventWriter::Commit(std::vector<Candidate>* candidates, bool is_live,
                                 std::vector<AppendResult>* results) {
  if (candidates->empty()) return absl::OkStatus();
  {
    MutexLock lock(&mutex_);
    FOURFOLD_RETURN_IF_ERROR(WriteGathered());
    const std::unique_ptr<storage::Batch> batch = store_->NewBatch();
    StoreState state = State();
    std::vector<LoggedEvent> accepted;
    accepted.reserve(candidates->size());
    absl::Status status = Plan(candidates, is_live, batch.get(), &state, &accepted, results);
    if (status.ok() && !accepted.empty()) {
      has_live_events_ = has_live_events_ || is_live;
      batch->PutValue(kStateKey, EncodeState(state));
      status = store_->Write(
          batch.get(), has_live_events_ ? storage::Logging::kLogged : storage::Logging::kUnlogged);
    }
    if (!status.ok()) {
      sessions_.Forget();
      return status;
    }
    if (!accepted.empty()) {
      Publish(state);
      if (listener_) listener_(accepted);
    }
  }
  return DescribeStoredDuplicates(results);
}

absl::Status EventWriter::FindStored(const std::vector<Candidate>& candidates,
                                     std::vector<std::optional<Position>>* stored) const {
  stored->assign(candidates.size(), std::nullopt);
  std::vector<Digest> digests;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].has_our_id) continue;
    digests.push_back(candidates[i].digest);
    places.push_back(i);
  }
  if (digests.empty()) return absl::OkStatus();
  std::vector<std::optional<Position>> found;
  FOURFOLD_RETURN_IF_ERROR(store_->FindPositions(digests, &found));
  for (std::size_t i = 0; i < places.size(); ++i) (*stored)[places[i]] = found[i];
  return absl::OkStatus();
}

absl::Status EventWriter::Plan(std::vector<Candidate>* candidates, bool is_live,
                               storage::Batch* batch, StoreState* state,
                               std::vector<LoggedEvent>* accepted,
                               std::vector<AppendResult>* results) {
  std::vector<std::optional<Position>> stored;
  FOURFOLD_RETURN_IF_ERROR(FindStored(*candidates, &stored));

  sessions_.StartBatch();
  absl::flat_hash_map<Digest, std::size_t> in_batch;  // index into accepted
  in_batch.reserve(candidates->size());
  const std::int64_t wall_ms = clock_->NowMs();
  std::int64_t now_ms = std::max(wall_ms, state->last_known_ms);
  for (std::size_t i = 0; i < candidates->size(); ++i) {
    Candidate& candidate = (*candidates)[i];
    AppendResult& result = (*results)[candidate.index];
    if (stored[i].has_value()) {
      result.outcome = EventOutcome::kDuplicate;
      result.position = *stored[i];
      continue;
    }
    const auto [place, is_new] = in_batch.emplace(candidate.digest, accepted->size());
    if (!is_new) {
      Describe((*accepted)[place->second], EventOutcome::kDuplicate, &result);
      continue;
    }
    const std::int64_t stated_ms = candidate.logged.event.event_time_ms;
    const std::int64_t event_time_ms = stated_ms == kNoTimeMs ? now_ms
                                       : is_live              ? std::min(stated_ms, now_ms)
                                                              : stated_ms;
    result.status = CheckHorizon(candidate.logged.event, event_time_ms, state->horizon.time_ms);
    if (!result.status.ok()) {
      in_batch.erase(place);
      continue;
    }
    LoggedEvent& logged = accepted->emplace_back(std::move(candidate.logged));
    logged.position = state->end++;
    if (is_live) {
      dates_.Date(wall_ms, &now_ms, &logged);
    } else if (logged.event.event_time_ms == kNoTimeMs) {
      logged.event.event_time_ms = now_ms;
    }
    state->last_event_time_ms = std::max(state->last_event_time_ms, logged.event.event_time_ms);
    if (is_live) state->last_known_ms = now_ms;
    FOURFOLD_RETURN_IF_ERROR(Put(logged, candidate.digest, batch));
    Describe(logged, EventOutcome::kAccepted, &result);
  }
  return absl::OkStatus();
}

absl::Status EventWriter::Put(const LoggedEvent& logged, const Digest& digest,
                              storage::Batch* batch) {
  const Event& event = logged.event;
  std::string* const record = &record_;
  std::string* const entity = &entity_;
  record->clear();
  EncodeLogged(logged, record);
  batch->AppendLog(logged.position, digest, *record);
  ForEachHistory(event, [&](Stream stream, const std::string& id) {
    record->clear();
    if (IsFacts(stream)) {
      EncodeFacts(logged, record);
    } else {
      EncodeLine(stream, logged, record);
    }
    entity->assign(1, static_cast<char>(stream)).append(id);
    batch->PutHistory(*entity, event.event_time_ms, digest, *record);
  });
  if (event.session.empty()) return absl::OkStatus();
  return sessions_.Note(event.session, event.user, event.event_time_ms, batch);
}

StoreState EventWriter::State() const {
  const MutexLock lock(&horizon_mutex_);
  return {end_.load(), last_known_ms_.load(), last_event_time_ms_.load(), horizon_};
}

Horizon EventWriter::horizon() const {
  const MutexLock lock(&horizon_mutex_);
  // 0 is for ever. What a shorter reach does not find is not there, as with the former one.
  const bool reaches_farther =
      horizon_.retain_ms != 0 && (retain_ms_ == 0 || retain_ms_ > horizon_.retain_ms);
  if (horizon_.time_ms == kSinceForEverMs || !reaches_farther) return horizon_;
  // It does not bring back what is gone: history begins where it begins now.
  Horizon changed = horizon_;
  changed.floor_ms = horizon_.time_ms;
  return changed;
}

absl::Status EventWriter::CheckHorizon(const Event& event, std::int64_t event_time_ms,
                                       std::int64_t horizon_ms) {
  // Facts hold from their time on, up to now.
  if (event.kind == EventKind::kItem || event.kind == EventKind::kUser ||
      event_time_ms >= horizon_ms) {
    return absl::OkStatus();
  }
  return absl::OutOfRangeError(StrCat("timestamp: ", FormatTimestamp(event_time_ms),
                                      " lies below the horizon ", FormatTimestamp(horizon_ms),
                                      ": the recipe's `retain` keeps no older history"));
}

void EventWriter::Publish(const StoreState& state) {
  // The end goes last: who sees an event below it must find the clock at or past its known time.
  last_known_ms_.store(state.last_known_ms, std::memory_order_release);
  last_event_time_ms_.store(state.last_event_time_ms, std::memory_order_release);
  end_.store(state.end, std::memory_order_release);
}

absl::Status EventWriter::DescribeStoredDuplicates(std::vector<AppendResult>* results) const {
  std::string record;
  for (AppendResult& result : *results) {
    if (result.outcome != EventOutcome::kDuplicate || result.event_time_ms != 0) continue;
    const absl::Status found = store_->ReadLog(result.position, &record);
    if (absl::IsNotFound(found)) {  // erased: nothing to tell
      result.event_time_ms = kNoTimeMs;
      continue;
    }
    FOURFOLD_RETURN_IF_ERROR(found);
    FOURFOLD_ASSIGN_OR_RETURN(const LoggedEvent logged, DecodeLogged(result.position, record));
    Describe(logged, EventOutcome::kDuplicate, &result);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> EventWriter::EraseUser(std::string_view user) {
  // Events of one batch go together; a user with more is erased in several.
  constexpr std::size_t kEventsPerBatch = 5000;
  std::vector<std::string> entities;
  std::uint64_t erased = 0;
  {
    MutexLock lock(&mutex_);
    FOURFOLD_RETURN_IF_ERROR(WriteGathered());
    std::vector<std::string> owned_sessions;
    FOURFOLD_ASSIGN_OR_RETURN(const std::vector<Position> positions,
                              EventsToErase(user, &owned_sessions));
    erased = positions.size();
    if (erased == 0) return erased;
    sessions_.Forget();
    std::unique_ptr<storage::Batch> batch = store_->NewBatch();
    for (std::size_t i = 0; i < positions.size(); ++i) {
      FOURFOLD_RETURN_IF_ERROR(EraseEvent(positions[i], batch.get()));
      if ((i + 1) % kEventsPerBatch != 0) continue;
      FOURFOLD_RETURN_IF_ERROR(store_->Write(batch.get(), storage::Logging::kLogged));
      batch = store_->NewBatch();
    }
    for (const std::string& session : owned_sessions) {
      FOURFOLD_RETURN_IF_ERROR(sessions_.EraseAnonymous(session, batch.get()));
      entities.push_back(EntityOf(Stream::kSessionAnonymousActions, session));
      entities.push_back(EntityOf(Stream::kSessionAnonymousSlates, session));
    }
    // Nothing is acknowledged: the last known time stays, so that an erasure by the wall's clock
    // does not move the clock of a log that is served as of the past.
    std::string erased_at;
    AppendVarint(&erased_at, ZigZag(NowMs()));
    batch->PutValue(ErasedKey(user), erased_at);
    FOURFOLD_RETURN_IF_ERROR(store_->Write(batch.get(), storage::Logging::kLogged));
    sessions_.Forget();
  }
  // From the buffers and the write-ahead log first: compaction reaches only files.
  FOURFOLD_RETURN_IF_ERROR(store_->Flush());
  for (const Stream stream :
       {Stream::kUserActions, Stream::kUserSlates, Stream::kUserFacts, Stream::kUserSessions}) {
    entities.push_back(EntityOf(stream, user));
  }
  FOURFOLD_RETURN_IF_ERROR(store_->CompactHistories(entities));
  return erased;
}

absl::StatusOr<std::vector<Position>> EventWriter::EventsToErase(
    std::string_view user, std::vector<std::string>* owned_sessions) {
  const std::unique_ptr<storage::HistoryCursor> cursor = store_->NewHistoryCursor();
  std::vector<Position> positions;
  const auto add = [&](Stream stream, std::string_view id) -> absl::Status {
    const std::string entity = EntityOf(stream, id);
    for (cursor->SeekNewest(entity, INT64_MAX); cursor->Valid(); cursor->Next()) {
      HistoryEntry line;
      if (stream == Stream::kUserFacts) {
        FOURFOLD_ASSIGN_OR_RETURN(const LoggedEvent logged, DecodeFacts(cursor->record()));
        line.position = logged.position;
      } else {
        FOURFOLD_RETURN_IF_ERROR(DecodeLine(stream, id, cursor->record(), &line));
      }
      positions.push_back(line.position);
    }
    return cursor->status();
  };
  for (const Stream stream : {Stream::kUserActions, Stream::kUserSlates, Stream::kUserFacts}) {
    FOURFOLD_RETURN_IF_ERROR(add(stream, user));
  }
  std::vector<std::string> sessions;
  for (cursor->SeekNewest(EntityOf(Stream::kUserSessions, user), INT64_MAX); cursor->Valid();
       cursor->Next()) {
    sessions.emplace_back(cursor->record());
  }
  FOURFOLD_RETURN_IF_ERROR(cursor->status());
  for (std::string& session : sessions) {
    FOURFOLD_ASSIGN_OR_RETURN(const std::optional<SessionOwner> owner,
                              OwnerOf(cursor.get(), session, EverythingKnown()));
    if (!owner.has_value() || owner->user != user) continue;
    FOURFOLD_RETURN_IF_ERROR(add(Stream::kSessionAnonymousActions, session));
    FOURFOLD_RETURN_IF_ERROR(add(Stream::kSessionAnonymousSlates, session));
    owned_sessions->push_back(std::move(session));
  }
  return positions;
}

absl::Status EventWriter::EraseEvent(Position position, storage::Batch* batch) {
  FOURFOLD_RETURN_IF_ERROR(store_->ReadLog(position, &record_));
  FOURFOLD_ASSIGN_OR_RETURN(const LoggedEvent logged, DecodeLogged(position, record_));
  const Event& event = logged.event;
  const Digest digest = DigestOf(event.id);
  batch->EraseLog(position);
  ForEachHistory(event, [&](Stream stream, const std::string& id) {
    batch->EraseHistory(EntityOf(stream, id), event.event_time_ms, digest);
  });
  if (event.session.empty() || event.user.empty()) return absl::OkStatus();
  if (event.kind == EventKind::kUser) {  // may be what retention left of an action
    batch->EraseHistory(EntityOf(Stream::kUserActions, event.user), event.event_time_ms, digest);
  }
  return sessions_.EraseMember(event.session, event.user, batch);
}

}  // namespace fourfold
