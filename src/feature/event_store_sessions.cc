#include "feature/event_store_sessions.h"

#include <set>
#include <utility>

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
  older_members_ = std::exchange(newer_members_, {});
  if (newer_.members.size() + newer_.line_times.size() > kRememberedMax) {
    older_ = std::exchange(newer_, {});
  }
}

void SessionRegistry::Forget() {
  newer_ = {};
  older_ = {};
  newer_members_.clear();
  older_members_.clear();
  has_anonymous_.reset();
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
  newer_.line_times.insert_or_assign(session, time);
  has_anonymous_ = true;
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
  if (newer_.members.contains(key)) return absl::OkStatus();
  if (!older_.members.contains(key)) {
    // What the store holds already is put in once more: cheaper than asking it.
    batch->PutValue(key, "");
    newer_members_[session].emplace_back(user);
    FOURFOLD_ASSIGN_OR_RETURN(const std::int64_t time, LineTime(session));
    if (time != kNone) PutLine(user, session, time, batch);
  }
  newer_.members.insert(std::move(key));
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> SessionRegistry::LineTime(std::string_view session) {
  if (const auto known = newer_.line_times.find(session); known != newer_.line_times.end()) {
    return known->second;
  }
  std::int64_t time = kNone;
  if (const auto known = older_.line_times.find(session); known != older_.line_times.end()) {
    time = known->second;
  } else {
    FOURFOLD_ASSIGN_OR_RETURN(const bool has_anonymous, HasAnonymous());
    if (!has_anonymous) return kNone;
    FOURFOLD_ASSIGN_OR_RETURN(time, StoredLineTime(session));
  }
  newer_.line_times.emplace(session, time);
  return time;
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

absl::StatusOr<std::vector<std::string>> SessionRegistry::MembersOf(
    std::string_view session) const {
  std::set<std::string> users;
  const std::string prefix = MemberPrefix(session);
  FOURFOLD_RETURN_IF_ERROR(store_->ScanValues(prefix, [&](std::string_view key, std::string_view) {
    users.emplace(key.substr(prefix.size()));
    return true;
  }));
  for (const auto* unwritten : {&older_members_, &newer_members_}) {
    const auto members = unwritten->find(session);
    if (members != unwritten->end()) users.insert(members->second.begin(), members->second.end());
  }
  return std::vector<std::string>(users.begin(), users.end());
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
