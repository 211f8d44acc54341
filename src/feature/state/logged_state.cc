#include "feature/state/logged_state.h"

#include <algorithm>
#include <utility>

#include "feature/event_store_codec.h"

namespace fourfold {

EntityState& LoggedState::StateOf(StateEntity entity, std::string_view id) {
  StringMap<EntityState>& states = states_[static_cast<std::size_t>(entity)];
  const auto found = states.find(id);
  if (found != states.end()) return found->second;
  return states.emplace(std::string(id), EntityState(schema_, entity)).first->second;
}

void LoggedState::Add(const LoggedEvent& logged) {
  const Event& event = logged.event;
  if (event.kind == EventKind::kItem) {
    if (schema_->KeepsFacts(StateEntity::kItem)) {
      StateOf(StateEntity::kItem, event.item).InsertFacts(logged);
    }
    return;
  }
  if (event.kind == EventKind::kUser && schema_->KeepsFacts(StateEntity::kUser)) {
    StateOf(StateEntity::kUser, event.user).InsertFacts(logged);
  }
  const ActionEntry entry = EntryOf(LineOf(logged), *schema_, &interner_);
  if (schema_->Keeps(StateEntity::kUser) && entry.session != 0 && entry.user != 0) {
    NoteSession(entry);
  }
  if (event.kind == EventKind::kInteraction) AddAction(event, entry);
}

void LoggedState::AddAction(const Event& event, const ActionEntry& entry) {
  ValuesOf(event.fields, *schema_, &interner_, &values_);
  if (schema_->Keeps(StateEntity::kItem) && !event.item.empty()) {
    StateOf(StateEntity::kItem, event.item).Insert(entry, values_);
  }
  if (schema_->Keeps(StateEntity::kSession) && !event.session.empty()) {
    StateOf(StateEntity::kSession, event.session).Insert(entry, values_);
  }
  if (schema_->Keeps(StateEntity::kGlobal)) {
    StateOf(StateEntity::kGlobal, "").Insert(entry, values_);
  }
  if (!schema_->Keeps(StateEntity::kUser)) return;
  if (!event.user.empty()) {
    StateOf(StateEntity::kUser, event.user).Insert(entry, values_);
  } else {
    sessions_[entry.session].anonymous.push_back({entry, values_});
  }
}

void LoggedState::NoteSession(const ActionEntry& entry) {
  Session& session = sessions_[entry.session];
  // Whoever sees `later` sees `earlier`, too, and it comes first.
  const auto always_first = [](const ActionEntry& earlier, const ActionEntry& later) {
    return earlier.event_time_ms < later.event_time_ms &&
           earlier.known_time_ms < later.known_time_ms && earlier.position < later.position &&
           (earlier.tie_group == 0 || earlier.tie_group == later.tie_group);
  };
  for (const ActionEntry& naming : session.namings) {
    if (always_first(naming, entry)) return;
  }
  std::erase_if(session.namings,
                [&](const ActionEntry& naming) { return always_first(entry, naming); });
  session.namings.push_back(entry);
  std::vector<std::uint64_t>& sessions = sessions_of_user_[entry.user];
  if (std::find(sessions.begin(), sessions.end(), entry.session) == sessions.end()) {
    sessions.push_back(entry.session);
  }
}

const ActionEntry* LoggedState::OwnerAt(const Session& session, const StateRead& read) {
  const ActionEntry* owner = nullptr;
  for (const ActionEntry& naming : session.namings) {
    if (read.Sees(naming) && (owner == nullptr || IsOlder(naming, *owner))) owner = &naming;
  }
  return owner;
}

absl::StatusOr<const EntityState*> LoggedState::Find(StateEntity entity, std::string_view id,
                                                     const ReadPoint& at,
                                                     StateHolder* holder) const {
  const StringMap<EntityState>& states = states_[static_cast<std::size_t>(entity)];
  const auto found = states.find(id);
  const EntityState* state = found == states.end() ? nullptr : &found->second;
  if (entity != StateEntity::kUser) return state;
  const auto sessions = sessions_of_user_.find(HashOfId(id));
  if (sessions == sessions_of_user_.end()) return state;

  const StateRead read = MakeStateRead(at, 0);
  std::unique_ptr<EntityState> joined;
  for (const std::uint64_t session_hash : sessions->second) {
    const Session& session = sessions_.at(session_hash);
    if (session.anonymous.empty()) continue;
    const ActionEntry* owner = OwnerAt(session, read);
    if (owner == nullptr || owner->user != sessions->first) continue;
    if (joined == nullptr) {
      joined = state == nullptr ? std::make_unique<EntityState>(schema_, StateEntity::kUser)
                                : std::make_unique<EntityState>(*state);
    }
    for (const StoredEntry& stored : session.anonymous) {
      ActionEntry entry = stored.entry;
      entry.known_time_ms = std::max(entry.known_time_ms, owner->known_time_ms);
      joined->Insert(entry, stored.values);
    }
  }
  if (joined == nullptr) return state;
  holder->push_back(std::move(joined));
  return holder->back().get();
}

std::size_t LoggedState::bytes() const {
  std::size_t sum = sizeof(LoggedState);
  for (const StringMap<EntityState>& states : states_) {
    for (const auto& [id, state] : states) sum += id.capacity() + state.bytes();
  }
  for (const auto& [hash, session] : sessions_) {
    sum += sizeof(Session) + session.namings.capacity() * sizeof(ActionEntry) +
           session.anonymous.capacity() * sizeof(StoredEntry);
  }
  return sum;
}

}  // namespace fourfold
