#include "feature/event_store_reader.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

using storage::HistoryCursor;

bool IsNewer(const HistoryEntry& a, const HistoryEntry& b) {
  if (a.event_time_ms != b.event_time_ms) return a.event_time_ms > b.event_time_ms;
  return a.event_digest > b.event_digest;
}

// The newest event time that the read point can see.
std::int64_t NewestSeen(const ReadPoint& at) {
  const bool may_see_own_time = !at.own_session.empty() && at.as_of_ms < INT64_MAX;
  return may_see_own_time ? at.as_of_ms + 1 : at.as_of_ms;
}

// Gathers the newest entries over several streams.
class NewestEntries {
 public:
  NewestEntries(HistoryCursor* cursor, const ReadPoint& at, std::int64_t since_ms,
                std::size_t limit)
      : cursor_(*cursor), at_(at), since_ms_(since_ms), limit_(limit) {
    entries_.reserve(std::min(limit, kReservedMax));
  }

  // Whether nothing at or before this event time can be among the newest any more.
  bool IsPast(std::int64_t event_time_ms) const {
    if (event_time_ms < since_ms_ || limit_ == 0) return true;
    return entries_.size() >= limit_ && event_time_ms < entries_[limit_ - 1].event_time_ms;
  }

  // An entry met before stays as it was, so streams that know it earlier go first. `known_from_ms`
  // is when the stream as a whole became known.
  absl::Status Add(Stream stream, std::string_view id, bool actions, bool impressions,
                   std::int64_t known_from_ms = kSinceForEverMs) {
    const std::size_t before = entries_.size();
    const std::string entity = EntityOf(stream, id);
    for (cursor_.SeekNewest(entity, NewestSeen(at_)); cursor_.Valid(); cursor_.Next()) {
      const std::int64_t time_ms = cursor_.time();
      if (entries_.size() - before >= limit_ || IsPastAfter(before, time_ms)) break;
      HistoryEntry& entry = entries_.emplace_back();
      FOURFOLD_RETURN_IF_ERROR(Decode(stream, id, &entry));
      entry.event_time_ms = time_ms;
      entry.event_digest = cursor_.id();
      entry.known_time_ms = std::max(entry.known_time_ms, known_from_ms);
      const bool is_wanted = entry.kind == HistoryKind::kAction ? actions
                             : entry.kind == HistoryKind::kImpression
                                 ? impressions
                                 : stream == Stream::kItemFacts;
      if (!is_wanted || !at_.Sees(entry)) entries_.pop_back();
    }
    if (before > 0 && entries_.size() > before) MergeFrom(before);
    return cursor_.status();
  }

  void MoveTo(std::vector<HistoryEntry>* out) {
    if (out->empty()) {
      out->swap(entries_);
      return;
    }
    out->insert(out->end(), std::make_move_iterator(entries_.begin()),
                std::make_move_iterator(entries_.end()));
  }

 private:
  // As IsPast, while the entries after the first `merged` ones are not yet in order.
  bool IsPastAfter(std::size_t merged, std::int64_t event_time_ms) const {
    if (event_time_ms < since_ms_) return true;
    return merged >= limit_ && event_time_ms < entries_[limit_ - 1].event_time_ms;
  }

  absl::Status Decode(Stream stream, std::string_view id, HistoryEntry* entry) const {
    if (stream != Stream::kItemFacts) return DecodeLine(stream, id, cursor_.record(), entry);
    FOURFOLD_ASSIGN_OR_RETURN(const LoggedEvent logged, DecodeFacts(cursor_.record()));
    *entry = LineOf(logged);
    return absl::OkStatus();
  }

  void MergeFrom(std::size_t middle) {
    std::inplace_merge(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(middle),
                       entries_.end(), IsNewer);
    const auto end = std::unique(
        entries_.begin(), entries_.end(),
        [](const HistoryEntry& a, const HistoryEntry& b) { return a.position == b.position; });
    entries_.erase(end, entries_.end());
    if (entries_.size() > limit_) entries_.resize(limit_);
  }

  // Entries to make room for at once: as many as a request reads.
  static constexpr std::size_t kReservedMax = 128;

  HistoryCursor& cursor_;
  const ReadPoint& at_;
  const std::int64_t since_ms_;
  const std::size_t limit_;
  std::vector<HistoryEntry> entries_;  // newest first
};

