#include "servable/blend.h"

#include <algorithm>

#include "base/check.h"

namespace fourfold {

double BlendContribution(const BlendSpec& spec, double weight, int rank, double score,
                         double largest_score) {
  switch (spec.method) {
    case BlendSpec::Method::kReciprocalRank:
      return weight * (1 / (spec.rank_constant + rank));
    case BlendSpec::Method::kNormalisedScores:
      return largest_score > 0 ? weight * (std::max(score, 0.0) / largest_score) : 0;
  }
  FOURFOLD_CHECK(false);
}

void BlendContributions(const BlendSpec& spec, double weight, std::span<const double> scores,
                        std::span<double> contributions) {
  FOURFOLD_CHECK(scores.size() == contributions.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    contributions[i] =
        BlendContribution(spec, weight, static_cast<int>(i) + 1, scores[i], scores[0]);
  }
}

}  // namespace fourfold
