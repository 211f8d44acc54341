#pragma once

#include <string>
#include <vector>

#include "online/pipeline/stage.h"

namespace fourfold {

// What one retriever's list adds to the score of the candidate at `place` (0 first) in it: by the
// query's blend or, where it asks for one retriever alone, that one's own score.
double BlendedScore(const Query& query, double weight, std::span<const Retrieved> list,
                    std::size_t place);

// Merges the lists of the retrievers into one score: the sum of what each adds, in the order of
// their names (servable/blend.h).
class BlendScorer final : public Scorer {
 public:
  // By the names of the pipeline's retrievers, in its order.
  explicit BlendScorer(std::vector<std::string> retrievers);
  absl::Status Score(const Query& query, const CandidateTable& candidates, RankingScratch* scratch,
                     std::span<double> scores) const override;

 private:
  const std::vector<std::string> retrievers_;
  std::vector<std::size_t> by_name_;
};

}  // namespace fourfold
