#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/learning.h"
#include "feature/plan/feature_request.h"
#include "offline/dataset/interaction_table.h"
#include "online/ranking/retrieval_fields.h"
#include "online/recommender.h"

namespace fourfold {

// Candidates of the past as the feed's own pipeline would have found them, for a ranker's training
// rows: from each of some moments on, and until the next, by retrievers that know nothing of what
// happened from that moment on. Immutable; thread-safe.
class PastRetrieval {
 public:
  // `from_ms` rises. The recipe has a ranker; what `learning` refers to outlives the result.
  // InvalidArgument: no action of the table lies before the first moment.
  static absl::StatusOr<std::shared_ptr<const PastRetrieval>> Make(
      const Learning& learning, const InteractionTable& table, const BlendSpec& blend,
      const std::vector<std::int64_t>& from_ms);

  // For RowReplay::RetrieveFrom. The request is not before the first moment.
  absl::Status Retrieve(const FeatureRequest& request,
                        std::vector<FeatureCandidate>* candidates) const;

 private:
  explicit PastRetrieval(const Learning& learning);

  const Recommender recommender_;
  const RetrievalFields fields_;
  const std::size_t candidates_;
  std::map<std::int64_t, std::shared_ptr<const BoundSurfaces>> bound_;  // by where each begins
};

}  // namespace fourfold
