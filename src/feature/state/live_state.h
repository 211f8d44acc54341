#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "feature/event_store.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"
#include "feature/plan/feature_statistics.h"
#include "feature/state/logged_state.h"

namespace fourfold {

// The state of one plan's features beside serving: filled from the log, then told of each batch as
// it commits. Thread-safe.
class LiveState {
 public:
  explicit LiveState(std::shared_ptr<const FeaturePlan> plan)
      : plan_(std::move(plan)),
        statistics_(*plan_),
        state_(std::make_unique<LoggedState>(&plan_->schema())) {}

  const FeaturePlan& plan() const { return *plan_; }
  // Of a sample of what was read.
  const FeatureStatistics& statistics() const { return statistics_; }

  // Reads what the log holds that was not taken in yet; commits meanwhile are fine.
  absl::Status Fill(const EventStore& store) ABSL_LOCKS_EXCLUDED(mutex_);
  // Reads the whole log again, after something left it; requests meanwhile read what was before.
  absl::Status FillAnew(const EventStore& store) ABSL_LOCKS_EXCLUDED(mutex_);
  // A batch has committed. Ignored while a Fill has not come as far, as that will read it.
  void Follow(absl::Span<const LoggedEvent> committed) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status Read(const FeatureRequest& request, FeatureTable* table) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // How the features of requests of the past turn out, read again.
  absl::StatusOr<std::vector<FeatureHealth>> StatisticsOf(
      const std::deque<FeatureRequest>& requests) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Every event before it was taken in. Behind the store's own end between a commit and Follow.
  Position end() const ABSL_LOCKS_EXCLUDED(mutex_);

  std::size_t bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::shared_ptr<const FeaturePlan> plan_;
  mutable FeatureStatistics statistics_;
  mutable SharedMutex mutex_;
  std::unique_ptr<LoggedState> state_ ABSL_GUARDED_BY(mutex_);
  Position end_ ABSL_GUARDED_BY(mutex_) = 0;  // everything before it was taken in
};

}  // namespace fourfold
