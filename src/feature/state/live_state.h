#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "feature/event_store.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"
#include "feature/plan/feature_statistics.h"
#include "feature/state/capped_state.h"

namespace fourfold {

// A state beside serving, for any plan whose schema its own extends: filled from the log, then told
// of each batch as it commits. Where it outgrows its cap it keeps the entities that were asked for
// and reads the others from the histories (CappedState): slower, with the same values; no commit
// waits for that. Thread-safe.
class LiveState {
 public:
  // The store must outlive it.
  LiveState(StateSchema schema, const EventStore* store, StateLimits limits = {});

  const StateSchema& schema() const { return schema_; }

  // Reads what the log holds that was not taken in yet; commits meanwhile are fine.
  absl::Status Fill() ABSL_LOCKS_EXCLUDED(mutex_);
  // Reads the whole log again, after something left it; requests meanwhile read what was before.
  // Cancelled once `is_cancelled` (may be empty): then they go on with that. Of several at a time
  // none takes the place of one that began later.
  absl::Status FillAnew(const std::function<bool()>& is_cancelled = nullptr)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // A batch has committed. Ignored while a Fill has not come as far, as that will read it.
  void Follow(absl::Span<const LoggedEvent> committed) ABSL_LOCKS_EXCLUDED(mutex_);

  // What it is made of is noted in `statistics`, the plan's, unless null.
  absl::Status Read(const FeaturePlan& plan, const FeatureRequest& request, FeatureTable* table,
                    FeatureStatistics* statistics = nullptr) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Every event before it was taken in. Behind the store's own end between a commit and Follow.
  Position end() const ABSL_LOCKS_EXCLUDED(mutex_);

  struct Stats {
    std::size_t bytes = 0;
    bool is_caching = false;  // not all of it is in memory
    EntityCache::Stats cache;
  };
  Stats ReadStats() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // False: something left the log meanwhile, and the pins are worth nothing.
  absl::StatusOr<bool> ReadPinned(const FeaturePlan& plan,
                                  const std::shared_ptr<EntityCache>& cache,
                                  const FeatureRequest& request, FeatureTable* table,
                                  FeatureStatistics* statistics) const ABSL_LOCKS_EXCLUDED(mutex_);

  const StateSchema schema_;
  const EventStore* const store_;
  const StateLimits limits_;
  mutable SharedMutex mutex_;
  std::unique_ptr<CappedState> state_ ABSL_GUARDED_BY(mutex_);
  // Numbers of FillAnew: of the one that began last, and of the one that made the state.
  std::atomic<std::uint64_t> fills_begun_{0};
  std::uint64_t fill_in_use_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace fourfold
