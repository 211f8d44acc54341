#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"
#include "model/trees/tree_ensemble.h"

namespace fourfold {

inline constexpr int kRankedCandidatesMax = 2000;  // TrainedRanker::candidates

// Memory that scoring reuses from request to request.
struct TrainedRankerScratch {
  std::vector<float> rows;
};

// A trained ranker with the plan of its features, as a servable carries it. Immutable.
struct TrainedRanker {
  std::vector<FeatureDeclaration> features;
  std::string model;  // XGBoost's JSON (TreeEnsemble::Parse)
  // Rows of features (RowFeatureNames, row-major) with the scores that they must get, bit for bit.
  std::vector<float> golden_rows;
  std::vector<float> golden_scores;

  // How many of the blend's best candidates it puts in order on the request path; 0: none, it
  // orders only lists that callers bring.
  int candidates = 0;

  // Compiled from the above, not stored.
  std::shared_ptr<const FeaturePlan> plan;
  std::shared_ptr<const TreeEnsemble> trees;

  // A score for each candidate of the request, greater is better; ShownScore makes of it what is
  // shown. `table` is what ReadFeatures gave for the request. Thread-safe.
  void Score(const FeatureRequest& request, const FeatureTable& table,
             TrainedRankerScratch* scratch, std::span<float> scores) const;
  // The probability where the ranker predicts one, else the score itself.
  double ShownScore(float score) const;
};

// Compiles both and scores the golden rows. InvalidArgument where the model's features are not
// those of the plan, or something is wrong with either.
absl::StatusOr<std::shared_ptr<const TrainedRanker>> MakeTrainedRanker(
    std::vector<FeatureDeclaration> features, std::string model, std::vector<float> golden_rows,
    int candidates);

// The contents of the servable's file ranker.json (docs/formats.md).
std::string TrainedRankerToJson(const TrainedRanker& ranker);
// DataLoss for what is damaged, and where a golden row does not get its score.
absl::StatusOr<std::shared_ptr<const TrainedRanker>> TrainedRankerFromJson(std::string_view text);

}  // namespace fourfold
