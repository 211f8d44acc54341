#include "feature/event_store_sessions.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "feature/event_store_codec.h"

namespace fourfold {
namespace {

// Memory for about as many sessions, and those of the two newest batches; past it the store is
// asked anew.
constexpr std::size_t kRememberedMax = 1 << 14;
// Lines stand at the ends of spans of about 70 minutes, so that a session moves seldom.
constexpr std::int64_t kLineSpanMs = 1 << 22;

std::int64_t SpanEnd(std::int64_t event_time_ms) { return event_time_ms | (kLineSpanMs - 1); }

void PutLine(std::string_view user, std::string_view session, std::int64_t time,
             storage::Batch* batch) {
  batch->PutHistory(EntityOf(Stream::kUserSessions, user), time, DigestOf(session), session);
}
void EraseLine(std::string_view user, std::string_view session, std::int64_t time,
               storage::Batch* batch) {
  batch->EraseHistory(EntityOf(Stream::kUserSessions, user), time, DigestOf(session));
}

}  // namespace

bool SessionRegistry::Session::HasMember(std::string_view wanted) const {
  if (user == wanted) return true;
  return std::find(other_users.begin(), other_users.end(), wanted) != other_users.end();
}

void SessionRegistry::StartBatch() {
  if (newer_.size() <= kRememberedMax) return;
  older_ = std::exchange(newer_, {});
  newer_.reserve(older_.size());
}

void SessionRegistry::Forget() {
  newer_.clear();
  older_.clear();
  has_anonymous_.reset();
}

SessionRegistry::Session& SessionRegistry::Remember(std::string_view session) {
  const auto newer = newer_.find(session);
  if (newer != newer_.end()) return newer->second;
  Session remembered;
  if (const auto older = older_.find(session); older != older_.end()) {
    remembered = std::move(older->second);
    older_.erase(older);
  }
  return newer_.emplace(session, std::move(remembered)).first->second;
}

absl::Status SessionRegistry::Note(std::string_view session, std::string_view user,
                                   std::int64_t event_time_ms, storage::Batch* batch) {
  return user.empty() ? NoteAnonymous(session, event_time_ms, batch)
                      : NoteMember(session, user, batch);
}

absl::Status SessionRegistry::NoteAnonymous(std::string_view session, std::int64_t event_time_ms,
                                            storage::Batch* batch) {
  Session& remembered = Remember(session);
  FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t old_time, LineTime(session, &remembered));
  const std::int64_t time = SpanEnd(event_time_ms);
  if (old_time != kNone && time <= old_time) return absl::OkStatus();
  std::string value;
  AppendVarint(&value, ZigZag(time));
  batch->PutValue(AnonymousKey(session), value);
  remembered.line_time = time;
  has_anonymous_ = true;
  FOURFOLD_ASSIGN_OR_RETURN(const std::set<std::string> users, MembersOf(session, remembered));
  for (const std::string& user : users) {
    if (old_time != kNone) EraseLine(user, session, old_time, batch);
    PutLine(user, session, time, batch);
  }
  return absl::OkStatus();
}

absl::Status SessionRegistry::NoteMember(std::string_view session, std::string_view user,
                                         storage::Batch* batch) {
  Session& remembered = Remember(session);
  if (remembered.HasMember(user)) return absl::OkStatus();
  // What the store holds already is put in once more: cheaper than asking it.
  batch->PutValue(MemberKey(session, user), "");
  FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t time, LineTime(session, &remembered));
  if (time != kNone) PutLine(user, session, time, batch);
  if (remembered.user.empty()) {
    remembered.user = user;
  } else {
    remembered.other_users.emplace_back(user);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> SessionRegistry::LineTime(std::string_view session,
                                                       Session* remembered) {
  if (!remembered->line_time.has_value()) {
    FOURFOLD_ASSIGN_OR_RETURN(const bool has_anonymous, HasAnonymous());
    remembered->line_time = kNone;
    if (has_anonymous) {
      FOURFOLD_ASSIGN_OR_RETURN(remembered->line_time, StoredLineTime(session));
    }
  }
  return *remembered->line_time;
}

absl::StatusOr<std::int64_t> SessionRegistry::StoredLineTime(std::string_view session) const {
  std::string value;
  const absl::Status found = store_->GetValue(AnonymousKey(session), &value);
  if (absl::IsNotFound(found)) return kNone;
  FOURFOLD_RETURN_IF_ERROR(found);
  Decoder decoder(value);
  const std::int64_t time = decoder.SignedVarint();
  if (!decoder.ok()) return DataLoss("session \"", session, "\": its state is not readable");
  return time;
}

absl::StatusOr<bool> SessionRegistry::HasAnonymous() {
  if (!has_anonymous_.has_value()) {
    bool has_any = false;
    FOURFOLD_RETURN_IF_ERROR(
        store_->ScanValues(AnonymousKey(""), [&](std::string_view, std::string_view) {
          has_any = true;
          return false;
        }));
    has_anonymous_ = has_any;
  }
  return *has_anonymous_;
}

absl::StatusOr<std::set<std::string>> SessionRegistry::MembersOf(std::string_view session,
                                                                 const Session& remembered) const {
  std::set<std::string> users(remembered.other_users.begin(), remembered.other_users.end());
  if (!remembered.user.empty()) users.insert(remembered.user);
  const std::string prefix = MemberPrefix(session);
  FOURFOLD_RETURN_IF_ERROR(store_->ScanValues(prefix, [&](std::string_view key, std::string_view) {
    users.emplace(key.substr(prefix.size()));
    return true;
  }));
  return users;
}

absl::Status SessionRegistry::EraseMember(std::string_view session, std::string_view user,
                                          storage::Batch* batch) {
  batch->EraseValue(MemberKey(session, user));
  FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t time, StoredLineTime(session));
  if (time != kNone) EraseLine(user, session, time, batch);
  return absl::OkStatus();
}

absl::Status SessionRegistry::EraseAnonymousBefore(std::string_view session, std::int64_t time_ms,
                                                   storage::Batch* batch) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t line_time, StoredLineTime(session));
  return line_time < time_ms ? EraseAnonymous(session, batch) : absl::OkStatus();
}

absl::Status SessionRegistry::EraseAnonymous(std::string_view session, storage::Batch* batch) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t time, StoredLineTime(session));
  batch->EraseValue(AnonymousKey(session));
  if (time == kNone) return absl::OkStatus();
  FOURFOLD_ASSIGN_OR_RETURN(const std::set<std::string> users, MembersOf(session, Session()));
  for (const std::string& user : users) EraseLine(user, session, time, batch);
  return absl::OkStatus();
}

}  // namespace fourfold
