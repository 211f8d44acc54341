#include "feature/event_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/coding.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "feature/event_store_codec.h"
#include "feature/event_store_reader.h"
#include "feature/event_store_writer.h"
#include "feature/position.h"
#include "storage/store.h"

namespace fourfold {

class EventStore::Impl {
 public:
  Impl(std::unique_ptr<storage::Store> store, std::unique_ptr<EventWriter> writer,
       std::int64_t retain_ms)
      : store_(std::move(store)), writer_(std::move(writer)), retain_ms_(retain_ms) {}

  storage::Store& store() const { return *store_; }
  EventWriter& writer() const { return *writer_; }

  // Bounds the read by what is in the store now: what is written while it runs stays out of it.
  ReadPoint Clip(const ReadPoint& at) const {
    ReadPoint clipped = at;
    clipped.position_end = std::min(at.position_end, writer_->end());
    return clipped;
  }

  std::int64_t FloorMs(std::int64_t as_of_ms) const {
    const std::int64_t floor_ms = writer_->horizon().floor_ms;
    if (retain_ms_ == 0) return floor_ms;
    const bool is_open = as_of_ms == std::numeric_limits<std::int64_t>::max();
    const std::int64_t end_ms =
        is_open ? std::max(writer_->NowMs(), writer_->last_event_time_ms()) : as_of_ms;
    return end_ms < kSinceForEverMs + retain_ms_ ? floor_ms
                                                 : std::max(floor_ms, end_ms - retain_ms_ + 1);
  }

