#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/action.h"
#include "feature/event_store.h"

// Which entities the event store keeps histories and values of, and the bytes of their records.
// docs/formats.md, "Event store", says every byte.
namespace fourfold {

inline constexpr int kEventStoreFormatVersion = 1;
inline constexpr std::string_view kEventStoreFormatName = "fourfold event store";

// The first byte of an entity's name in the store; its id follows.
enum class Stream : char {
  kUserActions = 'a',
  kUserSlates = 'b',
  kUserFacts = 'c',
  kUserSessions = 'd',  // sessions that hold both the user's events and anonymous ones
  kItemActions = 'e',
  kItemFacts = 'f',
  kSessionAnonymousActions = 'g',
  kSessionAnonymousSlates = 'h',
  kSessionKnown = 'i',  // every event that carries both this session and a user
};

inline std::string EntityOf(Stream stream, std::string_view id) {
  std::string entity;
  entity.reserve(id.size() + 1);
  entity.push_back(static_cast<char>(stream));
  entity.append(id);
  return entity;
}

// Keys of the small values.
inline constexpr std::string_view kStateKey = "s";
std::string EngineValueKey(std::string_view key);    // PutValue's own
std::string ErasedKey(std::string_view user);        // when a user was forgotten
std::string AnonymousKey(std::string_view session);  // the session has anonymous events
std::string MemberPrefix(std::string_view session);  // the users of a session:
std::string MemberKey(std::string_view session, std::string_view user);

// How much of the log is gone (Time, rule 7).
struct Horizon {
  std::int64_t time_ms = kSinceForEverMs;  // of actions and slates before it nothing is read
  // Every event before it was known before time_ms. Facts below both count as known and written.
  Position position = 0;
  // Where histories began when removals began to go by retain_ms.
  std::int64_t floor_ms = kSinceForEverMs;
  std::int64_t retain_ms = 0;
  bool is_removed = true;  // nothing below it is left to remove
};

// What the writer must know after a restart.
struct StoreState {
  Position end = 0;
  std::int64_t last_known_ms = kSinceForEverMs;  // of live events and of erasures
  std::int64_t last_event_time_ms = kSinceForEverMs;
  Horizon horizon;
};
std::string EncodeState(const StoreState& state);
absl::StatusOr<StoreState> DecodeState(std::string_view bytes);

// The log's record: all of a LoggedEvent but its position. Appended to *out.
void EncodeLogged(const LoggedEvent& logged, std::string* out);
absl::StatusOr<LoggedEvent> DecodeLogged(Position position, std::string_view record);

// A line of an action or slate history: what the key (entity, event time, digest) does not say
// already. Appended to *out.
void EncodeLine(Stream stream, const LoggedEvent& logged, std::string* out);
// Fills *entry but for event_time_ms and event_digest, which stand in the key. `id` is the
// entity's, without its stream.
absl::Status DecodeLine(Stream stream, std::string_view id, std::string_view record,
                        HistoryEntry* entry);
// The record of a line of facts: the position and the log's own record.
void EncodeFacts(const LoggedEvent& logged, std::string* out);
absl::StatusOr<LoggedEvent> DecodeFacts(std::string_view record);

// The history line that an event makes, seen from any of its entities.
HistoryEntry LineOf(const LoggedEvent& logged);

inline bool IsFacts(Stream stream) {
  return stream == Stream::kItemFacts || stream == Stream::kUserFacts;
}

// Calls put(stream, id) for each history that an event has a line in.
template <typename Put>
void ForEachHistory(const Event& event, const Put& put) {
  const bool is_anonymous = event.user.empty();
  const bool has_session = !event.session.empty();
  switch (event.kind) {
    case EventKind::kItem:
      put(Stream::kItemFacts, event.item);
      return;
    case EventKind::kUser:
      put(Stream::kUserFacts, event.user);
      if (has_session) put(Stream::kSessionKnown, event.session);
      return;
    case EventKind::kInteraction:
      put(Stream::kItemActions, event.item);
      if (!is_anonymous) put(Stream::kUserActions, event.user);
      if (has_session) {
        put(is_anonymous ? Stream::kSessionAnonymousActions : Stream::kSessionKnown, event.session);
      }
      return;
    case EventKind::kRanking:
      if (!is_anonymous) put(Stream::kUserSlates, event.user);
      if (has_session) {
        put(is_anonymous ? Stream::kSessionAnonymousSlates : Stream::kSessionKnown, event.session);
      }
      return;
  }
}

}  // namespace fourfold
