#include "feature/state/live_features.h"

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace fourfold {

LiveFeatures::LiveFeatures(std::shared_ptr<const FeaturePlan> plan,
                           std::shared_ptr<LiveState> state)
    : plan_(std::move(plan)), state_(std::move(state)), statistics_(*plan_) {
  FOURFOLD_CHECK(state_->schema().Extends(plan_->schema()));
}

absl::Status LiveFeatures::Read(const FeatureRequest& request, FeatureTable* table) const {
  return state_->Read(*plan_, request, table, statistics_.Sample() ? &statistics_ : nullptr);
}

absl::StatusOr<std::vector<FeatureHealth>> LiveFeatures::StatisticsOf(
    const std::deque<FeatureRequest>& requests) const {
  FeatureStatistics statistics(*plan_);
  FeatureTable table;
  for (const FeatureRequest& request : requests) {
    const absl::Status status = state_->Read(*plan_, request, &table, &statistics);
    // What is below the horizon tells nothing any more.
    if (!absl::IsOutOfRange(status)) FOURFOLD_RETURN_IF_ERROR(status);
  }
  return statistics.Read();
}

}  // namespace fourfold
