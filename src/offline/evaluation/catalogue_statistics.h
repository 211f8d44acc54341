#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fourfold {

// What a method shows over all queries, beside how often it is right.
struct CatalogueStatistics {
  double coverage = 0;         // share of the catalogue that anybody was shown
  double mean_popularity = 0;  // mean training count over the impressions
  // Of how often each item of the catalogue was shown, those never shown included: 0 all alike,
  // towards 1 everything to a few.
  double gini = 0;
};

// `shown` is how often each item of the catalogue was shown, `popularity` its training count; the
// two are parallel. `impressions_elsewhere` counts impressions of items outside the catalogue,
// which have popularity 0.
CatalogueStatistics ComputeCatalogueStatistics(std::span<const std::uint64_t> shown,
                                               std::span<const float> popularity,
                                               std::uint64_t impressions_elsewhere = 0);

}  // namespace fourfold
