#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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

 private:
  // Of sessions without anonymous events.
  static constexpr std::int64_t kNone = INT64_MIN;

  // What is in the store or in a batch that is not written yet.
  struct Remembered {
    StringSet members;                   // MemberKeys
    StringMap<std::int64_t> line_times;  // by session
  };

  absl::Status NoteAnonymous(std::string_view session, std::int64_t event_time_ms,
                             storage::Batch* batch);
  absl::Status NoteMember(std::string_view session, std::string_view user, storage::Batch* batch);
  // The time of the session's lines, or kNone.
  absl::StatusOr<std::int64_t> LineTime(std::string_view session);
  absl::StatusOr<std::int64_t> StoredLineTime(std::string_view session) const;
  // Of the store and of the batches that may not be written yet.
  absl::StatusOr<std::vector<std::string>> MembersOf(std::string_view session) const;
  // Whether any session has, or had, anonymous events.
  absl::StatusOr<bool> HasAnonymous();

  const storage::Store* store_;
  // The newest batch notes in `newer_`, the one before it there or in `older_`.
  Remembered newer_;
  Remembered older_;
  StringMap<std::vector<std::string>> newer_members_;  // by session, of the newest batch
  StringMap<std::vector<std::string>> older_members_;  // of the one before
  std::optional<bool> has_anonymous_;
};

}  // namespace fourfold
