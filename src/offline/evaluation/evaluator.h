#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "math/bootstrap.h"
#include "offline/evaluation/catalogue_statistics.h"
#include "offline/evaluation/evaluation_protocol.h"
#include "offline/evaluation/ranking_metrics.h"

namespace fourfold {

// What a method answers where it shows an item that the table does not know: it takes up a rank.
inline constexpr std::uint32_t kItemOutsideTable = std::numeric_limits<std::uint32_t>::max();

struct EvaluationMethod {
  std::string name;
  bool blend = false;  // made of the others: compared with the best of them
  std::string against =
      {};  // compared with the method of this name; empty: with none, or as a blend
};

// Answers one query by methods[method]: at most `limit` items, best first, none excluded by the
// query and none twice. Called from several threads at once.
using RankFunction = std::function<absl::Status(const EvaluationQuery& query, std::size_t method,
                                                int limit, std::vector<std::uint32_t>* ranked)>;

struct EvaluationOptions {
  std::vector<RankingMetric> metrics;  // empty: DefaultMetrics()
  // Training count of each item of the table, which is the catalogue.
  std::span<const float> popularity;
  BootstrapOptions bootstrap;
  int threads = 0;                            // 0: one per processor
  std::function<void(double done)> progress;  // 0..1, from any one thread at a time; may be empty
};

struct MethodResult {
  std::string name;
  bool blend = false;
  std::vector<Interval> metrics;     // parallel to EvaluationResult::metrics
  CatalogueStatistics first_shown;   // of the first 10 of every list
  std::string compared_with;         // a blend: the best part; or EvaluationMethod::against
  std::vector<Interval> difference;  // to that, paired; empty: compared with none
  std::vector<double> values;        // [queries x metrics] row-major, to slice by groups of queries
};

struct EvaluationResult {
  std::vector<RankingMetric> metrics;
  std::uint64_t queries = 0;
  std::vector<MethodResult> methods;  // in the order asked for
  // The method that is no blend and compared with none with the highest nDCG@10 (the first metric
  // where that one is not asked for); the earlier one on a tie. Empty: there are only blends.
  std::string best_part;
  double seconds = 0;  // ranking, metrics and intervals
};

// nDCG@10, Success@10, nDCG@20, Success@20, R@20, RR@20.
std::vector<RankingMetric> DefaultMetrics();

// The users of the queries as numbers without gaps, as the bootstrap wants them.
std::vector<std::uint32_t> ClustersOf(std::span<const EvaluationQuery> queries);

// Asks every query of every method and sums up. Intervals are over users, 95 % by default. Fails
// with an error of `rank`, or Internal where a list breaks its
// contract; InvalidArgument for no queries or no methods.
absl::StatusOr<EvaluationResult> RunEvaluation(std::span<const EvaluationQuery> queries,
                                               std::span<const EvaluationMethod> methods,
                                               const RankFunction& rank,
                                               const EvaluationOptions& options);

}  // namespace fourfold
