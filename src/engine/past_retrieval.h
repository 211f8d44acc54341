#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/learning.h"
#include "engine/past_fits.h"
#include "feature/plan/feature_request.h"
#include "online/ranking/retrieval_fields.h"
#include "online/recommender.h"

namespace fourfold {

// Candidates of the past as the feed's own pipeline would have found them, for a ranker's training
// rows. Immutable; thread-safe.
class PastRetrieval {
 public:
  // By fits of all the recipe's retrievers. The recipe has a ranker; what `learning` refers to
  // outlives the result.
  static absl::StatusOr<std::shared_ptr<const PastRetrieval>> Make(const Learning& learning,
                                                                   const PastFits& fits);

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
