#pragma once

#include "feature/event_store.h"
#include "feature/state/state_source.h"

namespace fourfold {

// State out of the event store's histories, made anew for each read: slow for entities with many
// actions, and kGlobal scans the log, but nothing is kept in memory. Thread-safe.
class StoredState final : public StateSource {
 public:
  // Both must outlive it.
  StoredState(const StateSchema* schema, const EventStore* store)
      : schema_(schema), store_(store) {}

  absl::StatusOr<const EntityState*> Find(StateEntity entity, std::string_view id,
                                          const ReadPoint& at, StateHolder* holder) const override;
  const Interner& interner() const override { return interner_; }

 private:
  // A state and the actions that it points to.
  struct Made {
    Made(const StateSchema* schema, StateEntity entity)
        : actions(schema->action_fields.size()), state(schema, entity, &actions) {}
    ActionTable actions;
    EntityState state;
  };

  absl::Status ReadActions(StateEntity entity, std::string_view id, const ReadPoint& at,
                           Made* made) const;
  absl::Status ReadFacts(StateEntity entity, std::string_view id, const ReadPoint& at,
                         Made* made) const;
  absl::Status ScanActions(Made* made) const;
  absl::Status Insert(const HistoryEntry& line, std::vector<double>* values, Made* made) const;

  const StateSchema* schema_;
  const EventStore* store_;
  mutable Interner interner_;
};

}  // namespace fourfold
