#include "feature/state/stored_state.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status_macros.h"

namespace fourfold {

absl::StatusOr<const EntityState*> StoredState::Find(StateEntity entity, std::string_view id,
                                                     const ReadPoint& at,
                                                     StateHolder* holder) const {
  std::shared_ptr<const OwnedState> owned;
  if (entity == StateEntity::kGlobal) {
    FOURFOLD_ASSIGN_OR_RETURN(owned, ReadGlobal(at));
  } else if (!id.empty()) {
    FOURFOLD_ASSIGN_OR_RETURN(owned, ReadOwnedState(*store_, *schema_, entity, id, at, &interner_));
  } else {
    return nullptr;
  }
  const EntityState* state = &owned->state;
  holder->push_back(std::move(owned));
  return state;
}

absl::StatusOr<const FactTimeline*> StoredState::FindFacts(StateEntity entity, std::string_view id,
                                                           const ReadPoint& at,
                                                           StateHolder* holder) const {
  if (id.empty()) return nullptr;
  FOURFOLD_ASSIGN_OR_RETURN(const EntityAsOf facts, entity == StateEntity::kItem
                                                        ? store_->ReadItem(id, at)
                                                        : store_->ReadUserFields(id, at));
  // What holds at the read point, as one fact that every reader sees.
  LoggedEvent logged;
  logged.event.event_time_ms = logged.known_time_ms = kSinceForEverMs;
  for (const FieldAsOf& field : facts.fields) {
    logged.event.fields.push_back({field.name, field.value});
  }
  const auto timeline = std::make_shared<FactTimeline>();
  timeline->Insert(logged, schema_->FactsOf(entity));
  holder->push_back(timeline);
  return timeline.get();
}

absl::StatusOr<std::shared_ptr<const OwnedState>> StoredState::ReadGlobal(
    const ReadPoint& at) const {
  const Position end = store_->EndPosition();
  const MutexLock lock(&global_mutex_);
  if (global_ != nullptr && std::min(at.position_end, end) <= global_end_) return global_;
  const auto owned = std::make_shared<OwnedState>(schema_, StateEntity::kGlobal);
  std::vector<double> values;
  FOURFOLD_RETURN_IF_ERROR(store_->ScanLog(0, end, [&](const LoggedEvent& logged) {
    if (logged.event.kind != EventKind::kInteraction) return true;
    ValuesOf(logged.event.fields, *schema_, &interner_, &values);
    owned->Add(EntryOf(logged, *schema_, &interner_), values);
    return true;
  }));
  global_ = owned;
  global_end_ = end;
  return global_;
}

}  // namespace fourfold