// The anonymous part of a session.
absl::Status AddAnonymous(std::string_view session, const EventStore::HistoryRequest& request,
                          std::int64_t known_from_ms, NewestEntries* newest) {
  if (request.actions) {
    FOURFOLD_RETURN_IF_ERROR(
        newest->Add(Stream::kSessionAnonymousActions, session, true, false, known_from_ms));
  }
  if (request.impressions) {
    FOURFOLD_RETURN_IF_ERROR(
        newest->Add(Stream::kSessionAnonymousSlates, session, false, true, known_from_ms));
  }
  return absl::OkStatus();
}

// What the user did in sessions before anyone knew that they were theirs.
absl::Status AddJoinedSessions(const storage::Store& store,
                               const EventStore::HistoryRequest& request, const ReadPoint& at,
                               HistoryCursor* cursor, NewestEntries* newest) {
  const std::string entity = EntityOf(Stream::kUserSessions, request.user);
  cursor->SeekNewest(entity, INT64_MAX);
  if (!cursor->Valid()) return cursor->status();
  const std::unique_ptr<HistoryCursor> sessions = store.NewHistoryCursor();
  for (sessions->SeekNewest(entity, INT64_MAX); sessions->Valid(); sessions->Next()) {
    if (newest->IsPast(sessions->time())) break;
    const std::string session(sessions->record());
    FOURFOLD_ASSIGN_OR_RETURN(const std::optional<SessionOwner> owner,
                              OwnerOf(cursor, session, at));
    if (!owner.has_value() || owner->user != request.user) continue;
    FOURFOLD_RETURN_IF_ERROR(AddAnonymous(session, request, owner->known_time_ms, newest));
  }
  return sessions->status();
}

// The first moment not before now_ms at which a reader sees one of the item's actions below `end`.
absl::StatusOr<std::optional<std::int64_t>> FirstSeenFrom(HistoryCursor* cursor,
                                                          std::string_view entity, Position end,
                                                          std::int64_t now_ms) {
  std::optional<std::int64_t> first;
  const auto note = [&]() -> absl::Status {
    HistoryEntry line;
    FOURFOLD_RETURN_IF_ERROR(
        DecodeLine(Stream::kItemActions, entity.substr(1), cursor->record(), &line));
    if (line.position >= end) return absl::OkStatus();
    const std::int64_t seen_ms = std::max({cursor->time(), line.known_time_ms, now_ms});
    first = std::min(first.value_or(seen_ms), seen_ms);
    return absl::OkStatus();
  };
  for (cursor->SeekNewest(entity, now_ms); cursor->Valid() && first != now_ms; cursor->Next()) {
    FOURFOLD_RETURN_IF_ERROR(note());
  }
  FOURFOLD_RETURN_IF_ERROR(cursor->status());
  if (first == now_ms) return first;
  for (cursor->SeekOldest(entity); cursor->Valid(); cursor->Next()) {
    if (first.has_value() && cursor->time() >= *first) break;
    FOURFOLD_RETURN_IF_ERROR(note());
  }
  FOURFOLD_RETURN_IF_ERROR(cursor->status());
  return first;
}

}  // namespace

absl::StatusOr<std::optional<SessionOwner>> OwnerOf(HistoryCursor* cursor, std::string_view session,
                                                    const ReadPoint& at) {
  for (cursor->SeekOldest(EntityOf(Stream::kSessionKnown, session)); cursor->Valid();
       cursor->Next()) {
    HistoryEntry link;
    FOURFOLD_RETURN_IF_ERROR(DecodeLine(Stream::kSessionKnown, session, cursor->record(), &link));
    link.event_time_ms = cursor->time();
    if (link.event_time_ms > NewestSeen(at)) break;
    if (at.Sees(link)) return SessionOwner{std::move(link.user), link.known_time_ms};
  }
  FOURFOLD_RETURN_IF_ERROR(cursor->status());
  return std::nullopt;
}

