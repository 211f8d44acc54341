#include "offline/retrieval/popularity.h"

#include "math/exp2.h"

namespace fourfold {

std::vector<float> PopularityScores(const TrainingActions& actions, const RetrieverSpec& spec,
                                    std::int64_t as_of_ms) {
  std::vector<double> sums(actions.items, 0.0);
  const auto count = [&](std::uint32_t item, std::int64_t time_ms) {
    const std::int64_t age_ms = as_of_ms - time_ms;
    if (age_ms < 0 || (spec.window_ms > 0 && age_ms >= spec.window_ms)) return;
    sums[item] += HalfLifeDecay(age_ms, spec.half_life_ms);
  };
  if (spec.distinct_users) {
    const UserItems pairs = DistinctUserItems(actions);
    for (std::size_t i = 0; i < pairs.item.size(); ++i) count(pairs.item[i], pairs.newest_ms[i]);
  } else {
    for (std::size_t i = 0; i < actions.rows(); ++i) {
      count(actions.item[i], actions.event_time_ms[i]);
    }
  }
  return std::vector<float>(sums.begin(), sums.end());
}

}  // namespace fourfold
