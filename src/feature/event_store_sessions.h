#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strings.h"
#include "storage/store.h"

namespace fourfold {

// Keeps, for the one writer, which sessions hold both anonymous events and those of a user, so that
// a read finds a user's sessions without searching (Time, rule 8): in the stream kUserSessions of
// each such user a line per session, whose time is not before any anonymous event of the session.
//
// Whose a session is, is not decided here but at each read point. Not thread-safe.
class SessionRegistry {
 public:
  explicit SessionRegistry(const storage::Store* store) : store_(store) {}

  // Call before the first Note of a batch, when all batches but the last are written.
  void StartBatch();
  // An event of this session goes into the batch; an empty user means an anonymous one. Adds what
  // must be kept.
  absl::Status Note(std::string_view session, std::string_view user, std::int64_t event_time_ms,
                    storage::Batch* batch);
  // The batch did not go in, or something was erased: what is remembered may not hold any more.
  void Forget();

  // For erasure, with nothing pending: takes a user's line and membership out.
  absl::Status EraseMember(std::string_view session, std::string_view user, storage::Batch* batch);
  // For erasure: the session has no anonymous events any more.
  absl::Status EraseAnonymous(std::string_view session, storage::Batch* batch);
  // For retention: the same, where it has none from this time on.
  absl::Status EraseAnonymousBefore(std::string_view session, std::int64_t time_ms,
                                    storage::Batch* batch);

 private:
  // Of sessions without anonymous events.
  static constexpr std::int64_t kNone = INT64_MIN;

  // What is known of a session: in the store, or in a batch that is not written yet.
  struct Session {
    std::optional<std::int64_t> line_time;  // or kNone; nothing: not asked for yet
    // Some of its members, the unwritten ones among them. Few sessions have more than one.
    std::string user;
    std::vector<std::string> other_users;

    bool HasMember(std::string_view wanted) const;
  };

  absl::Status NoteAnonymous(std::string_view session, std::int64_t event_time_ms,
                             storage::Batch* batch);
  absl::Status NoteMember(std::string_view session, std::string_view user, storage::Batch* batch);
  // Finds it among those remembered, or remembers it with nothing known.
  Session& Remember(std::string_view session);
  // The time of the session's lines, or kNone.
  absl::StatusOr<std::int64_t> LineTime(std::string_view session, Session* remembered);
  absl::StatusOr<std::int64_t> StoredLineTime(std::string_view session) const;
  // Of the store and of those remembered.
  absl::StatusOr<std::set<std::string>> MembersOf(std::string_view session,
                                                  const Session& remembered) const;
  // Whether any session has, or had, anonymous events.
  absl::StatusOr<bool> HasAnonymous();

  const storage::Store* store_;
  // The newest batch notes in `newer_`, the one before it there or in `older_`.
  StringMap<Session> newer_;
  StringMap<Session> older_;
  std::optional<bool> has_anonymous_;
};

}  // namespace fourfold
