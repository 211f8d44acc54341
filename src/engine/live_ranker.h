#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "feature/event_store.h"
#include "feature/state/live_state.h"
#include "fourfold/features.h"
#include "servable/trained_ranker.h"

namespace fourfold {

// The ranker of an active servable beside the state that its features read. Thread-safe.
struct LiveRanker {
  std::string version;
  std::shared_ptr<const TrainedRanker> trained;
  std::shared_ptr<LiveState> state;

  // Orders the list at the read point. InvalidArgument for a bad request, with the field.
  absl::StatusOr<RankResponse> Rank(const RankRequest& request, const ReadPoint& at) const;
};

}  // namespace fourfold
