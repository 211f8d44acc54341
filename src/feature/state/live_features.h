#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"
#include "feature/plan/feature_statistics.h"
#include "feature/state/live_state.h"

namespace fourfold {

// The features of one plan beside serving, over a state that the features of other plans may read,
// too. Thread-safe.
class LiveFeatures {
 public:
  // The state's schema must extend the plan's.
  LiveFeatures(std::shared_ptr<const FeaturePlan> plan, std::shared_ptr<LiveState> state);

  const FeaturePlan& plan() const { return *plan_; }
  const std::shared_ptr<LiveState>& state() const { return state_; }
  // Of a sample of what was read.
  const FeatureStatistics& statistics() const { return statistics_; }

  absl::Status Read(const FeatureRequest& request, FeatureTable* table) const;
  // How the features of requests of the past turn out, read again.
  absl::StatusOr<std::vector<FeatureHealth>> StatisticsOf(
      const std::deque<FeatureRequest>& requests) const;

 private:
  const std::shared_ptr<const FeaturePlan> plan_;
  const std::shared_ptr<LiveState> state_;
  mutable FeatureStatistics statistics_;
};

}  // namespace fourfold
