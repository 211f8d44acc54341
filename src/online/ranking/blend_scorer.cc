#include "online/ranking/blend_scorer.h"

#include <utility>

namespace fourfold {

double BlendedScore(const Query& query, double weight, std::span<const Retrieved> list,
                    std::size_t place) {
  if (!query.only_retriever.empty()) return list[place].score;
  if (query.blend->method == BlendSpec::Method::kReciprocalRank) {
    return weight / (query.blend->rank_constant + static_cast<double>(place + 1));
  }
  const double largest = list.front().score;  // lists are sorted
  return largest > 0 ? weight * list[place].score / largest : 0;
}

BlendScorer::BlendScorer(std::vector<std::string> retrievers)
    : Scorer({.name = "blend",
              .reads = {Column::kCandidates},
              .writes = {Column::kScore},
              .on_failure = OnFailure::kSkipStage}),
      retrievers_(std::move(retrievers)) {}

absl::Status BlendScorer::Score(const Query& query, const CandidateTable& candidates,
                                std::span<double> scores) const {
  for (std::size_t i = 0; i < retrievers_.size(); ++i) {
    const std::span<const Retrieved> list = candidates.list(i);
    const double weight = query.WeightOf(retrievers_[i]);
    for (std::size_t place = 0; place < list.size(); ++place) {
      scores[list[place].row] += BlendedScore(query, weight, list, place);
    }
  }
  return absl::OkStatus();
}

}  // namespace fourfold
