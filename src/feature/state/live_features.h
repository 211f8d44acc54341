#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feature/event_store.h"
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
  LiveFeatures(const std::shared_ptr<const FeaturePlan>& plan, std::shared_ptr<LiveState> state)
      : LiveFeatures(plan, plan, std::move(state)) {}

  // Features of the plan, which was compiled onto nothing, that are to follow `active` (may be
  // null): over the state of `active` where that keeps what both read and nothing else; otherwise
  // over one of that, which is to be filled, so that going back to `active` needs no look at the
  // log. Where both name too many types of actions together, over one of the plan's alone.
  static std::shared_ptr<const LiveFeatures> After(
      const std::shared_ptr<const LiveFeatures>& active,
      const std::shared_ptr<const FeaturePlan>& plan, const EventStore* store,
      const StateLimits& limits);

  const FeaturePlan& plan() const { return *plan_; }
  const std::shared_ptr<LiveState>& state() const { return state_; }
  // Of a sample of what was read.
  const FeatureStatistics& statistics() const { return statistics_; }

  absl::Status Read(const FeatureRequest& request, FeatureTable* table) const;
  // How the features of requests of the past turn out, read again.
  absl::StatusOr<std::vector<FeatureHealth>> StatisticsOf(
      const std::deque<FeatureRequest>& requests) const;

 private:
  LiveFeatures(std::shared_ptr<const FeaturePlan> alone, std::shared_ptr<const FeaturePlan> plan,
               std::shared_ptr<LiveState> state);

  const std::shared_ptr<const FeaturePlan> alone_;  // as it is without what others read
  const std::shared_ptr<const FeaturePlan> plan_;
  const std::shared_ptr<LiveState> state_;
  mutable FeatureStatistics statistics_;
};

}  // namespace fourfold
