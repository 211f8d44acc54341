#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "feature/event_store.h"
#include "feature/state/entity_state.h"

namespace fourfold {

// The actions of one entity, with nothing beside them.
struct OwnedState {
  OwnedState(const StateSchema* schema, StateEntity entity)
      : actions(schema->action_fields.size()),
        state(schema, entity, &actions),
        state_bytes(state.bytes()) {}
  // The state points into it.
  OwnedState(const OwnedState&) = delete;
  OwnedState& operator=(const OwnedState&) = delete;

  void Add(const ActionEntry& entry, std::span<const double> values) {
    state_bytes += state.Insert(actions.Add(entry, values), entry.known_time_ms);
  }
  std::size_t bytes() const { return sizeof(OwnedState) + actions.bytes() + state_bytes; }

  ActionTable actions;
  EntityState state;
  std::size_t state_bytes;
};

// The actions of an item, user or session as the event store's histories have them, good for reads
// at `at`. The schema must outlive it.
absl::StatusOr<std::shared_ptr<OwnedState>> ReadOwnedState(const EventStore& store,
                                                           const StateSchema& schema,
                                                           StateEntity entity, std::string_view id,
                                                           const ReadPoint& at, Interner* interner);

}  // namespace fourfold
