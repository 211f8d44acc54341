#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "offline/evaluation/evaluation_protocol.h"
#include "servable/servable.h"

// Finds the weights of a blend on validation queries.
namespace fourfold {

// One retriever's answer to one query, best first, as the blender gets it: without fill, and
// without excluded items.
struct RetrieverList {
  std::vector<std::uint32_t> items;
  std::vector<float> scores;  // parallel
};

struct TuningQuery {
  std::vector<RetrieverList> lists;     // one a retriever
  std::vector<std::uint32_t> relevant;  // ascending
};

// Answers one query by one retriever. Called from several threads at once.
using RetrieveFunction = std::function<absl::Status(
    const EvaluationQuery& query, std::size_t retriever, int limit, RetrieverList* list)>;

struct TuningQueries {
  std::vector<TuningQuery> with_hits;  // some list names something relevant
  std::uint64_t without_hits = 0;      // worth 0 whatever the weights
};

// Asks every retriever. Memory: 8 bytes an entry of the lists of queries with hits.
absl::StatusOr<TuningQueries> CollectTuningQueries(std::span<const EvaluationQuery> queries,
                                                   std::size_t retrievers, int limit,
                                                   const RetrieveFunction& retrieve, int threads);

struct BlendTuningOptions {
  std::vector<std::string> retrievers;  // names, parallel to TuningQuery::lists
  // Methods (with their rank constants) to choose from; their weights are ignored. Empty: both
  // methods with the defaults of BlendSpec.
  std::vector<BlendSpec> candidates;
  // Weights tried for a retriever beside the one that is alone on start, which has 1.
  std::vector<double> grid = {0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3};
  // A change of weights must gain this much nDCG@10, relative to what there is, and a retriever
  // that adds less is left out: smaller differences are noise, and fewer retrievers cost less.
  double least_gain = 0.001;
  // The online blend's order among equal scores: smaller goes first (tie_rule.h).
  std::span<const std::uint32_t> tie_order;
  int threads = 0;  // 0: one per processor. The result is the same for any number.
};

struct TunedBlend {
  BlendSpec spec;         // only weights above zero
  double ndcg_at_10 = 0;  // of the blend, on the validation queries
  std::string best_part;  // the best retriever alone, and
  double best_part_ndcg_at_10 = 0;
};

// Coordinate search from the best retriever alone and from equal weights. InvalidArgument: no
// retriever, no query, or lists that do not fit the names.
absl::StatusOr<TunedBlend> TuneBlend(const TuningQueries& queries,
                                     const BlendTuningOptions& options);

// nDCG@10 of a blend over the queries, computed plainly: what TuneBlend maximises. Every name of
// spec.weights is one of the retrievers. A candidate whose blended score is 0 counts as not found.
double BlendNdcgAt10(const TuningQueries& queries, std::span<const std::string> retrievers,
                     const BlendSpec& spec, std::span<const std::uint32_t> tie_order);

}  // namespace fourfold
