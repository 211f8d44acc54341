#include "offline/evaluation/tie_rule.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/digest.h"

namespace fourfold {

std::vector<std::uint32_t> TieOrder(std::span<const float> popularity,
                                    std::span<const std::string> items, std::uint64_t seed) {
  FOURFOLD_CHECK(popularity.size() == items.size());
  std::vector<std::uint64_t> hashes(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) hashes[i] = StableHash(items[i], seed);
  std::vector<std::uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (popularity[a] != popularity[b]) return popularity[a] > popularity[b];
    if (hashes[a] != hashes[b]) return hashes[a] < hashes[b];
    return items[a] < items[b];
  });
  std::vector<std::uint32_t> place(items.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  return place;
}

std::vector<std::uint32_t> RankByScore(std::span<const float> scores,
                                       std::span<const std::uint32_t> tie_order,
                                       std::span<const std::uint32_t> excluded, std::size_t limit) {
  FOURFOLD_CHECK(scores.size() == tie_order.size());
  std::vector<std::uint32_t> ranked;
  ranked.reserve(scores.size());
  for (std::uint32_t item = 0; item < scores.size(); ++item) {
    if (!std::binary_search(excluded.begin(), excluded.end(), item)) ranked.push_back(item);
  }
  limit = std::min(limit, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(limit),
                    ranked.end(), [&](std::uint32_t a, std::uint32_t b) {
                      if (scores[a] != scores[b]) return scores[a] > scores[b];
                      return tie_order[a] < tie_order[b];
                    });
  ranked.resize(limit);
  return ranked;
}

}  // namespace fourfold
