#include "engine/recipe_ranker.h"

#include <cmath>
#include <string>

#include "base/strings.h"
#include "feature/plan/feature_matrix.h"
#include "model/trees/tree_ensemble.h"
#include "servable/trained_ranker.h"

namespace fourfold {
namespace {

using Objective = TreesSpec::Objective;
using Metric = TreesSpec::Metric;

void ReadRows(RecipeSection& section, RowOptions* rows) {
  using Rows = RowOptions::Rows;
  section.Choice<Rows>("rows", &rows->rows,
                       {{"rankings", Rows::kRankings}, {"actions", Rows::kActions}});
  section.RequireKey("labels");
  section.NumberMap("labels", &rows->labels, 0, 31);
  section.AppliesIf(rows->rows == Rows::kRankings, "rows actions");
  section.Duration("attribution_window", &rows->attribution_window_ms);
  section.Integer("items_min", &rows->items_min, 1, 500);
  section.Flag("answered_only", &rows->answered_only);
  section.AppliesIf(true, "");
}

void CheckLabels(RecipeSection& section, const RankerSpec& spec) {
  for (const auto& [type, label] : spec.rows.labels) {
    if (spec.trees.objective == Objective::kLogistic && label > 1) {
      section.Problem("labels", StrCat(type, " must lie between 0 and 1 with objective logistic"));
    }
    if (spec.trees.objective == Objective::kNdcg && label != std::floor(label)) {
      section.Problem("labels", StrCat(type, " must be a whole number with objective ndcg"));
    }
  }
}

void ReadTrees(RecipeSection& section, const FeaturePlan* plan, TreesSpec* trees) {
  section.Choice<Objective>("objective", &trees->objective,
                            {{"ndcg", Objective::kNdcg},
                             {"pairwise", Objective::kPairwise},
                             {"logistic", Objective::kLogistic}});
  if (trees->objective == Objective::kLogistic) trees->metric = Metric::kLogLoss;
  section.Choice<Metric>("metric", &trees->metric,
                         {{"ndcg", Metric::kNdcg},
                          {"map", Metric::kMap},
                          {"auc", Metric::kAuc},
                          {"log_loss", Metric::kLogLoss}});
  section.Number("learning_rate", &trees->learning_rate, 1e-4, 1);
  section.Integer("depth", &trees->depth, 1, TreeEnsemble::kDepthMax);
  section.Integer("rounds", &trees->rounds, 1, 10'000);
  section.Number("min_child_weight", &trees->min_child_weight, 0, 1e6);
  section.Number("lambda", &trees->lambda, 0, 1e6);
  section.Number("row_sample", &trees->row_sample, 0.01, 1);
  section.Number("column_sample", &trees->column_sample, 0.01, 1);
  section.Integer("bins", &trees->bins, 2, 65'535);
  section.Integer("early_stopping_rounds", &trees->early_stopping_rounds, 0, 10'000);
  section.Integer("seed", &trees->seed, 0, 1'000'000'000);
  section.Mapping("monotone", [&](RecipeSection& monotone) {
    if (monotone.collecting() || plan == nullptr) return;
    monotone.CallUnknown("no feature has this name");
    for (const std::string& name : RowFeatureNames(*plan)) {
      int direction = 0;
      monotone.Integer(name, &direction, -1, 1);
      if (monotone.Has(name)) trees->monotone[name] = direction;
    }
  });
}

}  // namespace

void ReadRanker(RecipeSection& root, const FeaturePlan* plan, std::optional<RankerSpec>* ranker) {
  const bool is_there = root.Has("ranker");
  RankerSpec spec;
  root.Mapping("ranker", [&](RecipeSection& section) {
    if (!is_there && !section.collecting()) return;
    enum class Kind { kTrees } kind = Kind::kTrees;
    section.Choice<Kind>("kind", &kind, {{"trees", Kind::kTrees}});
    ReadRows(section, &spec.rows);
    ReadTrees(section, plan, &spec.trees);
    section.Integer("candidates", &spec.candidates, 0, kRankedCandidatesMax);
    section.Number("log_features", &spec.log_features, 0, 1);
    section.Number("training_share", &spec.training_share, 0.01, 1);
    section.Number("validation_share", &spec.validation_share, 0, 0.9);
    if (spec.training_share + spec.validation_share > 1) {
      section.Problem("validation_share", "is more than training_share leaves");
    }
    CheckLabels(section, spec);
  });
  if (!is_there) return;
  if (plan == nullptr || plan->columns().empty()) {
    root.Problem("ranker", "needs features, in the section above it");
  }
  *ranker = std::move(spec);
}

}  // namespace fourfold
