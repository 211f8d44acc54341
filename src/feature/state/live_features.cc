#include "feature/state/live_features.h"

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace fourfold {

namespace {

// Null where both together name too many types of actions.
std::shared_ptr<const FeaturePlan> CompileOnto(const StateSchema& schema, const FeaturePlan& plan) {
  return FeaturePlan::Compile(plan.declarations(), nullptr, schema).value_or(nullptr);
}

}  // namespace

LiveFeatures::LiveFeatures(std::shared_ptr<const FeaturePlan> alone,
                           std::shared_ptr<const FeaturePlan> plan,
                           std::shared_ptr<LiveState> state)
    : alone_(std::move(alone)),
      plan_(std::move(plan)),
      state_(std::move(state)),
      statistics_(*plan_) {
  FOURFOLD_CHECK(state_->schema().Extends(plan_->schema()));
}

std::shared_ptr<const LiveFeatures> LiveFeatures::After(
    const std::shared_ptr<const LiveFeatures>& active,
    const std::shared_ptr<const FeaturePlan>& plan, const EventStore* store,
    const StateLimits& limits) {
  const auto over = [&](std::shared_ptr<const FeaturePlan> compiled,
                        std::shared_ptr<LiveState> state) {
    return std::shared_ptr<const LiveFeatures>(
        new LiveFeatures(plan, std::move(compiled), std::move(state)));
  };
  std::shared_ptr<const FeaturePlan> of_both = plan;
  if (active != nullptr) {
    if (const auto found = CompileOnto(active->alone_->schema(), *plan); found != nullptr) {
      of_both = found;
    }
    const StateSchema& kept = active->state_->schema();
    const auto shared = CompileOnto(kept, *plan);
    if (shared != nullptr && shared->schema() == kept &&
        of_both->schema().PartCount() == kept.PartCount()) {
      // The same features go on counting how they turn out.
      const bool is_same = plan->declarations() == active->plan_->declarations();
      return is_same ? active : over(shared, active->state_);
    }
  }
  return over(of_both, std::make_shared<LiveState>(of_both->schema(), store, limits));
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
