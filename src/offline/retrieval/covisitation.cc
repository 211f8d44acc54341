#include "offline/retrieval/covisitation.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "math/exp2.h"
#include "offline/retrieval/neighbour_rows.h"

namespace fourfold {
namespace {

// What was done at once: a user's tie groups, and each action without one. Items stand once in a
// basket.
struct Baskets {
  std::vector<std::size_t> begin = {0};  // [baskets + 1]
  std::vector<std::uint32_t> item;       // per place
  std::vector<std::uint32_t> basket_of;  // per place
  std::vector<double> weight;            // per basket
};

Baskets CollectBaskets(const TrainingActions& actions, const RetrieverSpec& spec,
                       std::int64_t as_of_ms) {
  Baskets baskets;
  // Group, its row where that is none, item, time: sorted, a basket lies together.
  std::vector<std::tuple<std::uint32_t, std::size_t, std::uint32_t, std::int64_t>> lines;
  for (std::size_t user = 0; user < actions.users(); ++user) {
    lines.clear();
    for (std::size_t row = actions.user_begin[user]; row < actions.user_begin[user + 1]; ++row) {
      const std::uint32_t group = actions.tie_group[row];
      lines.emplace_back(group, group == 0 ? row : 0, actions.item[row],
                         actions.event_time_ms[row]);
    }
    std::sort(lines.begin(), lines.end());
    for (std::size_t line = 0; line < lines.size();) {
      const auto [group, row, first_item, first_ms] = lines[line];
      std::int64_t newest_ms = first_ms;
      for (; line < lines.size() && std::get<0>(lines[line]) == group &&
             std::get<1>(lines[line]) == row;
           ++line) {
        newest_ms = std::max(newest_ms, std::get<3>(lines[line]));
        const std::uint32_t item = std::get<2>(lines[line]);
        if (baskets.item.size() > baskets.begin.back() && baskets.item.back() == item) continue;
        baskets.item.push_back(item);
        baskets.basket_of.push_back(static_cast<std::uint32_t>(baskets.weight.size()));
      }
      baskets.weight.push_back(HalfLifeDecay(as_of_ms - newest_ms, spec.time_half_life_ms));
      baskets.begin.push_back(baskets.item.size());
    }
  }
  return baskets;
}

// Adds what the item's pairs within the window of steps come to.
void AddSteps(const TrainingActions& actions, const RetrieverSpec& spec, std::int64_t as_of_ms,
              std::size_t row, SparseSums* sums) {
  const auto window = static_cast<std::size_t>(spec.window_steps);
  const std::size_t user_begin = actions.user_begin[actions.user[row]];
  const std::size_t user_end = actions.user_begin[actions.user[row] + 1];
  const std::size_t end = std::min(user_end, row + 1 + window);
  for (std::size_t other = std::max(user_begin + window, row) - window; other < end; ++other) {
    const std::uint32_t group = actions.tie_group[row];
    if (actions.item[row] == actions.item[other]) continue;
    if (group != 0 && group == actions.tie_group[other]) continue;
    const std::size_t later = std::max(row, other);
    const double weight = other > row ? 1.0 : spec.backward_weight;
    sums->Add(actions.item[other],
              weight / static_cast<double>(later - std::min(row, other)) *
                  HalfLifeDecay(as_of_ms - actions.event_time_ms[later], spec.time_half_life_ms));
  }
}

}  // namespace

ItemToItemMap TrainCovisitation(const TrainingActions& actions, const RetrieverSpec& spec,
                                std::int64_t as_of_ms, int threads) {
  const InvertedIndex rows_of_item = Invert(actions.item, actions.items);
  const Baskets baskets = CollectBaskets(actions, spec, as_of_ms);
  const InvertedIndex places_of_item = Invert(baskets.item, actions.items);

  std::vector<double> count(actions.items, 0.0);
  for (std::size_t place = 0; place < baskets.item.size(); ++place) {
    count[baskets.item[place]] += baskets.weight[baskets.basket_of[place]];
  }
  std::vector<double> as_history(actions.items);
  std::vector<double> as_candidate(actions.items);
  for (std::size_t item = 0; item < actions.items; ++item) {
    as_history[item] = std::pow(count[item], spec.history_popularity_exponent);
    as_candidate[item] = std::pow(count[item], spec.popularity_exponent);
  }

  const auto row_of = [&](std::uint32_t item, SparseSums* sums) {
    for (const std::size_t row : rows_of_item.PlacesOf(item)) {
      AddSteps(actions, spec, as_of_ms, row, sums);
    }
    if (spec.within_tie_group) {
      for (const std::size_t place : places_of_item.PlacesOf(item)) {
        const std::uint32_t basket = baskets.basket_of[place];
        const double weight = baskets.weight[basket];
        for (std::size_t other = baskets.begin[basket]; other < baskets.begin[basket + 1];
             ++other) {
          if (other != place) sums->Add(baskets.item[other], weight);
        }
      }
    }
    return sums->Take([&](std::uint32_t other) {
      return 1.0 / (as_history[item] * as_candidate[other] + spec.shrink);
    });
  };
  return BuildItemToItemMap(actions.items, spec.neighbours, threads, row_of);
}

}  // namespace fourfold
