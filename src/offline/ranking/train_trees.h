#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/trees/tree_ensemble.h"
#include "offline/ranking/training_rows.h"

namespace fourfold {

// What trees are trained for and how; plain values of the recipe's `ranker:` section.
struct TreesSpec {
  // kPairwise: a candidate above one with a lower label of the same request. kNdcg: the same, with
  // what a swap would change in nDCG; labels are whole numbers from 0 to 31. kLogistic: the
  // probability of the label, which lies from 0 to 1.
  enum class Objective : std::uint8_t { kPairwise, kNdcg, kLogistic } objective = Objective::kNdcg;
  // Decides which round is the best. Per request, mean: kNdcg (gains 2^label - 1), kMap (labels
  // above 0 are relevant). Over all rows: kAuc, kLogLoss (objective kLogistic).
  enum class Metric : std::uint8_t { kNdcg, kMap, kAuc, kLogLoss } metric = Metric::kNdcg;
  // Objective and metric kNdcg: only the first so many places of a request count, by the
  // derivatives of lambda_gradients.h; 0: all places, by pairs that XGBoost draws.
  int cutoff = 0;
  double learning_rate = 0.1;
  int depth = 6;     // at most TreeEnsemble::kDepthMax
  int rounds = 500;  // at most; each is a tree
  double min_child_weight = 1;
  double lambda = 1;                    // L2 penalty of leaves
  double row_sample = 1;                // share of the rows that each tree sees
  double column_sample = 1;             // share of the features that each tree may use
  int bins = 256;                       // of the values of a feature
  int early_stopping_rounds = 50;       // without a better metric; 0: all rounds
  std::map<std::string, int> monotone;  // by feature: 1 rising, -1 falling
  int seed = 1;
  friend bool operator==(const TreesSpec&, const TreesSpec&) = default;
};

struct TrainTreesOptions {
  // Requests before `validation_from_ms` teach; those from there on and before `end_ms` decide
  // which round is the best. Without validation_from_ms all teach and all rounds are grown.
  std::optional<std::int64_t> validation_from_ms;
  std::optional<std::int64_t> end_ms;
  int threads = 0;  // 0: one per processor
  struct Progress {
    int round = 0;      // rounds grown
    int rounds = 0;     // at most
    double metric = 0;  // of the validation requests, where there are any
    int best_round = 0;
  };
  std::function<void(const Progress&)> progress;
  // Asked before each round: true ends the training with Cancelled. May be empty.
  std::function<bool()> is_cancelled;
};

struct TrainedTrees {
  std::string model;  // XGBoost's JSON, for TreeEnsemble::Parse: the trees up to the best round
  int rounds = 0;     // trees in it
  int rounds_grown = 0;
  double metric = 0;  // of the best round, on the validation requests
  std::uint64_t training_requests = 0, training_rows = 0;
  std::uint64_t validation_requests = 0, validation_rows = 0;
  std::vector<FeatureImportance> importance;  // request features, then candidate features
};

// Fits boosted trees with XGBoost. The features are the request features and then the candidate
// features of the file, by these names and in this order; sequences are not used.
//
// Both ranking objectives leave requests out in which all labels are the same, since nothing can be
// learned of their order; and a request weighs the mean weight of its rows.
//
// The same file, spec and number of threads give the same bytes. Memory: about 10 bytes a value
// that teaches and 12 a value that validates, 20 a row, and a block of the file. InvalidArgument
// for labels or values that do not fit (infinities), an unknown name in `monotone`, and too few
// requests; errors of the reader; Internal for what XGBoost says. Reads the file several times,
// from its beginning. Threads wait for each other busily: on processors that others use, more of
// them take longer.
absl::StatusOr<TrainedTrees> TrainTrees(TrainingRowsReader* rows, const TreesSpec& spec,
                                        const TrainTreesOptions& options);

// The moments that cut requests, by their event times, into a part that teaches, one that validates
// and one that tests: the first so many, the next so many, the rest. Requests of one moment stay
// together, in the later part. nullopt where there is no request. Shares are from 0 to 1, their sum
// at most 1.
struct TimeCuts {
  std::int64_t validation_from_ms = 0;
  std::int64_t test_from_ms = 0;  // above all times: nothing to test
  friend bool operator==(const TimeCuts&, const TimeCuts&) = default;
};
std::optional<TimeCuts> CutByTime(std::vector<std::int64_t> event_times_ms, double training_share,
                                  double validation_share);

}  // namespace fourfold
