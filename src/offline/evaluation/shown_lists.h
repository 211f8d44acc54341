#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "math/bootstrap.h"
#include "offline/evaluation/ranking_metrics.h"

// How well scores order the lists that were shown, and how well they tell the rows apart that were
// acted on.
namespace fourfold {

// Requests with what each showed. Plain values.
struct ShownLists {
  std::vector<std::uint32_t> row_end;  // [requests]: its rows are [row_end[i - 1] or 0, row_end[i])
  std::vector<std::uint32_t> user;     // [requests], any numbers: whole users are drawn
  std::vector<float> label;            // [rows], in the order shown; above 0: relevant
};

struct ShownListMethod {
  std::string name;
  std::vector<float> scores;  // [rows], higher first; equal ones stay in the order shown
};

struct ShownListOptions {
  // Of the list as it is shown; cutoffs beyond its length reach to its end.
  std::vector<RankingMetric> metrics = {{MetricKind::kReciprocalRank, kMetricCutoffMax},
                                        {MetricKind::kSuccess, 3},
                                        {MetricKind::kNdcg, 10}};
  BootstrapOptions bootstrap;
};

struct ShownListResult {
  std::vector<RankingMetric> metrics;
  std::uint64_t requests = 0;           // with a relevant row: those that the metrics are of
  std::uint64_t requests_left_out = 0;  // without one
  std::uint64_t rows = 0;               // of all requests: those that AUC is of
  struct Method {
    std::string name;
    std::vector<Interval> values;       // of metrics, over requests; users are drawn
    std::vector<Interval> differences;  // to the first method, paired by request
    // Over all rows, whatever their request: how often a relevant row scores above one that is not,
    // equal scores counting half. Intervals draw whole users. NaN without rows of both kinds.
    Interval auc;
    Interval auc_difference;         // to the first method, over the same draws
    std::vector<double> by_request;  // [requests x metrics], to slice by groups of requests
  };
  std::vector<Method> methods;
};

// The first method is what the others are compared with. InvalidArgument where lists and scores do
// not fit together, a score is NaN, or no request has a relevant row.
absl::StatusOr<ShownListResult> EvaluateShownLists(const ShownLists& lists,
                                                   std::span<const ShownListMethod> methods,
                                                   const ShownListOptions& options = {});

}  // namespace fourfold
