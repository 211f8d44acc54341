#include "offline/retrieval/covisitation.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "math/exp2.h"
#include "offline/retrieval/neighbour_rows.h"

namespace fourfold {
namespace {

// The tie groups with at least two different items, each group's distinct items.
struct Baskets {
  std::vector<std::size_t> begin = {0};  // [baskets + 1]
  std::vector<std::uint32_t> item;
  std::vector<double> weight;            // per basket
  std::vector<std::uint32_t> basket_of;  // per place of `item`
};

Baskets CollectBaskets(const TrainingActions& actions, const RetrieverSpec& spec,
                       std::int64_t as_of_ms) {
  Baskets baskets;
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>> lines;  // group, item, time
  for (std::size_t user = 0; user < actions.users(); ++user) {
    lines.clear();
    for (std::size_t row = actions.user_begin[user]; row < actions.user_begin[user + 1]; ++row) {
      if (actions.tie_group[row] == 0) continue;
      lines.emplace_back(actions.tie_group[row], actions.item[row], actions.event_time_ms[row]);
    }
    std::sort(lines.begin(), lines.end());
    for (std::size_t line = 0; line < lines.size();) {
      const std::uint32_t group = std::get<0>(lines[line]);
      std::int64_t newest_ms = std::get<2>(lines[line]);
      const auto basket = static_cast<std::uint32_t>(baskets.weight.size());
      for (; line < lines.size() && std::get<0>(lines[line]) == group; ++line) {
        const auto& [unused, item, time_ms] = lines[line];
        newest_ms = std::max(newest_ms, time_ms);
        if (baskets.item.size() > baskets.begin.back() && baskets.item.back() == item) continue;
        baskets.item.push_back(item);
        baskets.basket_of.push_back(basket);
      }
      baskets.weight.push_back(HalfLifeDecay(as_of_ms - newest_ms, spec.time_half_life_ms));
      baskets.begin.push_back(baskets.item.size());
    }
  }
  return baskets;
}

}  // namespace

ItemToItemMap TrainCovisitation(const TrainingActions& actions, const RetrieverSpec& spec,
                                std::int64_t as_of_ms, int threads) {
  const InvertedIndex rows_of_item = Invert(actions.item, actions.items);
  const auto window = static_cast<std::size_t>(std::max(spec.window_steps, 0));
  const Baskets baskets =
      spec.within_tie_group ? CollectBaskets(actions, spec, as_of_ms) : Baskets{};
  const InvertedIndex baskets_of_item = Invert(baskets.item, actions.items);

  const RetrieverSpec popularity_spec;
  std::vector<double> scale(actions.items, 0.0);
  const UserItems pairs = DistinctUserItems(actions);
  for (const std::uint32_t item : pairs.item) scale[item] += 1;
  for (double& value : scale) {
    value = value > 0 ? std::pow(value, -spec.popularity_exponent) : 0.0;
  }

  const auto add_steps = [&](std::size_t row, std::size_t other, double direction,
                             SparseSums* sums) {
    const std::uint32_t group = actions.tie_group[row];
    if (actions.item[row] == actions.item[other]) return;
    if (group != 0 && group == actions.tie_group[other]) return;
    const std::size_t later = std::max(row, other);
    const auto gap = static_cast<double>(later - std::min(row, other));
    sums->Add(actions.item[other],
              direction / gap *
                  HalfLifeDecay(as_of_ms - actions.event_time_ms[later], spec.time_half_life_ms));
  };
  const auto row_of = [&](std::uint32_t item, SparseSums* sums) {
    for (const std::size_t row : rows_of_item.PlacesOf(item)) {
      const std::size_t begin = actions.user_begin[actions.user[row]];
      const std::size_t end = actions.user_begin[actions.user[row] + 1];
      for (std::size_t other = std::max(begin + window, row) - window; other < row; ++other) {
        add_steps(row, other, spec.backward_weight, sums);
      }
      for (std::size_t other = row + 1; other < std::min(end, row + 1 + window); ++other) {
        add_steps(row, other, 1.0, sums);
      }
    }
    for (const std::size_t place : baskets_of_item.PlacesOf(item)) {
      const std::uint32_t basket = baskets.basket_of[place];
      for (std::size_t other = baskets.begin[basket]; other < baskets.begin[basket + 1]; ++other) {
        if (other != place) sums->Add(baskets.item[other], baskets.weight[basket]);
      }
    }
    return sums->Take([&](std::uint32_t other) { return scale[other]; });
  };
  return BuildItemToItemMap(actions.items, spec.neighbours, threads, row_of);
}

}  // namespace fourfold
