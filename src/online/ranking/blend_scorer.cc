#include "online/ranking/blend_scorer.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "servable/blend.h"

namespace fourfold {

double BlendedScore(const Query& query, double weight, std::span<const Retrieved> list,
                    std::size_t place) {
  if (!query.only_retriever.empty()) return list[place].score;
  return BlendContribution(*query.blend, weight, static_cast<int>(place) + 1, list[place].score,
                           list.front().score);
}

BlendScorer::BlendScorer(std::vector<std::string> retrievers)
    : Scorer({.name = "blend",
              .reads = {Column::kCandidates},
              .writes = {Column::kScore},
              .on_failure = OnFailure::kSkipStage}),
      retrievers_(std::move(retrievers)),
      by_name_(retrievers_.size()) {
  std::iota(by_name_.begin(), by_name_.end(), 0);
  std::sort(by_name_.begin(), by_name_.end(),
            [this](std::size_t a, std::size_t b) { return retrievers_[a] < retrievers_[b]; });
}

absl::Status BlendScorer::Score(const Query& query, const CandidateTable& candidates,
                                RankingScratch*, std::span<double> scores) const {
  for (const std::size_t i : by_name_) {
    const std::span<const Retrieved> list = candidates.list(i);
    const double weight = query.WeightOf(retrievers_[i]);
    for (std::size_t place = 0; place < list.size(); ++place) {
      scores[list[place].row] += BlendedScore(query, weight, list, place);
    }
  }
  return absl::OkStatus();
}

}  // namespace fourfold