absl::Status ReadHistoryFrom(const storage::Store& store, const EventStore::HistoryRequest& request,
                             const ReadPoint& at, std::vector<HistoryEntry>* entries) {
  if (request.user.empty() && request.session.empty()) {
    return InvalidArgument("a history needs a user or a session");
  }
  const std::unique_ptr<HistoryCursor> cursor = store.NewHistoryCursor();
  NewestEntries newest(cursor.get(), at, request.since_ms, request.limit);
  if (!request.session.empty()) {
    FOURFOLD_RETURN_IF_ERROR(AddAnonymous(request.session, request, kSinceForEverMs, &newest));
    FOURFOLD_RETURN_IF_ERROR(
        newest.Add(Stream::kSessionKnown, request.session, request.actions, request.impressions));
  }
  if (!request.user.empty()) {
    if (request.actions) {
      FOURFOLD_RETURN_IF_ERROR(newest.Add(Stream::kUserActions, request.user, true, false));
    }
    if (request.impressions) {
      FOURFOLD_RETURN_IF_ERROR(newest.Add(Stream::kUserSlates, request.user, false, true));
    }
    FOURFOLD_RETURN_IF_ERROR(AddJoinedSessions(store, request, at, cursor.get(), &newest));
  }
  newest.MoveTo(entries);
  return absl::OkStatus();
}

absl::Status ReadItemHistoryFrom(const storage::Store& store, std::string_view item,
                                 const ReadPoint& at, std::int64_t since_ms, std::size_t limit,
                                 std::vector<HistoryEntry>* entries) {
  const std::unique_ptr<HistoryCursor> cursor = store.NewHistoryCursor();
  NewestEntries newest(cursor.get(), at, since_ms, limit);
  FOURFOLD_RETURN_IF_ERROR(newest.Add(Stream::kItemActions, item, true, false));
  FOURFOLD_RETURN_IF_ERROR(newest.Add(Stream::kItemFacts, item, false, false));
  newest.MoveTo(entries);
  return absl::OkStatus();
}

absl::Status ReadActionsFrom(const storage::Store& store, EventStore::ActionsOf whose,
                             std::string_view id, const ReadPoint& at, bool with_fields,
                             const EventStore::ActionVisitor& visit) {
  constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  std::vector<HistoryEntry> lines;  // newest first
  if (whose == EventStore::ActionsOf::kItem) {
    const std::unique_ptr<HistoryCursor> cursor = store.NewHistoryCursor();
    NewestEntries newest(cursor.get(), at, kSinceForEverMs, kAll);
    FOURFOLD_RETURN_IF_ERROR(newest.Add(Stream::kItemActions, id, true, false));
    newest.MoveTo(&lines);
  } else {
    EventStore::HistoryRequest request{.limit = kAll};
    (whose == EventStore::ActionsOf::kUser ? request.user : request.session) = id;
    FOURFOLD_RETURN_IF_ERROR(ReadHistoryFrom(store, request, at, &lines));
  }
  std::reverse(lines.begin(), lines.end());

  constexpr std::size_t kAtOnce = 1024;  // whose fields are in memory
  std::vector<Position> positions;
  std::vector<std::vector<Field>> fields(std::min(kAtOnce, lines.size()));
  for (std::size_t begin = 0; begin < lines.size(); begin += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, lines.size() - begin);
    if (with_fields) {
      positions.clear();
      for (std::size_t i = 0; i < count; ++i) positions.push_back(lines[begin + i].position);
      for (std::vector<Field>& of_one : fields) of_one.clear();
      FOURFOLD_RETURN_IF_ERROR(store.ReadLogs(
          positions, [&](std::size_t index, std::string_view record) -> absl::Status {
            FOURFOLD_ASSIGN_OR_RETURN(LoggedEvent logged, DecodeLogged(positions[index], record));
            fields[index] = std::move(logged.event.fields);
            return absl::OkStatus();
          }));
    }
    for (std::size_t i = 0; i < count; ++i) visit(lines[begin + i], fields[i]);
  }
  return absl::OkStatus();
}

absl::Status ReadFactEventsFrom(const storage::Store& store, Stream stream, std::string_view id,
                                Position end,
                                const std::function<void(const LoggedEvent&)>& visit) {
  const std::unique_ptr<HistoryCursor> cursor = store.NewHistoryCursor();
  for (cursor->SeekNewest(EntityOf(stream, id), INT64_MAX); cursor->Valid(); cursor->Next()) {
    FOURFOLD_ASSIGN_OR_RETURN(const LoggedEvent logged, DecodeFacts(cursor->record()));
    if (logged.position < end) visit(logged);
  }
  return cursor->status();
}

