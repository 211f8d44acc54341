#include "offline/retrieval/item_cf.h"

#include <cmath>
#include <cstdlib>
#include <vector>

#include "math/exp2.h"
#include "offline/retrieval/neighbour_rows.h"

namespace fourfold {

ItemToItemMap TrainItemCf(const TrainingActions& actions, const RetrieverSpec& spec,
                          std::int64_t as_of_ms, int threads) {
  const UserItems pairs = DistinctUserItems(actions);
  const InvertedIndex places_of_item = Invert(pairs.item, actions.items);
  std::vector<std::size_t> user_of_place(pairs.item.size());
  std::vector<double> weight(pairs.item.size());
  std::vector<double> norm(actions.items, 0.0);
  for (std::size_t user = 0; user < pairs.users(); ++user) {
    for (std::size_t place = pairs.user_begin[user]; place < pairs.user_begin[user + 1]; ++place) {
      user_of_place[place] = user;
      weight[place] = HalfLifeDecay(as_of_ms - pairs.newest_ms[place], spec.user_item_half_life_ms);
      norm[pairs.item[place]] += weight[place] * weight[place];
    }
  }
  for (double& value : norm) value = std::sqrt(value);

  const auto row_of = [&](std::uint32_t item, SparseSums* sums) {
    for (const std::size_t place : places_of_item.PlacesOf(item)) {
      const std::size_t user = user_of_place[place];
      // Items stand in time order, whole baskets at one time: a decay serves for a run of them.
      std::int64_t decayed_ms = pairs.newest_ms[place];
      double decayed_weight = weight[place];
      for (std::size_t other = pairs.user_begin[user]; other < pairs.user_begin[user + 1];
           ++other) {
        if (other == place) continue;
        if (pairs.newest_ms[other] != decayed_ms) {
          decayed_ms = pairs.newest_ms[other];
          decayed_weight =
              weight[place] *
              HalfLifeDecay(std::abs(decayed_ms - pairs.newest_ms[place]), spec.pair_half_life_ms);
        }
        sums->Add(pairs.item[other], decayed_weight * weight[other]);
      }
    }
    return sums->Take(
        [&](std::uint32_t other) { return 1.0 / (norm[item] * norm[other] + spec.shrink); });
  };
  return BuildItemToItemMap(actions.items, spec.neighbours, threads, row_of);
}

}  // namespace fourfold
