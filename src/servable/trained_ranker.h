#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "feature/plan/feature_plan.h"
#include "model/trees/tree_ensemble.h"

namespace fourfold {

// A trained ranker with the plan of its features, as a servable carries it. Immutable.
struct TrainedRanker {
  std::vector<FeatureDeclaration> features;
  std::string model;  // XGBoost's JSON (TreeEnsemble::Parse)
  // Rows of features (RowFeatureNames, row-major) with the scores that they must get, bit for bit.
  std::vector<float> golden_rows;
  std::vector<float> golden_scores;

  // Compiled from the above, not stored.
  std::shared_ptr<const FeaturePlan> plan;
  std::shared_ptr<const TreeEnsemble> trees;
};

// Compiles both and scores the golden rows. InvalidArgument where the model's features are not
// those of the plan, or something is wrong with either.
absl::StatusOr<std::shared_ptr<const TrainedRanker>> MakeTrainedRanker(
    std::vector<FeatureDeclaration> features, std::string model, std::vector<float> golden_rows);

// The contents of the servable's file ranker.json (docs/formats.md).
std::string TrainedRankerToJson(const TrainedRanker& ranker);
// DataLoss for what is damaged, and where a golden row does not get its score.
absl::StatusOr<std::shared_ptr<const TrainedRanker>> TrainedRankerFromJson(std::string_view text);

}  // namespace fourfold
