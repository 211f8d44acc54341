#include "feature/event_store_sessions.h"

#include "base/coding.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "feature/event_store_codec.h"

namespace fourfold {
namespace {

// Memory for about as many sessions and members; past it the store is asked anew.
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

void SessionRegistry::StartBatch() {
  pending_members_.clear();
  if (members_.size() > kRememberedMax || line_times_.size() > kRememberedMax) Forget();
}

void SessionRegistry::Forget() {
  members_.clear();
  line_times_.clear();
  pending_members_.clear();
}

absl::Status SessionRegistry::Note(std::string_view session, std::string_view user,
                                   std::int64_t event_time_ms, storage::Batch* batch) {
  return user.empty() ? NoteAnonymous(session, event_time_ms, batch)
                      : NoteMember(session, user, batch);
}

absl::Status SessionRegistry::NoteAnonymous(std::string_view session, std::int64_t event_time_ms,
                                            storage::Batch* batch) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t old_time, LineTime(session));
  const std::int64_t time = SpanEnd(event_time_ms);
  if (old_time != kNone && time <= old_time) return absl::OkStatus();
  std::string value;
  AppendVarint(&value, ZigZag(time));
  batch->PutValue(AnonymousKey(session), value);
  line_times_.insert_or_assign(session, time);
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<std::string> users, MembersOf(session));
  for (const std::string& user : users) {
    if (old_time != kNone) EraseLine(user, session, old_time, batch);
    PutLine(user, session, time, batch);
  }
  return absl::OkStatus();
}

absl::Status SessionRegistry::NoteMember(std::string_view session, std::string_view user,
                                         storage::Batch* batch) {
  std::string key = MemberKey(session, user);
  if (members_.contains(key)) return absl::OkStatus();
  std::string value;
  const absl::Status found = store_->GetValue(key, &value);
  if (!found.ok() && !absl::IsNotFound(found)) return found;
  if (!found.ok()) {
    batch->PutValue(key, "");
    pending_members_[session].emplace_back(user);
    FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t time, LineTime(session));
    if (time != kNone) PutLine(user, session, time, batch);
  }
  members_.insert(std::move(key));
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> SessionRegistry::LineTime(std::string_view session) {
  if (const auto known = line_times_.find(session); known != line_times_.end()) {
    return known->second;
  }
  std::string value;
  std::int64_t time = kNone;
  const absl::Status found = store_->GetValue(AnonymousKey(session), &value);
  if (!found.ok() && !absl::IsNotFound(found)) return found;
  if (found.ok()) {
    Decoder decoder(value);
    time = decoder.SignedVarint();
    if (!decoder.ok()) return DataLoss("session \"", session, "\": its state is not readable");
  }
  line_times_.emplace(session, time);
  return time;
}

absl::StatusOr<std::vector<std::string>> SessionRegistry::MembersOf(
    std::string_view session) const {
  std::vector<std::string> users;
  const std::string prefix = MemberPrefix(session);
  FOURFOLD_RETURN_IF_ERROR(store_->ScanValues(prefix, [&](std::string_view key, std::string_view) {
    users.emplace_back(key.substr(prefix.size()));
    return true;
  }));
  if (const auto pending = pending_members_.find(session); pending != pending_members_.end()) {
    users.insert(users.end(), pending->second.begin(), pending->second.end());
  }
  return users;
}

absl::Status SessionRegistry::EraseMember(std::string_view session, std::string_view user,
                                          storage::Batch* batch) {
  batch->EraseValue(MemberKey(session, user));
  FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t time, LineTime(session));
  if (time != kNone) EraseLine(user, session, time, batch);
  return absl::OkStatus();
}

absl::Status SessionRegistry::EraseAnonymous(std::string_view session, storage::Batch* batch) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t time, LineTime(session));
  batch->EraseValue(AnonymousKey(session));
  if (time == kNone) return absl::OkStatus();
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<std::string> users, MembersOf(session));
  for (const std::string& user : users) EraseLine(user, session, time, batch);
  return absl::OkStatus();
}

}  // namespace fourfold
