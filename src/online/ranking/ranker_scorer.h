#pragma once

#include <memory>
#include <string>
#include <vector>

#include "online/pipeline/stage.h"
#include "online/ranking/live_ranker.h"
#include "online/ranking/retrieval_fields.h"

namespace fourfold {

// Puts the blend's best candidates into the order of a trained ranker: as many as the ranker asks
// for; the rest follow in the order of the blend. Its features are those of POST /v1/rank for the
// same list, read at the request's read point, with what RetrievalFields tells.
class RankerScorer final : public Scorer {
 public:
  // `retrievers`: by the names of the pipeline's, in its order.
  RankerScorer(std::shared_ptr<const LiveRanker> ranker,
               const std::vector<std::string>& retrievers);
  absl::Status Score(const Query& query, const CandidateTable& candidates, RankingScratch* scratch,
                     std::span<double> scores) const override;

 private:
  const std::shared_ptr<const LiveRanker> ranker_;
  const RetrievalFields retrieval_fields_;
};

// The request as features see it, without candidates.
void StartFeatureRequest(const Query& query, FeatureRequest* request);

}  // namespace fourfold
