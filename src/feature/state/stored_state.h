#pragma once

#include <memory>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "feature/event_store.h"
#include "feature/state/owned_state.h"
#include "feature/state/state_source.h"

namespace fourfold {

// State out of the event store's histories, made anew for each read: slow for entities with many
// actions, but nothing is kept in memory, except of everybody (kGlobal): those actions are read
// from the log once, and again only for a read that sees past them. Thread-safe.
class StoredState final : public StateSource {
 public:
  // Both must outlive it.
  StoredState(const StateSchema* schema, const EventStore* store)
      : schema_(schema), store_(store) {}

  absl::StatusOr<const EntityState*> Find(StateEntity entity, std::string_view id,
                                          const ReadPoint& at, StateHolder* holder) const override;
  absl::StatusOr<const FactTimeline*> FindFacts(StateEntity entity, std::string_view id,
                                                const ReadPoint& at,
                                                StateHolder* holder) const override;
  const Interner& interner() const override { return interner_; }
  absl::Status CheckReach(const ReadPoint& at, std::int64_t since_ms) const override {
    return store_->CheckReach(at, since_ms);
  }

 private:
  absl::StatusOr<std::shared_ptr<const OwnedState>> ReadGlobal(const ReadPoint& at) const
      ABSL_LOCKS_EXCLUDED(global_mutex_);

  const StateSchema* schema_;
  const EventStore* store_;
  mutable Interner interner_;
  mutable Mutex global_mutex_;
  mutable std::shared_ptr<const OwnedState> global_ ABSL_GUARDED_BY(global_mutex_);
  mutable Position global_end_ ABSL_GUARDED_BY(global_mutex_) = 0;  // what of the log is in it
};

}  // namespace fourfold
