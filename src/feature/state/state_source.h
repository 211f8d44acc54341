#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feature/read_point.h"
#include "feature/state/entity_state.h"

namespace fourfold {

// Keeps alive what a source made for one read.
using StateHolder = std::vector<std::shared_ptr<const void>>;

// Where feature state comes from: memory that follows the log (LoggedState), or the event store's
// histories (StoredState). Whatever the source, reads at a read point see the same.
class StateSource {
 public:
  virtual ~StateSource() = default;

  // The actions of an item, user or session, good for reads at `at`; of everybody with kGlobal and
  // an empty id. Null where nothing is known. Valid until the source changes or the holder goes.
  virtual absl::StatusOr<const EntityState*> Find(StateEntity entity, std::string_view id,
                                                  const ReadPoint& at,
                                                  StateHolder* holder) const = 0;
  // The facts about an item or user, in the same way.
  virtual absl::StatusOr<const FactTimeline*> FindFacts(StateEntity entity, std::string_view id,
                                                        const ReadPoint& at,
                                                        StateHolder* holder) const = 0;
  virtual const Interner& interner() const = 0;
  // As EventStore::CheckReach, of what was found so far. A source that holds all it ever took in
  // refuses nothing.
  virtual absl::Status CheckReach(const ReadPoint&, std::int64_t /*since_ms*/) const {
    return absl::OkStatus();
  }
};

}  // namespace fourfold
