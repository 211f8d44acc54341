#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "base/strings.h"
#include "feature/event_store.h"
#include "feature/state/state_source.h"

namespace fourfold {

// The state of every entity of a log, in memory. Reads are exact at any read point, whatever order
// the events came in, so one pass over the log serves every training row and the requests after.
// Memory: about 100 bytes an action and 32 for each timeline that it stands in, at most twice that
// while they grow; 80 for each timeline of a split (user and item, item and context, query and
// item).
//
// Const reads are thread-safe beside each other; Add needs the state for itself.
class LoggedState final : public StateSource {
 public:
  // The schema must outlive the state.
  explicit LoggedState(const StateSchema* schema)
      : schema_(schema),
        interner_(std::make_shared<Interner>()),
        actions_(schema->action_fields.size()) {}
  // Timelines point into it.
  LoggedState(const LoggedState&) = delete;
  LoggedState& operator=(const LoggedState&) = delete;

  // Takes in the log's events, each once, in any order.
  void Add(const LoggedEvent& logged);

  // Every action taken in, in the order in which they came.
  void VisitActions(
      absl::FunctionRef<void(const ActionEntry& action, std::span<const double> values)> visit)
      const;

  void VisitFacts(
      StateEntity entity,
      absl::FunctionRef<void(std::string_view id, const FactTimeline& facts)> visit) const;

  // Forgets all entities but everybody (kGlobal), whose actions it goes on to take in where the
  // schema keeps them.
  void KeepOnlyGlobal();

  absl::StatusOr<const EntityState*> Find(StateEntity entity, std::string_view id,
                                          const ReadPoint& at, StateHolder* holder) const override;
  absl::StatusOr<const FactTimeline*> FindFacts(StateEntity entity, std::string_view id,
                                                const ReadPoint& at,
                                                StateHolder* holder) const override;
  const Interner& interner() const override { return *interner_; }
  const std::shared_ptr<Interner>& shared_interner() const { return interner_; }

  std::size_t bytes() const { return sizeof(LoggedState) + actions_.bytes() + entity_bytes_; }

 private:
  // What decides whose the anonymous actions of a session are (Time, rule 8).
  struct Session {
    std::vector<ActionIndex> anonymous;
    std::vector<ActionEntry> namings;  // that may be the first seen at some read point
  };

  EntityState& StateOf(StateEntity entity, std::string_view id);
  Session& SessionOf(std::uint64_t session);
  void AddFacts(StateEntity entity, std::string_view id, const LoggedEvent& logged);
  void AddAction(const Event& event, const ActionEntry& entry);
  void NoteSession(const ActionEntry& entry);
  static const ActionEntry* OwnerAt(const Session& session, const StateRead& read);

  bool Keeps(StateEntity entity) const {
    return schema_->Keeps(entity) && (!only_global_ || entity == StateEntity::kGlobal);
  }

  const StateSchema* schema_;
  const std::shared_ptr<Interner> interner_;
  bool only_global_ = false;
  ActionTable actions_;
  StringMap<EntityState> states_[kStateEntities];
  StringMap<FactTimeline> facts_[kStateEntities];
  absl::flat_hash_map<std::uint64_t, Session> sessions_;  // by HashOfId
  absl::flat_hash_map<std::uint64_t, std::vector<std::uint64_t>> sessions_of_user_;
  std::size_t entity_bytes_ = 0;  // of all but the actions themselves
  std::vector<double> values_;    // of the event being added
};

}  // namespace fourfold
