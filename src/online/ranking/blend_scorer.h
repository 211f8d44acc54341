#pragma once

#include <string>
#include <vector>

#include "online/pipeline/stage.h"

namespace fourfold {

// What one retriever's list adds to the score of the candidate at `place` (0 first) in it, by the
// query's blend:
//   kReciprocalRank     weight / (rank_constant + place + 1)
//   kNormalisedScores   weight * score / (the list's largest score), nothing when that is not > 0
// and, where the query asks for one retriever alone, its own score.
double BlendedScore(const Query& query, double weight, std::span<const Retrieved> list,
                    std::size_t place);

// Merges the lists of the retrievers into one score: the sum of what each adds.
class BlendScorer final : public Scorer {
 public:
  // By the names of the pipeline's retrievers, in its order.
  explicit BlendScorer(std::vector<std::string> retrievers);
  absl::Status Score(const Query& query, const CandidateTable& candidates,
                     std::span<double> scores) const override;

 private:
  const std::vector<std::string> retrievers_;
};

}  // namespace fourfold
