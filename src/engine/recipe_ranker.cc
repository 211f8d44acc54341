#include "engine/recipe_ranker.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "feature/plan/feature_matrix.h"
#include "model/trees/tree_ensemble.h"
#include "servable/trained_ranker.h"

namespace fourfold {
namespace {

using Objective = TreesSpec::Objective;
using Metric = TreesSpec::Metric;

std::string NameOf(RowOptions::Rows rows) {
  if (rows == RowOptions::Rows::kRankings) return "rows rankings";
  return rows == RowOptions::Rows::kActions ? "rows actions" : "rows retrieved";
}

void ReadRows(RecipeSection& section, RowOptions* rows) {
  using Rows = RowOptions::Rows;
  section.Choice<Rows>("rows", &rows->rows,
                       {{"rankings", Rows::kRankings},
                        {"actions", Rows::kActions},
                        {"retrieved", Rows::kRetrieved}});
  section.RequireKey("labels");
  section.NumberMap("labels", &rows->labels, 0, 31);
  const std::string name = NameOf(rows->rows);
  section.AppliesIf(rows->rows != Rows::kActions, name);
  section.Duration("attribution_window", &rows->attribution_window_ms);
  section.AppliesIf(rows->rows == Rows::kRankings, name);
  section.Integer("items_min", &rows->items_min, 1, 500);
  section.Flag("answered_only", &rows->answered_only);
  section.AppliesIf(true, "");
}

void CheckLabels(RecipeSection& section, const RankerSpec& spec) {
  const bool is_trees = spec.kind == RankerSpec::Kind::kTrees;
  const bool is_logistic = is_trees ? spec.trees.objective == Objective::kLogistic
                                    : spec.transact.objective == TransActSpec::Objective::kLogistic;
  for (const auto& [type, label] : spec.rows.labels) {
    if (is_logistic && label > 1) {
      section.Problem("labels", StrCat(type, " must lie between 0 and 1 with objective logistic"));
    }
    if (is_trees && spec.trees.objective == Objective::kNdcg && label != std::floor(label)) {
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

// Of the model, where training and the network have keys of their own.
void ReadTransActModel(RecipeSection& section, TransActSpec* transact) {
  section.Text("sequence", &transact->sequence);
  section.Integer("actions", &transact->actions, 1, 1000);
  section.Integer("action_dimension", &transact->action_dimension, 8, 512);
  section.Integer("item_dimension", &transact->item_dimension, 8, 512);
  section.Integer("layers", &transact->layers, 1, 8);
  section.Integer("attention_heads", &transact->attention_heads, 1, 64);
  section.Integer("feed_forward", &transact->feed_forward, 8, 2048);
  section.Integer("latest", &transact->latest, 0, 1000);
  section.Flag("max_pool", &transact->max_pool);
  section.Integer("cross_layers", &transact->cross_layers, 0, 8);
  std::vector<double> hidden(transact->hidden.begin(), transact->hidden.end());
  section.NumberList("hidden", &hidden, 8, 4096);
  transact->hidden.assign(hidden.begin(), hidden.end());
  section.Integer("item_actions_min", &transact->item_actions_min, 1, 1'000'000'000);
}

void CheckTransAct(RecipeSection& section, const FeaturePlan* plan, const TransActSpec& transact) {
  for (const auto& [key, size] : {std::pair("action_dimension", transact.action_dimension),
                                  std::pair("item_dimension", transact.item_dimension),
                                  std::pair("feed_forward", transact.feed_forward)}) {
    if (size % 8 != 0) section.Problem(key, "must be a multiple of 8");
  }
  for (const int width : transact.hidden) {
    if (width % 8 != 0) section.Problem("hidden", "must hold multiples of 8");
  }
  if (transact.hidden.size() > 8) section.Problem("hidden", "holds more than 8 layers");
  if ((transact.action_dimension + 2 * transact.item_dimension) % transact.attention_heads != 0) {
    section.Problem("attention_heads", "must divide action_dimension + 2 * item_dimension");
  }
  if (transact.latest > transact.actions) section.Problem("latest", "is more than actions");
  if (transact.latest == 0 && !transact.max_pool) {
    section.Problem("latest", "is 0, and without max_pool nothing is left");
  }
  if (transact.metric == Metric::kLogLoss &&
      transact.objective != TransActSpec::Objective::kLogistic) {
    section.Problem("metric", "log_loss needs objective logistic");
  }
  if (section.collecting() || plan == nullptr) return;
  const bool is_there = std::any_of(
      plan->sequences().begin(), plan->sequences().end(), [&](const FeaturePlan::Output& output) {
        return transact.sequence.empty() || output.name == transact.sequence;
      });
  if (!is_there) section.Problem("sequence", "no feature of kind sequence has this name");
}

void ReadTransAct(RecipeSection& section, const FeaturePlan* plan, TransActSpec* transact) {
  using TransActObjective = TransActSpec::Objective;
  ReadTransActModel(section, transact);
  section.Choice<TransActObjective>(
      "objective", &transact->objective,
      {{"logistic", TransActObjective::kLogistic}, {"listwise", TransActObjective::kListwise}});
  if (transact->objective == TransActObjective::kListwise) transact->metric = Metric::kMap;
  section.Choice<Metric>("metric", &transact->metric,
                         {{"log_loss", Metric::kLogLoss},
                          {"auc", Metric::kAuc},
                          {"map", Metric::kMap},
                          {"ndcg", Metric::kNdcg}});
  section.Duration("window", &transact->window_ms);
  section.Number("learning_rate", &transact->learning_rate, 1e-6, 1);
  section.Integer("warm_up_steps", &transact->warm_up_steps, 0, 1'000'000);
  section.Integer("batch_rows", &transact->batch_rows, 1, 65'536);
  section.Integer("epochs", &transact->epochs, 1, 1000);
  section.Integer("early_stopping_epochs", &transact->early_stopping_epochs, 0, 1000);
  section.Number("dropout", &transact->dropout, 0, 0.9);
  section.Number("weight_decay", &transact->weight_decay, 0, 10);
  section.Integer("seed", &transact->seed, 0, 1'000'000'000);
  section.Flag("warm_start", &transact->warm_start);
  CheckTransAct(section, plan, *transact);
}

}  // namespace

void ReadRanker(RecipeSection& root, const FeaturePlan* plan, std::optional<RankerSpec>* ranker) {
  const bool is_there = root.Has("ranker");
  RankerSpec spec;
  root.Mapping("ranker", [&](RecipeSection& section) {
    if (!is_there && !section.collecting()) return;
    using Kind = RankerSpec::Kind;
    section.Choice<Kind>("kind", &spec.kind,
                         {{"trees", Kind::kTrees}, {"transact", Kind::kTransAct}});
    ReadRows(section, &spec.rows);
    section.AppliesIf(spec.kind == Kind::kTrees, "kind trees");
    ReadTrees(section, plan, &spec.trees);
    section.AppliesIf(spec.kind == Kind::kTransAct, "kind transact");
    section.Mapping("transact", [&](RecipeSection& transact) {
      if (spec.kind != Kind::kTransAct && !transact.collecting()) return;
      ReadTransAct(transact, plan, &spec.transact);
    });
    section.AppliesIf(true, "");
    section.Integer("candidates", &spec.candidates, 0, kRankedCandidatesMax);
    section.Number("log_features", &spec.log_features, 0, 1);
    const bool retrieved = spec.rows.rows == RowOptions::Rows::kRetrieved;
    section.AppliesIf(retrieved, NameOf(spec.rows.rows));
    section.Number("retrieval_share", &spec.retrieval_share, 0.01, 0.95);
    section.Integer("retrieval_fits", &spec.retrieval_fits, 1, 100);
    section.AppliesIf(true, "");
    if (retrieved && spec.candidates == 0) {
      section.Problem("candidates", "must be at least 1 with rows retrieved");
    }
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
