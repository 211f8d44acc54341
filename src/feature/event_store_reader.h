#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feature/event_store.h"
#include "feature/event_store_codec.h"
#include "storage/store.h"

// The reads of the event store. Every read point given here is clipped to what the store holds.
namespace fourfold {

// Whose an anonymous session is, and since when that is known (Time, rule 8).
struct SessionOwner {
  std::string user;
  std::int64_t known_time_ms = 0;
};

// The user of the session's first event, by (event time, digest), that carries one and is seen.
absl::StatusOr<std::optional<SessionOwner>> OwnerOf(storage::HistoryCursor* cursor,
                                                    std::string_view session, const ReadPoint& at);

absl::Status ReadHistoryFrom(const storage::Store& store, const EventStore::HistoryRequest& request,
                             const ReadPoint& at, std::vector<HistoryEntry>* entries);
absl::Status ReadItemHistoryFrom(const storage::Store& store, std::string_view item,
                                 const ReadPoint& at, std::int64_t since_ms, std::size_t limit,
                                 std::vector<HistoryEntry>* entries);
absl::Status ReadActionsFrom(const storage::Store& store, EventStore::ActionsOf whose,
                             std::string_view id, const ReadPoint& at, bool with_fields,
                             const EventStore::ActionVisitor& visit);
// The events of a stream of facts below `end`, newest first.
absl::Status ReadFactEventsFrom(const storage::Store& store, Stream stream, std::string_view id,
                                Position end, const std::function<void(const LoggedEvent&)>& visit);
// The fields of an item (kItemFacts) or a user (kUserFacts).
absl::StatusOr<EntityAsOf> ReadFactsFrom(const storage::Store& store, Stream stream,
                                         std::string_view id, const ReadPoint& at);
// Each id that has a history in one of the streams, once, in the order of bytes.
absl::Status ScanEntitiesOf(const storage::Store& store, absl::Span<const Stream> streams,
                            const std::function<bool(std::string_view id)>& visit);
// See EventStore; both leave out what lies at or past `end`.
absl::Status ScanItemEventsFrom(const storage::Store& store, Position end,
                                const std::function<bool(const LoggedEvent&)>& visit);
absl::Status ScanActedOnFrom(
    const storage::Store& store, Position end, std::int64_t now_ms,
    const std::function<bool(std::string_view item, std::int64_t seen_from_ms)>& visit);

}  // namespace fourfold
