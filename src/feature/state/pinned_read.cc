#include "feature/state/pinned_read.h"

#include "base/status_macros.h"
#include "feature/plan/feature_reader.h"

namespace fourfold {

absl::StatusOr<bool> ReadPinned(const FeaturePlan& plan, const StateSchema& schema,
                                const EventStore& store, EntityCache* cache,
                                const FeatureRequest& request, WithState with_state,
                                FeatureTable* table, FeatureStatistics* statistics) {
  // Facts of items that a user acted on are known to be wanted only once they are missed; what is
  // read until then counts for nothing.
  const bool may_miss = plan.use().ReadsFacts(StateEntity::kItem);
  EntityCache::Pins pins;
  FOURFOLD_RETURN_IF_ERROR(CappedState::Pin(schema, plan.use(), store, request, cache, &pins));
  for (;;) {
    EntityCache::Wanted missing;
    const auto read = [&](const CappedState& state) -> absl::Status {
      const CappedState::View view(&state, &pins);
      FOURFOLD_RETURN_IF_ERROR(
          ReadFeatures(plan, view, request, table, may_miss ? nullptr : statistics));
      missing = view.missing();
      if (!missing.empty() || !may_miss || statistics == nullptr) return absl::OkStatus();
      return ReadFeatures(plan, view, request, table, statistics);
    };
    FOURFOLD_ASSIGN_OR_RETURN(const bool is_read, with_state(read));
    if (!is_read || missing.empty()) return is_read;
    FOURFOLD_RETURN_IF_ERROR(cache->Pin(missing, &pins));
  }
}

absl::Status ReadUnchanging(const FeaturePlan& plan, const EventStore& store,
                            const CappedState& state, const FeatureRequest& request,
                            FeatureTable* table) {
  EntityCache* const cache = state.cache().get();
  if (cache == nullptr) {
    const EntityCache::Pins none;
    return ReadFeatures(plan, CappedState::View(&state, &none), request, table);
  }
  const absl::StatusOr<bool> is_read = ReadPinned(
      plan, state.schema(), store, cache, request,
      [&](absl::FunctionRef<absl::Status(const CappedState&)> read) -> absl::StatusOr<bool> {
        FOURFOLD_RETURN_IF_ERROR(read(state));
        return true;
      },
      table, nullptr);
  cache->Trim();
  return is_read.status();
}

}  // namespace fourfold
