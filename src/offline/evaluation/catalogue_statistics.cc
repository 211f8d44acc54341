#include "offline/evaluation/catalogue_statistics.h"

#include <algorithm>

#include "base/check.h"

namespace fourfold {
namespace {

// Sum over items in ascending order of (2 * place - n - 1) * count, place 1 first, over n * total.
double Gini(std::vector<std::uint64_t> counts) {
  std::sort(counts.begin(), counts.end());
  const auto n = static_cast<double>(counts.size());
  double weighted = 0;
  double total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto count = static_cast<double>(counts[i]);
    weighted += (2 * static_cast<double>(i + 1) - n - 1) * count;
    total += count;
  }
  return total > 0 ? weighted / (n * total) : 0;
}

}  // namespace

CatalogueStatistics ComputeCatalogueStatistics(std::span<const std::uint64_t> shown,
                                               std::span<const float> popularity,
                                               std::uint64_t impressions_elsewhere) {
  FOURFOLD_CHECK(shown.size() == popularity.size());
  std::size_t covered = 0;
  double popularity_sum = 0;
  std::uint64_t impressions = impressions_elsewhere;
  for (std::size_t item = 0; item < shown.size(); ++item) {
    covered += shown[item] > 0;
    popularity_sum += static_cast<double>(shown[item]) * static_cast<double>(popularity[item]);
    impressions += shown[item];
  }
  CatalogueStatistics statistics;
  if (impressions == 0) return statistics;
  statistics.coverage =
      shown.empty() ? 0 : static_cast<double>(covered) / static_cast<double>(shown.size());
  statistics.mean_popularity = popularity_sum / static_cast<double>(impressions);
  statistics.gini = Gini({shown.begin(), shown.end()});
  return statistics;
}

}  // namespace fourfold
