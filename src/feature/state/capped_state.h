#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "feature/event_store.h"
#include "feature/plan/feature_request.h"
#include "feature/state/entity_cache.h"
#include "feature/state/logged_state.h"

namespace fourfold {

// How much memory a state may take, and where what finds no room goes.
struct StateLimits {
  std::size_t bytes_max = SIZE_MAX;
  // Of a nameless file for the actions of entities that have many. Empty: none, they are read from
  // the histories anew.
  std::string spill_directory = "";
};

// The state of a log up to an end: all of it in memory while that fits under a cap, and from then
// on the entities that were asked for (EntityCache), the rest read from the event store's histories
// when it is asked for. Either way reads are exact at any read point. What is kept of everybody
// (kGlobal) has no history: it stays in memory, outside of the cap.
//
// Const reads are thread-safe beside each other; the rest needs the state for itself.
class CappedState {
 public:
  // Both must outlive it.
  CappedState(const StateSchema* schema, const EventStore* store, StateLimits limits)
      : schema_(schema),
        store_(store),
        limits_(std::move(limits)),
        all_(std::make_unique<LoggedState>(schema)) {}

  // The next event of the log; positions that were erased are passed over.
  void Add(const LoggedEvent& logged);
  absl::Status AddUpTo(Position end);
  // Every event before `end` that belongs to the state was added. What finds no room may go into
  // the file only now: to be called every thousand events.
  void AddedUpTo(Position end);
  // From now on only hot entities are in memory.
  void StartCaching();

  const StateSchema& schema() const { return *schema_; }
  // Every event before it was taken in.
  Position end() const { return end_; }
  // Null while all of it is in memory.
  const std::shared_ptr<EntityCache>& cache() const { return cache_; }
  // In memory.
  std::size_t bytes() const;

  // The state as one request sees it, with a cache through its pins. Valid until the state changes.
  class View final : public StateSource {
   public:
    View(const CappedState* state, const EntityCache::Pins* pins) : state_(*state), pins_(*pins) {}
    absl::StatusOr<const EntityState*> Find(StateEntity entity, std::string_view id,
                                            const ReadPoint& at,
                                            StateHolder* holder) const override;
    absl::StatusOr<const FactTimeline*> FindFacts(StateEntity entity, std::string_view id,
                                                  const ReadPoint& at,
                                                  StateHolder* holder) const override;
    const Interner& interner() const override { return state_.all_->interner(); }
    absl::Status CheckReach(const ReadPoint& at, std::int64_t since_ms) const override {
      return state_.store_->CheckReach(at, since_ms);
    }
    // What was asked for and is not pinned; read as if nothing were known of it.
    const EntityCache::Wanted& missing() const { return missing_; }

   private:
    const CappedState& state_;
    const EntityCache::Pins& pins_;
    mutable EntityCache::Wanted missing_;
  };

  // Pins what a request asks for of a state of the schema. Needs no lock; the request's read point
  // must not lie past the state's end, nor the request go before the pins.
  static absl::Status Pin(const StateSchema& schema, const StateUse& use, const EventStore& store,
                          const FeatureRequest& request, EntityCache* cache,
                          EntityCache::Pins* pins);

 private:
  const StateSchema* schema_;
  const EventStore* store_;
  const StateLimits limits_;
  Position end_ = 0;
  std::unique_ptr<LoggedState> all_;  // with a cache: only of everybody
  std::shared_ptr<EntityCache> cache_;
};

}  // namespace fourfold
