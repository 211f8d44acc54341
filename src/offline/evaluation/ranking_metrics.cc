#include "offline/evaluation/ranking_metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::pair<std::string_view, MetricKind> kNames[] = {
    {"Success", MetricKind::kSuccess},    {"R", MetricKind::kRecall},
    {"P", MetricKind::kPrecision},        {"RR", MetricKind::kReciprocalRank},
    {"nDCG", MetricKind::kNdcg},          {"HR", MetricKind::kSuccess},
    {"Recall", MetricKind::kRecall},      {"Precision", MetricKind::kPrecision},
    {"MRR", MetricKind::kReciprocalRank}, {"NDCG", MetricKind::kNdcg},
};

// [k] is the sum of 1 / log2(rank + 1) over ranks 1 .. k.
using DiscountSums = std::array<double, kMetricCutoffMax + 1>;

const DiscountSums& IdealGains() {
  static const DiscountSums sums = [] {
    DiscountSums filled{};
    for (int rank = 1; rank <= kMetricCutoffMax; ++rank) {
      const auto place = static_cast<std::size_t>(rank);
      filled[place] = filled[place - 1] + 1 / std::log2(rank + 1);
    }
    return filled;
  }();
  return sums;
}

double Ndcg(std::span<const int> hit_ranks, int cutoff, std::size_t relevant_count) {
  double gain = 0;
  for (const int rank : hit_ranks) gain += 1 / std::log2(rank + 1);
  return gain / IdealGains()[std::min(static_cast<std::size_t>(cutoff), relevant_count)];
}

}  // namespace

absl::StatusOr<RankingMetric> ParseRankingMetric(std::string_view name) {
  const std::size_t at = name.find('@');
  const std::string_view kind = name.substr(0, at);
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [kind](const auto& entry) { return entry.first == kind; });
  if (found == std::end(kNames)) {
    return InvalidArgument("metric \"", name, "\": known are Success, R, P, RR and nDCG, each @k");
  }
  int cutoff = 0;
  if (at != std::string_view::npos) {
    const std::string_view digits = name.substr(at + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), cutoff);
    if (error != std::errc() || end != digits.data() + digits.size()) cutoff = 0;
  }
  if (cutoff < 1 || cutoff > kMetricCutoffMax) {
    return InvalidArgument("metric \"", name, "\": the cutoff after @ must be 1 to ",
                           kMetricCutoffMax);
  }
  return RankingMetric{found->second, cutoff};
}

std::string RankingMetricName(const RankingMetric& metric) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const auto& entry) { return entry.second == metric.kind; });
  return StrCat(found->first, "@", metric.cutoff);
}

std::vector<int> HitRanks(std::span<const std::uint32_t> ranked,
                          std::span<const std::uint32_t> relevant) {
  std::vector<int> ranks;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    if (!std::binary_search(relevant.begin(), relevant.end(), ranked[i])) continue;
    const auto before = ranked.first(i);
    if (std::find(before.begin(), before.end(), ranked[i]) != before.end()) continue;
    ranks.push_back(static_cast<int>(i) + 1);
  }
  return ranks;
}

double RankingMetricValue(const RankingMetric& metric, std::span<const int> hit_ranks,
                          std::size_t relevant_count) {
  FOURFOLD_CHECK(relevant_count >= 1);
  FOURFOLD_CHECK(metric.cutoff >= 1 && metric.cutoff <= kMetricCutoffMax);
  const auto past = std::upper_bound(hit_ranks.begin(), hit_ranks.end(), metric.cutoff);
  const std::span<const int> hits(hit_ranks.begin(), past);
  const auto count = static_cast<double>(hits.size());
  switch (metric.kind) {
    case MetricKind::kSuccess:
      return hits.empty() ? 0 : 1;
    case MetricKind::kRecall:
      return count / static_cast<double>(relevant_count);
    case MetricKind::kPrecision:
      return count / metric.cutoff;
    case MetricKind::kReciprocalRank:
      return hits.empty() ? 0 : 1.0 / hits.front();
    case MetricKind::kNdcg:
      return Ndcg(hits, metric.cutoff, relevant_count);
  }
  FOURFOLD_CHECK(false);
}

}  // namespace fourfold