absl::StatusOr<EntityAsOf> ReadFactsFrom(const storage::Store& store, Stream stream,
                                         std::string_view id, const ReadPoint& at) {
  EntityAsOf entity;
  const std::unique_ptr<HistoryCursor> cursor = store.NewHistoryCursor();
  for (cursor->SeekNewest(EntityOf(stream, id), NewestSeen(at)); cursor->Valid(); cursor->Next()) {
    FOURFOLD_ASSIGN_OR_RETURN(LoggedEvent logged, DecodeFacts(cursor->record()));
    HistoryEntry line;
    line.event_time_ms = logged.event.event_time_ms;
    line.known_time_ms = logged.known_time_ms;
    line.position = logged.position;
    line.session = logged.event.session;
    if (!at.Sees(line)) continue;
    if (logged.event.deleted) break;
    entity.exists = true;
    for (Field& field : logged.event.fields) {
      const bool is_known =
          std::any_of(entity.fields.begin(), entity.fields.end(),
                      [&](const FieldAsOf& known) { return known.name == field.name; });
      if (is_known) continue;
      entity.fields.push_back(
          {std::move(field.name), std::move(field.value), logged.event.event_time_ms});
    }
  }
  FOURFOLD_RETURN_IF_ERROR(cursor->status());
  // A null hid the field's older values until here; it is no value of its own.
  std::erase_if(entity.fields, [](const FieldAsOf& field) {
    return std::holds_alternative<std::monostate>(field.value);
  });
  std::sort(entity.fields.begin(), entity.fields.end(),
            [](const FieldAsOf& a, const FieldAsOf& b) { return a.name < b.name; });
  return entity;
}

absl::Status ScanEntitiesOf(const storage::Store& store, absl::Span<const Stream> streams,
                            const std::function<bool(std::string_view id)>& visit) {
  std::vector<std::unique_ptr<storage::EntityCursor>> cursors;
  for (const Stream stream : streams)
    cursors.push_back(store.NewEntityCursor(EntityOf(stream, "")));
  for (;;) {
    std::optional<std::string> first;
    for (const auto& cursor : cursors) {
      FOURFOLD_RETURN_IF_ERROR(cursor->status());
      if (!cursor->Valid()) continue;
      std::string id = cursor->entity().substr(1);
      if (!first.has_value() || id < *first) first = std::move(id);
    }
    if (!first.has_value() || !visit(*first)) return absl::OkStatus();
    for (const auto& cursor : cursors) {
      if (cursor->Valid() && std::string_view(cursor->entity()).substr(1) == *first) cursor->Next();
    }
  }
}

absl::Status ScanItemEventsFrom(const storage::Store& store, Position end,
                                const std::function<bool(const LoggedEvent&)>& visit) {
  const std::unique_ptr<HistoryCursor> cursor = store.NewHistoryCursor();
  const auto items = store.NewEntityCursor(EntityOf(Stream::kItemFacts, ""));
  for (; items->Valid(); items->Next()) {
    for (cursor->SeekNewest(items->entity(), INT64_MAX); cursor->Valid(); cursor->Next()) {
      FOURFOLD_ASSIGN_OR_RETURN(const LoggedEvent logged, DecodeFacts(cursor->record()));
      if (logged.position < end && !visit(logged)) return absl::OkStatus();
    }
    FOURFOLD_RETURN_IF_ERROR(cursor->status());
  }
  return items->status();
}

absl::Status ScanActedOnFrom(
    const storage::Store& store, Position end, std::int64_t now_ms,
    const std::function<bool(std::string_view item, std::int64_t seen_from_ms)>& visit) {
  const std::unique_ptr<HistoryCursor> cursor = store.NewHistoryCursor();
  const auto items = store.NewEntityCursor(EntityOf(Stream::kItemActions, ""));
  for (; items->Valid(); items->Next()) {
    const std::string_view item = std::string_view(items->entity()).substr(1);
    FOURFOLD_ASSIGN_OR_RETURN(const std::optional<std::int64_t> seen_from_ms,
                              FirstSeenFrom(cursor.get(), items->entity(), end, now_ms));
    if (seen_from_ms.has_value() && !visit(item, *seen_from_ms)) return absl::OkStatus();
  }
  return items->status();
}

}  // namespace fourfold
