#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "feature/event_store.h"
#include "feature/plan/feature_request.h"
#include "feature/state/entity_cache.h"
#include "feature/state/logged_state.h"

namespace fourfold {

// The state of a log up to an end: all of it in memory while that fits under a cap, and from then
// on the entities asked for lately, the rest read from the event store's histories when it is asked
// for. Either way reads are exact at any read point. What is kept of everybody (kGlobal) has no
// history: it stays in memory, outside of the cap.
//
// Const reads are thread-safe beside each other; the rest needs the state for itself.
class CappedState {
 public:
  // Both must outlive it.
  CappedState(const StateSchema* schema, const EventStore* store, std::size_t bytes_max)
      : schema_(schema),
        store_(store),
        bytes_max_(bytes_max),
        all_(std::make_unique<LoggedState>(schema)) {}

  // The next event of the log; positions that were erased are passed over.
  void Add(const LoggedEvent& logged);
  absl::Status AddUpTo(Position end);
  // From now on only hot entities are in memory.
  void StartCaching();

  // Every event before it was taken in.
  Position end() const { return end_; }
  // Null while all of it is in memory.
  const std::shared_ptr<EntityCache>& cache() const { return cache_; }
  // In memory; estimated where all of it is.
  std::size_t bytes() const;

  // The state as a read sees it. Valid until the state changes.
  class View final : public StateSource {
   public:
    explicit View(const CappedState* state) : state_(*state) {}
    absl::StatusOr<const EntityState*> Find(StateEntity entity, std::string_view id,
                                            const ReadPoint& at,
                                            StateHolder* holder) const override;
    absl::StatusOr<const FactTimeline*> FindFacts(StateEntity entity, std::string_view id,
                                                  const ReadPoint& at,
                                                  StateHolder* holder) const override;
    const Interner& interner() const override { return state_.all_->interner(); }

   private:
    const CappedState& state_;
  };

  // Reads ahead what a request asks for and the cache does not have. Needs no lock: what is read
  // follows the log before it is taken over.
  static absl::Status Prefetch(const StateSchema& schema, const EventStore& store,
                               const FeatureRequest& request, EntityCache::Loading* loading);

 private:
  void CheckSize();

  const StateSchema* schema_;
  const EventStore* store_;
  const std::size_t bytes_max_;
  Position end_ = 0;
  std::unique_ptr<LoggedState> all_;  // with a cache: only of everybody
  std::shared_ptr<EntityCache> cache_;
  // Of the state when it was last measured, which takes as long as it is large.
  std::uint64_t events_ = 0;
  std::uint64_t measured_events_ = 0;
  std::size_t measured_bytes_ = 0;
};

}  // namespace fourfold
