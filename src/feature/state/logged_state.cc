#include "feature/state/logged_state.h"

#include <algorithm>
#include <utility>

namespace fourfold {

EntityState& LoggedState::StateOf(StateEntity entity, std::string_view id) {
  StringMap<EntityState>& states = states_[static_cast<std::size_t>(entity)];
  const auto found = states.find(id);
  if (found != states.end()) return found->second;
  const auto added = states.emplace(std::string(id), EntityState(schema_, entity, &actions_)).first;
  entity_bytes_ += added->first.capacity() + added->second.bytes();
  return added->second;
}

void LoggedState::AddFacts(StateEntity entity, std::string_view id, const LoggedEvent& logged) {
  if (only_global_ || !schema_->KeepsFacts(entity)) return;
  StringMap<FactTimeline>& facts = facts_[static_cast<std::size_t>(entity)];
  auto found = facts.find(id);
  if (found == facts.end()) {
    found = facts.emplace(std::string(id), FactTimeline()).first;
    entity_bytes_ += sizeof(FactTimeline) + found->first.capacity();
  }
  entity_bytes_ += found->second.Insert(logged, schema_->FactsOf(entity));
}

void LoggedState::Add(const LoggedEvent& logged) {
  const Event& event = logged.event;
  if (event.kind == EventKind::kItem) {
    AddFacts(StateEntity::kItem, event.item, logged);
    return;
  }
  if (event.kind == EventKind::kUser) AddFacts(StateEntity::kUser, event.user, logged);
  if (only_global_ && !Keeps(StateEntity::kGlobal)) return;
  const ActionEntry entry = EntryOf(logged, *schema_, interner_.get());
  if (Keeps(StateEntity::kUser) && entry.session != 0 && entry.user != 0) {
    NoteSession(entry);
  }
  if (event.kind == EventKind::kInteraction) AddAction(event, entry);
}

void LoggedState::VisitActions(
    absl::FunctionRef<void(const ActionEntry& action, std::span<const double> values)> visit)
    const {
  for (std::size_t i = 0; i < actions_.size(); ++i) {
    const auto action = static_cast<ActionIndex>(i);
    visit(actions_.EntryOf(action), actions_.ValuesOf(action));
  }
}

void LoggedState::VisitFacts(
    StateEntity entity,
    absl::FunctionRef<void(std::string_view id, const FactTimeline& facts)> visit) const {
  for (const auto& [id, facts] : facts_[static_cast<std::size_t>(entity)]) visit(id, facts);
}

void LoggedState::KeepOnlyGlobal() {
  only_global_ = true;
  for (std::size_t entity = 0; entity < kStateEntities; ++entity) {
    if (static_cast<StateEntity>(entity) != StateEntity::kGlobal) states_[entity] = {};
    facts_[entity] = {};
  }
  sessions_ = {};
  sessions_of_user_ = {};
  entity_bytes_ = 0;
  for (const auto& [id, state] : states_[static_cast<std::size_t>(StateEntity::kGlobal)]) {
    entity_bytes_ += id.capacity() + state.bytes();
  }
  if (!Keeps(StateEntity::kGlobal)) actions_ = ActionTable(schema_->action_fields.size());
}

void LoggedState::AddAction(const Event& event, const ActionEntry& entry) {
  ValuesOf(event.fields, *schema_, interner_.get(), &values_);
  const ActionIndex action = actions_.Add(entry, values_);
  // All are found before any grows, so that the way to memory is made for them at once.
  EntityState* grown[kStateEntities];
  std::size_t count = 0;
  const auto find = [&](StateEntity entity, std::string_view id) {
    if (!Keeps(entity)) return;
    grown[count] = &StateOf(entity, id);
    grown[count++]->Prefetch(action);
  };
  if (!event.item.empty()) find(StateEntity::kItem, event.item);
  if (!event.session.empty()) find(StateEntity::kSession, event.session);
  find(StateEntity::kGlobal, "");
  if (!event.user.empty()) {
    find(StateEntity::kUser, event.user);
  } else if (Keeps(StateEntity::kUser)) {
    std::vector<ActionIndex>& anonymous = SessionOf(entry.session).anonymous;
    const std::size_t room = anonymous.capacity();
    anonymous.push_back(action);
    entity_bytes_ += (anonymous.capacity() - room) * sizeof(ActionIndex);
  }
  for (std::size_t i = 0; i < count; ++i) {
    entity_bytes_ += grown[i]->Insert(action, entry.known_time_ms);
  }
}

LoggedState::Session& LoggedState::SessionOf(std::uint64_t session) {
  const auto [found, is_new] = sessions_.try_emplace(session);
  if (is_new) entity_bytes_ += sizeof(Session);
  return found->second;
}

void LoggedState::NoteSession(const ActionEntry& entry) {
  Session& session = SessionOf(entry.session);
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
  const std::size_t room = session.namings.capacity();
  session.namings.push_back(entry);
  entity_bytes_ += (session.namings.capacity() - room) * sizeof(ActionEntry);
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
  std::shared_ptr<EntityState> joined;
  for (const std::uint64_t session_hash : sessions->second) {
    const Session& session = sessions_.at(session_hash);
    if (session.anonymous.empty()) continue;
    const ActionEntry* owner = OwnerAt(session, read);
    if (owner == nullptr || owner->user != sessions->first) continue;
    if (joined == nullptr) {
      joined = state == nullptr
                   ? std::make_shared<EntityState>(schema_, StateEntity::kUser, &actions_)
                   : std::make_shared<EntityState>(*state);
    }
    for (const ActionIndex action : session.anonymous) {
      joined->Insert(action,
                     std::max(actions_.EntryOf(action).known_time_ms, owner->known_time_ms));
    }
  }
  if (joined == nullptr) return state;
  holder->push_back(joined);
  return joined.get();
}

absl::StatusOr<const FactTimeline*> LoggedState::FindFacts(StateEntity entity, std::string_view id,
                                                           const ReadPoint&, StateHolder*) const {
  const StringMap<FactTimeline>& facts = facts_[static_cast<std::size_t>(entity)];
  const auto found = facts.find(id);
  return found == facts.end() ? nullptr : &found->second;
}

}  // namespace fourfold
