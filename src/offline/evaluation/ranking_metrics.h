#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// How good one ranked list is, judged by a set of relevant items (binary relevance).
//
// Definitions, and the traps in which libraries differ:
//   Success@k  1 if any relevant item is among the first k, else 0. Also called HR@k (hit rate).
//   R@k        hits in the first k / ALL relevant items, as trec_eval. So with more than k relevant
//              items it cannot reach 1 (others divide by min(k, relevant)).
//   P@k        hits in the first k / k, also where the list is shorter than k.
//   RR@k       1 / rank of the first hit if that rank is at most k, else 0; its mean is MRR@k.
//   nDCG@k     sum over the hits in the first k of 1 / log2(rank + 1), over the same sum for
//              min(k, relevant) hits on top. With binary relevance the gains rel and 2^rel - 1 are
//              the same, so trec_eval's and Burges' forms agree.
// Ties between scores: not seen here. A list is judged on its order; who makes a list of scores
// breaks ties by tie_rule.h (trec_eval would use the id, descending).
// Queries without relevant items have no value: they are left out of the means (trec_eval counts
// them as 0 only when asked to). Ranking is always over the full catalogue, never over a sample.
namespace fourfold {

enum class MetricKind : std::uint8_t { kSuccess, kRecall, kPrecision, kReciprocalRank, kNdcg };

struct RankingMetric {
  MetricKind kind = MetricKind::kNdcg;
  int cutoff = 10;  // k, 1..kMetricCutoffMax
  friend bool operator==(const RankingMetric&, const RankingMetric&) = default;
};

inline constexpr int kMetricCutoffMax = 1000;

// Reads the syntax of ir_measures ("nDCG@10", "R@20", "Success@10", "RR@100", "P@5"); the other
// common names HR@k, Recall@k, MRR@k, NDCG@k and Precision@k are understood too.
absl::StatusOr<RankingMetric> ParseRankingMetric(std::string_view name);
// Always the ir_measures name.
std::string RankingMetricName(const RankingMetric& metric);

// The ranks (1 is first, ascending) at which `ranked` names a relevant item for the first time.
// `relevant` is ascending and without repetition. A repeated item takes up its place in the list
// but counts once.
std::vector<int> HitRanks(std::span<const std::uint32_t> ranked,
                          std::span<const std::uint32_t> relevant);

// The value of one query, 0..1. `hit_ranks` as HitRanks makes them (deeper than the cutoff is
// fine); relevant_count, the number of all relevant items, is at least 1.
double RankingMetricValue(const RankingMetric& metric, std::span<const int> hit_ranks,
                          std::size_t relevant_count);

}  // namespace fourfold
