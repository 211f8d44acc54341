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
  absl::Status ReadActions(StateEntity entity, std::string_view id, const ReadPoint& at,
                           EntityState* state) const;
  absl::Status ReadFacts(StateEntity entity, std::string_view id, const ReadPoint& at,
                         EntityState* state) const;
  absl::Status ScanActions(EntityState* state) const;
  absl::Status Insert(const HistoryEntry& line, std::vector<double>* values,
                      EntityState* state) const;

  const StateSchema* schema_;
  const EventStore* store_;
  mutable Interner interner_;
};

}  // namespace fourfold