 private:
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<EventWriter> writer_;
  const std::int64_t retain_ms_;
};

namespace {

absl::Status BelowHorizon(std::string_view what, std::int64_t horizon_ms) {
  return absl::OutOfRangeError(StrCat(what, " lies below the horizon ", FormatTimestamp(horizon_ms),
                                      ": older history is not retained"));
}

std::string TimeText(std::int64_t time_ms) {
  return time_ms == kSinceForEverMs ? "the beginning of time" : FormatTimestamp(time_ms);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventStore>> EventStore::Open(const EventStoreOptions& options,
                                                             const Clock* clock) {
  storage::StoreOptions store_options;
  store_options.url = "rocksdb:" + options.directory;
  store_options.create_if_missing = options.create_if_missing;
  store_options.format_name = kEventStoreFormatName;
  store_options.format_version = kEventStoreFormatVersion;
  store_options.write_buffer_bytes = options.write_buffer_bytes;
  store_options.block_cache_bytes = options.block_cache_bytes;
  store_options.ingest_bytes_min = std::min(store_options.ingest_bytes_min, options.gather_bytes);
  FOURFOLD_ASSIGN_OR_RETURN(std::unique_ptr<storage::Store> store,
                            storage::OpenStore(store_options));
  FOURFOLD_ASSIGN_OR_RETURN(std::unique_ptr<EventWriter> writer,
                            EventWriter::Open(store.get(), clock, options));
  return std::unique_ptr<EventStore>(new EventStore(
      std::make_unique<Impl>(std::move(store), std::move(writer), options.retain_ms)));
}

EventStore::EventStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventStore::~EventStore() = default;

absl::StatusOr<std::vector<AppendResult>> EventStore::Append(absl::Span<const Event> events,
                                                             Durability durability) {
  return impl_->writer().Append(events, durability);
}

absl::StatusOr<std::vector<AppendResult>> EventStore::AppendImported(
    absl::Span<const TimedEvent> events) {
  return impl_->writer().AppendImported(events);
}

absl::StatusOr<ImportCounts> EventStore::GatherImported(absl::Span<TimedEvent> events) {
  return impl_->writer().GatherImported(events);
}

absl::Status EventStore::Flush() { return impl_->writer().Flush(); }

ReadPoint EventStore::Now() const {
  ReadPoint now;
  now.position_end = EndPosition();  // before the clock: see EventWriter::end
  now.as_of_ms = NowMs();
  now.known_at_ms = now.as_of_ms;
  return now;
}

std::int64_t EventStore::NowMs() const { return impl_->writer().NowMs(); }
Position EventStore::EndPosition() const { return impl_->writer().end(); }
std::int64_t EventStore::LastEventTimeMs() const { return impl_->writer().last_event_time_ms(); }

absl::Status EventStore::ReadHistory(const HistoryRequest& request, const ReadPoint& at,
                                     std::vector<HistoryEntry>* entries) const {
  HistoryRequest retained = request;
  retained.since_ms = std::max(request.since_ms, FloorMs(at.as_of_ms));
  FOURFOLD_RETURN_IF_ERROR(ReadHistoryFrom(impl_->store(), retained, impl_->Clip(at), entries));
  return CheckReach(at, retained.since_ms);
}

absl::Status EventStore::ReadItemHistory(std::string_view item, const ReadPoint& at,
                                         std::size_t limit,
                                         std::vector<HistoryEntry>* entries) const {
  const std::int64_t floor_ms = FloorMs(at.as_of_ms);
  FOURFOLD_RETURN_IF_ERROR(
      ReadItemHistoryFrom(impl_->store(), item, impl_->Clip(at), floor_ms, limit, entries));
  return CheckReach(at, floor_ms);
}

absl::Status EventStore::ReadActions(ActionsOf whose, std::string_view id, const ReadPoint& at,
                                     bool with_fields, const ActionVisitor& visit) const {
  return ReadActionsFrom(impl_->store(), whose, id, impl_->Clip(at), with_fields, visit);
}

absl::StatusOr<bool> EventStore::MayHaveJoinedSessions(std::string_view user) const {
  const std::unique_ptr<storage::HistoryCursor> cursor = impl_->store().NewHistoryCursor();
  cursor->SeekNewest(EntityOf(Stream::kUserSessions, user), INT64_MAX);
  const bool is_there = cursor->Valid();
  FOURFOLD_RETURN_IF_ERROR(cursor->status());
  return is_there;
}

absl::Status EventStore::ReadItemEvents(
    std::string_view item, Position end,
    const std::function<void(const LoggedEvent&)>& visit) const {
  return ReadFactEventsFrom(impl_->store(), Stream::kItemFacts, item, std::min(end, EndPosition()),
                            visit);
}

absl::Status EventStore::ReadUserEvents(
    std::string_view user, Position end,
    const std::function<void(const LoggedEvent&)>& visit) const {
  return ReadFactEventsFrom(impl_->store(), Stream::kUserFacts, user, std::min(end, EndPosition()),
                            visit);
}

absl::StatusOr<EntityAsOf> EventStore::ReadItem(std::string_view item, const ReadPoint& at) const {
  FOURFOLD_ASSIGN_OR_RETURN(
      EntityAsOf entity, ReadFactsFrom(impl_->store(), Stream::kItemFacts, item, impl_->Clip(at)));
  FOURFOLD_RETURN_IF_ERROR(CheckReach(at, at.as_of_ms));
  return entity;
}

absl::StatusOr<EntityAsOf> EventStore::ReadUserFields(std::string_view user,
                                                      const ReadPoint& at) const {
  FOURFOLD_ASSIGN_OR_RETURN(
      EntityAsOf entity, ReadFactsFrom(impl_->store(), Stream::kUserFacts, user, impl_->Clip(at)));
  FOURFOLD_RETURN_IF_ERROR(CheckReach(at, at.as_of_ms));
  return entity;
}

absl::StatusOr<EntityAsOf> EventStore::ReadUser(std::string_view user, const ReadPoint& at) const {
  FOURFOLD_ASSIGN_OR_RETURN(EntityAsOf entity, ReadUserFields(user, at));
  std::string erased_at;
  const absl::Status found = impl_->store().GetValue(ErasedKey(user), &erased_at);
  if (absl::IsNotFound(found)) return entity;
  FOURFOLD_RETURN_IF_ERROR(found);
  Decoder decoder(erased_at);
  entity.erased_at_ms = decoder.SignedVarint();
  if (!decoder.ok()) return DataLoss("user \"", user, "\": the time of erasure is not readable");
  std::vector<HistoryEntry> newer;
  FOURFOLD_RETURN_IF_ERROR(
      ReadHistory({.user = user, .limit = 1, .impressions = true}, at, &newer));
  entity.erased = !entity.exists && newer.empty();
  if (!entity.erased) entity.erased_at_ms = 0;
  return entity;
}

absl::StatusOr<LoggedEvent> EventStore::FindEvent(std::string_view event_id) const {
  const Digest digest = DigestOf(event_id);
  std::vector<std::optional<Position>> positions;
  FOURFOLD_RETURN_IF_ERROR(impl_->store().FindPositions({&digest, 1}, &positions));
  const absl::Status absent = NotFound("no event \"", event_id, "\"");
  if (!positions[0].has_value()) return absent;
  std::string record;
  const absl::Status found = impl_->store().ReadLog(*positions[0], &record);
  if (absl::IsNotFound(found)) return absent;
  FOURFOLD_RETURN_IF_ERROR(found);
  return DecodeLogged(*positions[0], record);
}

absl::Status EventStore::ScanLog(Position from, Position end,
                                 const std::function<bool(const LoggedEvent&)>& visit) const {
  absl::Status readable;
  FOURFOLD_RETURN_IF_ERROR(impl_->store().ScanLog(
      from, std::min(end, EndPosition()), [&](Position position, std::string_view record) {
        absl::StatusOr<LoggedEvent> logged = DecodeLogged(position, record);
        readable = logged.status();
        return logged.ok() && visit(*logged);
      }));
  return readable;
}

absl::Status EventStore::ScanUsers(const std::function<bool(std::string_view user)>& visit) const {
  return ScanEntitiesOf(impl_->store(),
                        {Stream::kUserActions, Stream::kUserSlates, Stream::kUserFacts}, visit);
}

absl::Status EventStore::ScanItems(const std::function<bool(std::string_view item)>& visit) const {
  return ScanEntitiesOf(impl_->store(), {Stream::kItemActions, Stream::kItemFacts}, visit);
}

absl::Status EventStore::ScanItemEvents(
    const std::function<bool(const LoggedEvent&)>& visit) const {
  return ScanItemEventsFrom(impl_->store(), EndPosition(), visit);
}

absl::Status EventStore::ScanActedOn(
    std::int64_t now_ms,
    const std::function<bool(std::string_view item, std::int64_t seen_from_ms)>& visit) const {
  return ScanActedOnFrom(impl_->store(), EndPosition(), now_ms, visit);
}

absl::StatusOr<std::uint64_t> EventStore::EraseUser(std::string_view user) {
  return impl_->writer().EraseUser(user);
}

std::int64_t EventStore::HorizonMs() const { return impl_->writer().horizon().time_ms; }
bool EventStore::IsRemovalUnfinished() const { return !impl_->writer().horizon().is_removed; }
std::int64_t EventStore::FloorMs(std::int64_t as_of_ms) const { return impl_->FloorMs(as_of_ms); }

bool EventStore::IsRetainChanged() const { return impl_->writer().IsRetainChanged(); }

absl::Status EventStore::CheckReach(const ReadPoint& at, std::int64_t since_ms) const {
  const Horizon horizon = impl_->writer().horizon();
  if (horizon.time_ms == kSinceForEverMs) return absl::OkStatus();
  if (at.as_of_ms < horizon.time_ms) {
    return BelowHorizon(StrCat("a read as of ", FormatTimestamp(at.as_of_ms)), horizon.time_ms);
  }
  if (since_ms < horizon.time_ms) {
    return BelowHorizon(StrCat("a read as of ", FormatTimestamp(std::min(at.as_of_ms, NowMs())),
                               " reaches back to ", TimeText(since_ms), ", which"),
                        horizon.time_ms);
  }
  if (at.known_at_ms < horizon.time_ms) {
    return BelowHorizon(StrCat("what was known at ", FormatTimestamp(at.known_at_ms)),
                        horizon.time_ms);
  }
  if (at.position_end < horizon.position) {
    return BelowHorizon(
        StrCat("what was in the log before position ", FormatPosition(at.position_end)),
        horizon.time_ms);
  }
  return absl::OkStatus();
}

absl::Status EventStore::PrepareHorizon(std::int64_t horizon_ms, const RetentionOptions& options) {
  return impl_->writer().PrepareHorizon(horizon_ms, options);
}

absl::Status EventStore::MoveHorizon(std::int64_t horizon_ms) {
  return impl_->writer().MoveHorizon(horizon_ms);
}

absl::StatusOr<RetentionCounts> EventStore::RemoveBefore(std::int64_t horizon_ms,
                                                         const RetentionOptions& options) {
  return impl_->writer().RemoveBefore(horizon_ms, options);
}

absl::Status EventStore::Compact() {
  // From the buffers and the write-ahead log first: compaction reaches only files.
  FOURFOLD_RETURN_IF_ERROR(impl_->store().Flush());
  return impl_->store().Compact();
}

void EventStore::SetCommitListener(CommitListener listener) {
  impl_->writer().SetCommitListener(std::move(listener));
}

EventStore::Stats EventStore::ReadStats() const {
  const storage::StoreStats stats = impl_->store().ReadStats();
  return {.events = EndPosition(),
          .disk_bytes = stats.disk_bytes,
          .memory_bytes = stats.memory_bytes,
          .refuses_writes = stats.refuses_writes};
}

absl::StatusOr<std::string> EventStore::GetValue(std::string_view key) const {
  std::string value;
  const absl::Status found = impl_->store().GetValue(EngineValueKey(key), &value);
  if (absl::IsNotFound(found)) return NotFound("no value \"", key, "\"");
  FOURFOLD_RETURN_IF_ERROR(found);
  return value;
}

absl::Status EventStore::PutValue(std::string_view key, std::string_view value) {
  const std::unique_ptr<storage::Batch> batch = impl_->store().NewBatch();
  batch->PutValue(EngineValueKey(key), value);
  FOURFOLD_RETURN_IF_ERROR(impl_->store().Write(batch.get(), storage::Logging::kLogged));
  return impl_->store().Sync();
}

}  // namespace fourfold
