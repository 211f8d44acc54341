#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"
#include "model/transact/transact_ranker.h"
#include "model/trees/tree_ensemble.h"

namespace fourfold {

inline constexpr int kRankedCandidatesMax = 2000;  // TrainedRanker::candidates

// Memory that scoring reuses from request to request.
struct TrainedRankerScratch {
  std::vector<float> rows;
  std::vector<std::string_view> items;
  TransActScratch transact;
};

// A request whose scores are known.
struct RankerGoldenRequest {
  std::int64_t request_time_ms = 0;
  FeatureSequence actions;  // its fields are the item codes alone
  std::vector<std::string> items;
  std::vector<float> rows;    // as golden_rows, one of each item
  std::vector<float> scores;  // [heads][items]
};

// A trained ranker with the plan of its features, as a servable carries it: trees, or TransAct.
// Immutable.
struct TrainedRanker {
  std::vector<FeatureDeclaration> features;
  std::string model;  // of trees: XGBoost's JSON (TreeEnsemble::Parse)
  // Rows of features (RowFeatureNames, row-major) with the scores that they must get, bit for bit.
  std::vector<float> golden_rows;
  std::vector<float> golden_scores;
  // Of TransAct, in place of rows: processors may differ in rounding, so the scores are met within
  // a tolerance. In bfloat16 a difference in the last place of a sum may become one of a factor.
  std::vector<RankerGoldenRequest> golden_requests;
  static constexpr float GoldenTolerance(Precision precision) {
    return precision == Precision::kBfloat16 ? 0.03f : 1e-3f;
  }

  // How many of the blend's best candidates it puts in order on the request path; 0: none, it
  // orders only lists that callers bring.
  int candidates = 0;

  // Where the recipe declares heads, for each: what its probability weighs in the order, unless
  // somebody said otherwise since (online/ranking/value_model.h). Empty: the one head orders.
  std::vector<double> values;

  // Compiled from the above, not stored.
  std::shared_ptr<const FeaturePlan> plan;
  std::shared_ptr<const TreeEnsemble> trees;       // or null
  std::shared_ptr<const TransActRanker> transact;  // or null
  std::string sequence;                            // of TransAct: the feature of its actions
  std::size_t sequence_place = 0;                  // its place in FeatureTable::sequences

  // Of the model: 1 or more.
  std::size_t heads() const { return transact == nullptr ? 1 : transact->model().heads.size(); }
  std::string_view head(std::size_t number) const { return transact->model().heads[number]; }
  bool has_value_model() const { return !values.empty(); }

  // What each head makes of each candidate of the request, [heads()][candidates]: log-odds, or of a
  // single head that predicts no probability a number to compare. `table` is what ReadFeatures gave
  // for the request. Thread-safe.
  void Predict(const FeatureRequest& request, const FeatureTable& table,
               TrainedRankerScratch* scratch, std::span<float> predictions) const;
  // What orders candidates by it, greater is better: of each the sum of its heads' probabilities,
  // each times its weight; without a value model the predictions themselves. ShownScore makes of it
  // what is shown.
  void Score(std::span<const float> predictions, std::span<const double> weights,
             std::span<float> scores) const;
  // The probability where a single head predicts one, else the score itself.
  double ShownScore(float score) const;
  // Of one candidate, after Score with this scratch: its features by name, NaN for none.
  std::vector<std::pair<std::string, float>> FeaturesOf(const TrainedRankerScratch& scratch,
                                                        std::size_t candidate) const;
  // By trees: what each feature added to the score, and the rest under kBaseContribution. By
  // TransAct: what share of the last layer's attention each action got, newest first, under "action
  // 1: " and so on with its type and item.
  std::vector<std::pair<std::string, double>> ContributionsOf(const FeatureRequest& request,
                                                              const FeatureTable& table,
                                                              const TrainedRankerScratch& scratch,
                                                              std::size_t candidate) const;
};

// Compiles both and scores the golden rows. InvalidArgument where the model's features are not
// those of the plan, or something is wrong with either.
absl::StatusOr<std::shared_ptr<const TrainedRanker>> MakeTrainedRanker(
    std::vector<FeatureDeclaration> features, std::string model, std::vector<float> golden_rows,
    int candidates);

// The same of TransAct; scores the golden requests. `sequence` names the feature that its actions
// are; `values` as in TrainedRanker, needed where the model has more than one head.
absl::StatusOr<std::shared_ptr<const TrainedRanker>> MakeTrainedTransAct(
    std::vector<FeatureDeclaration> features, TransActRankerModel model, std::string sequence,
    std::vector<RankerGoldenRequest> golden_requests, int candidates,
    std::vector<double> values = {});

// The contents of the servable's file ranker.json (docs/formats.md).
std::string TrainedRankerToJson(const TrainedRanker& ranker);
// `weights`: of TransAct, the servable's ranker.safetensors; else null. DataLoss for what is
// damaged, and where a golden row or request does not get its score.
absl::StatusOr<std::shared_ptr<const TrainedRanker>> TrainedRankerFromJson(
    std::string_view text, const SafetensorsFile* weights = nullptr);

}  // namespace fourfold
