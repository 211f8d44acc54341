#pragma once

#include "absl/status/status.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"
#include "feature/plan/feature_statistics.h"
#include "feature/state/state_source.h"

namespace fourfold {

// Every feature of the plan for every candidate, as seen at the request's read point. The source's
// schema must extend the plan's. Fails only when the source does. Thread-safe as far as the source
// is. How the values turned out is noted in the plan's `statistics`, where given.
absl::Status ReadFeatures(const FeaturePlan& plan, const StateSource& source,
                          const FeatureRequest& request, FeatureTable* table,
                          FeatureStatistics* statistics = nullptr);

}  // namespace fourfold
