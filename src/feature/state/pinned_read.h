#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feature/event_store.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"
#include "feature/plan/feature_statistics.h"
#include "feature/state/capped_state.h"

namespace fourfold {

// Calls `read` once with the state whose cache was pinned, which stays as it is until that returns.
// False, without a call: another state has taken its place.
using WithState = absl::FunctionRef<absl::StatusOr<bool>(
    absl::FunctionRef<absl::Status(const CappedState& state)> read)>;

// Reads features out of a state of the schema with a cache. What the request asks for is pinned
// before, and what turns out to be missing between two tries, so that nothing waits for the store
// or the file while the state must not change. The request's read point must not lie past the
// state's end. False: `with_state` said so, and what was read is worth nothing.
absl::StatusOr<bool> ReadPinned(const FeaturePlan& plan, const StateSchema& schema,
                                const EventStore& store, EntityCache* cache,
                                const FeatureRequest& request, WithState with_state,
                                FeatureTable* table, FeatureStatistics* statistics);

// Reads features out of a state that nobody changes meanwhile, with a cache or without; then makes
// the cache fit under its cap. Thread-safe.
absl::Status ReadUnchanging(const FeaturePlan& plan, const EventStore& store,
                            const CappedState& state, const FeatureRequest& request,
                            FeatureTable* table);

}  // namespace fourfold
