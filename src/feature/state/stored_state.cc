#include "feature/state/stored_state.h"

#include <limits>
#include <utility>

#include "base/status_macros.h"

namespace fourfold {

absl::StatusOr<const EntityState*> StoredState::Find(StateEntity entity, std::string_view id,
                                                     const ReadPoint& at,
                                                     StateHolder* holder) const {
  if (id.empty() && entity != StateEntity::kGlobal) return nullptr;
  auto made = std::make_shared<Made>(schema_, entity);
  if (schema_->Keeps(entity)) {
    FOURFOLD_RETURN_IF_ERROR(entity == StateEntity::kGlobal
                                 ? ScanActions(made.get())
                                 : ReadActions(entity, id, at, made.get()));
  }
  if (schema_->KeepsFacts(entity)) {
    FOURFOLD_RETURN_IF_ERROR(ReadFacts(entity, id, at, made.get()));
  }
  const EntityState* state = &made->state;
  holder->push_back(std::move(made));
  return state;
}

absl::Status StoredState::Insert(const HistoryEntry& line, std::vector<double>* values,
                                 Made* made) const {
  values->assign(schema_->action_fields.size(), std::numeric_limits<double>::quiet_NaN());
  if (!schema_->action_fields.empty()) {
    FOURFOLD_RETURN_IF_ERROR(
        store_->ScanLog(line.position, line.position + 1, [&](const LoggedEvent& logged) {
          ValuesOf(logged.event.fields, *schema_, &interner_, values);
          return true;
        }));
  }
  made->state.Insert(made->actions.Add(EntryOf(line, *schema_, &interner_), *values),
                     line.known_time_ms);
  return absl::OkStatus();
}

absl::Status StoredState::ReadActions(StateEntity entity, std::string_view id, const ReadPoint& at,
                                      Made* made) const {
  constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  std::vector<HistoryEntry> lines;
  if (entity == StateEntity::kItem) {
    FOURFOLD_RETURN_IF_ERROR(store_->ReadItemHistory(id, at, kAll, &lines));
  } else if (entity == StateEntity::kUser) {
    FOURFOLD_RETURN_IF_ERROR(store_->ReadHistory({.user = id, .limit = kAll}, at, &lines));
  } else {
    FOURFOLD_RETURN_IF_ERROR(store_->ReadHistory({.session = id, .limit = kAll}, at, &lines));
  }
  std::vector<double> values;
  // Oldest first, the order in which a timeline takes them most cheaply.
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->kind != HistoryKind::kAction) continue;
    FOURFOLD_RETURN_IF_ERROR(Insert(*line, &values, made));
  }
  return absl::OkStatus();
}

absl::Status StoredState::ReadFacts(StateEntity entity, std::string_view id, const ReadPoint& at,
                                    Made* made) const {
  FOURFOLD_ASSIGN_OR_RETURN(const EntityAsOf facts, entity == StateEntity::kItem
                                                        ? store_->ReadItem(id, at)
                                                        : store_->ReadUser(id, at));
  // What holds at the read point, as one fact that every reader sees.
  LoggedEvent logged;
  logged.event.event_time_ms = logged.known_time_ms = kSinceForEverMs;
  for (const FieldAsOf& field : facts.fields) {
    logged.event.fields.push_back({field.name, field.value});
  }
  made->state.InsertFacts(logged);
  return absl::OkStatus();
}

absl::Status StoredState::ScanActions(Made* made) const {
  std::vector<double> values;
  return store_->ScanLog(0, store_->EndPosition(), [&](const LoggedEvent& logged) {
    if (logged.event.kind != EventKind::kInteraction) return true;
    ValuesOf(logged.event.fields, *schema_, &interner_, &values);
    made->state.Insert(made->actions.Add(EntryOf(logged, *schema_, &interner_), values),
                       logged.known_time_ms);
    return true;
  });
}

}  // namespace fourfold
