#include "feature/state/owned_state.h"

#include <vector>

#include "base/status_macros.h"

namespace fourfold {
namespace {

EventStore::ActionsOf WhoseOf(StateEntity entity) {
  if (entity == StateEntity::kItem) return EventStore::ActionsOf::kItem;
  return entity == StateEntity::kUser ? EventStore::ActionsOf::kUser
                                      : EventStore::ActionsOf::kSession;
}

}  // namespace

absl::StatusOr<std::shared_ptr<OwnedState>> ReadOwnedState(const EventStore& store,
                                                           const StateSchema& schema,
                                                           StateEntity entity, std::string_view id,
                                                           const ReadPoint& at,
                                                           Interner* interner) {
  auto owned = std::make_shared<OwnedState>(&schema, entity);
  std::vector<double> values;
  FOURFOLD_RETURN_IF_ERROR(
      store.ReadActions(WhoseOf(entity), id, at, /*with_fields=*/!schema.action_fields.empty(),
                        [&](const HistoryEntry& line, const std::vector<Field>& fields) {
                          ValuesOf(fields, schema, interner, &values);
                          owned->Add(EntryOf(line, schema, interner), values);
                        }));
  owned->actions.Shrink();
  return owned;
}

}  // namespace fourfold
