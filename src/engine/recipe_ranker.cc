#include "engine/recipe_ranker.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "feature/plan/feature_matrix.h"
#include "fourfold/features.h"
#include "model/trees/tree_ensemble.h"
#include "offline/ranking/ranking_loss.h"
#include "offline/ranking/training_rows.h"
#include "servable/trained_ranker.h"
#include "servable/transact_columns.h"

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
  section.Integer("negatives", &rows->negatives, 0, 10'000);
  section.AppliesIf(rows->rows == Rows::kRetrieved, name);
  section.Duration("moments_every", &rows->moments_every_ms);
  if (rows->moments_every_ms > 0 && rows->attribution_window_ms == 0) {
    section.Problem("moments_every",
                    "needs an attribution_window: what is acted on after a moment");
  }
  section.AppliesIf(rows->rows == Rows::kRankings, name);
  section.Integer("items_min", &rows->items_min, 1, 500);
  section.Flag("answered_only", &rows->answered_only);
  section.AppliesIf(true, "");
}

// The heads, and what each weighs in the value model.
void ReadHeads(RecipeSection& section, std::vector<RankerHead>* heads,
               std::vector<double>* values) {
  section.List("heads", [&](RecipeSection& element) {
    RankerHead head;
    element.RequireKey("name");
    element.Text("name", &head.name);
    element.RequireKey("actions");
    element.TextList("actions", &head.actions);
    const bool is_known = std::any_of(heads->begin(), heads->end(), [&](const RankerHead& other) {
      return other.name == head.name;
    });
    if (is_known) element.Problem("name", "stands twice");
    if (head.name.empty() && element.Has("name")) element.Problem("name", "is empty");
    if (head.actions.empty() && element.Has("actions")) element.Problem("actions", "is empty");
    heads->push_back(std::move(head));
  });
  if (heads->size() > kTrainingHeadsMax) {
    section.Problem("heads", StrCat("more than ", kTrainingHeadsMax));
  }
  std::map<std::string, double> weights;
  section.NumberMap("value_model", &weights, -kValueModelWeightMax, kValueModelWeightMax);
  if (section.collecting()) return;
  if (!weights.empty() && heads->empty()) section.Problem("value_model", "needs heads");
  for (const auto& weight : weights) {
    const bool is_head = std::any_of(heads->begin(), heads->end(), [&](const RankerHead& head) {
      return head.name == weight.first;
    });
    if (!is_head && !heads->empty()) {
      section.Problem("value_model", StrCat("no head has the name ", weight.first));
    }
  }
  for (const RankerHead& head : *heads) {
    if (!weights.contains(head.name)) {
      section.Problem("value_model", StrCat("has no weight of the head ", head.name));
    }
    values->push_back(weights[head.name]);
  }
}

bool PredictsProbability(const RankerSpec& spec) {
  return spec.kind == RankerSpec::Kind::kTrees
             ? spec.trees.objective == Objective::kLogistic
             : spec.transact.objective == TransActSpec::Objective::kLogistic;
}

void CheckLabels(RecipeSection& section, const RankerSpec& spec) {
  const bool is_trees = spec.kind == RankerSpec::Kind::kTrees;
  // With heads labels are judged by, not learned.
  const bool is_logistic = PredictsProbability(spec) && spec.rows.heads.empty();
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
  section.Integer("cutoff", &trees->cutoff, 0, 10'000);
  if (trees->cutoff > 0 && trees->objective != Objective::kNdcg && trees->metric != Metric::kNdcg) {
    section.Problem("cutoff", "needs objective ndcg or metric ndcg");
  }
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

// What stands for a text is no number to split at.
void CheckNoCodes(RecipeSection& section, const FeaturePlan& plan) {
  for (const FeaturePlan::Output& output : plan.columns()) {
    if (!output.kind->is_code()) continue;
    section.Problem("kind",
                    StrCat("trees cannot take feature ", output.name, ", a code: ",
                           output.sequence.empty() ? "embedded" : "item_fields of a sequence",
                           " goes with kind transact"));
    return;
  }
}

// Null where there is none of the name.
const FeaturePlan::Output* SequenceOf(const FeaturePlan* plan, const TransActSpec& transact) {
  if (plan == nullptr) return nullptr;
  for (const FeaturePlan::Output& output : plan->sequences()) {
    if (transact.sequence.empty() || output.name == transact.sequence) return &output;
  }
  return nullptr;
}

constexpr int kItemDimensionMax = 512;
constexpr char kFrozen[] = "item_embeddings frozen";

// Whose embeddings stand in place of learned item vectors, which have their dimension.
void ReadEmbeddingRetriever(RecipeSection& section, const FeaturePlan* plan,
                            const std::vector<RetrieverSpec>& retrievers, TransActSpec* transact) {
  constexpr char kKey[] = "embedding_retriever";
  section.RequireKey(kKey);
  section.Text(kKey, &transact->embedding_retriever);
  if (section.collecting() || !section.Has(kKey)) return;
  const auto retriever = std::find_if(
      retrievers.begin(), retrievers.end(),
      [&](const RetrieverSpec& spec) { return spec.name == transact->embedding_retriever; });
  if (retriever == retrievers.end()) {
    section.Problem(kKey, StrCat("no retriever has the name ", transact->embedding_retriever));
    return;
  }
  if (!HasEmbeddings(*retriever)) {
    section.Problem(kKey, StrCat(retriever->name, " has no embeddings; only kind eges has"));
    return;
  }
  if (retriever->dimension > kItemDimensionMax) {
    section.Problem(kKey, StrCat(retriever->name, " has dimension ", retriever->dimension,
                                 "; the ranker takes at most ", kItemDimensionMax));
  }
  transact->item_dimension = retriever->dimension;
  const FeaturePlan::Output* const sequence = SequenceOf(plan, *transact);
  if (sequence == nullptr) return;
  std::vector<std::string> known = ItemFieldsOf(*plan, sequence->name);
  std::vector<std::string> needed = retriever->side_fields;
  std::sort(known.begin(), known.end());
  std::sort(needed.begin(), needed.end());
  if (known == needed) return;
  section.Problem(kKey, StrCat("item_fields of ", sequence->name, " must be the side_fields of ",
                               retriever->name, ": by them an item that it never saw is known"));
}

// Of the model, where training and the network have keys of their own.
void ReadTransActModel(RecipeSection& section, const FeaturePlan* plan,
                       const std::vector<RetrieverSpec>& retrievers, TransActSpec* transact) {
  section.Text("sequence", &transact->sequence);
  section.Integer("actions", &transact->actions, 1, 1000);
  section.Integer("action_dimension", &transact->action_dimension, 8, 512);
  bool is_frozen = false;
  section.Choice<bool>("item_embeddings", &is_frozen, {{"learned", false}, {"frozen", true}});
  section.AppliesIf(is_frozen, "item_embeddings learned");
  if (is_frozen || section.collecting()) {
    ReadEmbeddingRetriever(section, plan, retrievers, transact);
  } else {
    section.Text("embedding_retriever", &transact->embedding_retriever);
  }
  section.AppliesIf(!is_frozen, StrCat(kFrozen, ": it is the retriever's"));
  section.Integer("item_dimension", &transact->item_dimension, 8, kItemDimensionMax);
  section.AppliesIf(true, "");
  section.Integer("layers", &transact->layers, 1, 8);
  section.Integer("attention_heads", &transact->attention_heads, 1, 64);
  section.Integer("feed_forward", &transact->feed_forward, 8, 2048);
  section.Integer("latest", &transact->latest, 0, 1000);
  section.Choice<bool>("output", &transact->max_pool,
                       {{"first_k_and_max", true}, {"first_k", false}});
  for (const auto& [key, precision] :
       {std::pair("precision", &transact->precision),
        std::pair("training_precision", &transact->training_precision)}) {
    section.Choice<Precision>(key, precision,
                              {{"f32", Precision::kFloat32}, {"bf16", Precision::kBfloat16}});
  }
  section.Integer("cross_layers", &transact->cross_layers, 0, 8);
  std::vector<double> hidden(transact->hidden.begin(), transact->hidden.end());
  section.NumberList("hidden", &hidden, 8, 4096);
  transact->hidden.assign(hidden.begin(), hidden.end());
  section.AppliesIf(!is_frozen, kFrozen);
  section.Integer("item_actions_min", &transact->item_actions_min, 1, 1'000'000'000);
  const FeaturePlan::Output* const sequence = SequenceOf(plan, *transact);
  section.AppliesIf(!is_frozen && sequence != nullptr && sequence->kind->item_codes() > 0,
                    is_frozen ? kFrozen : "a sequence without item_fields");
  section.Integer("side_rows", &transact->side_rows, 1, 1 << 24);
  section.Number("item_dropout", &transact->item_dropout, 0, 0.9);
  section.AppliesIf(plan != nullptr && std::any_of(plan->columns().begin(), plan->columns().end(),
                                                   [](const FeaturePlan::Output& output) {
                                                     return output.sequence.empty() &&
                                                            output.kind->is_code();
                                                   }),
                    "features of which none is embedded");
  section.Integer("category_rows", &transact->category_rows, 1, 1 << 24);
  section.Integer("category_dimension", &transact->category_dimension, 1, 512);
  section.AppliesIf(true, "");
}

constexpr double kLossWeightMax = 1e6;

// What rows weigh in the loss.
void ReadLossWeights(RecipeSection& section, const std::vector<RankerHead>& heads,
                     TransActSpec* transact) {
  section.Mapping("label_weights", [&](RecipeSection& matrix) {
    if (matrix.collecting()) return;
    matrix.CallUnknown("no head has this name");
    bool is_said = false;
    std::vector<double> weights(heads.size() * heads.size(), kNoLabelWeight);
    for (std::size_t h = 0; h < heads.size(); ++h) {
      matrix.Mapping(heads[h].name, [&](RecipeSection& row) {
        row.CallUnknown("no head has this name");
        for (std::size_t a = 0; a < heads.size(); ++a) {
          row.Number(heads[a].name, &weights[h * heads.size() + a], 0, kLossWeightMax);
          is_said = is_said || row.Has(heads[a].name);
        }
      });
    }
    if (is_said) transact->label_weights = std::move(weights);
  });
  section.List("user_weights", [&](RecipeSection& element) {
    TransActSpec::UserWeight one;
    element.RequireKey("feature");
    element.Text("feature", &one.feature);
    element.RequireKey("from");
    element.NumberList("from", &one.from, -1e15, 1e15);
    element.RequireKey("weights");
    element.NumberList("weights", &one.weights, 0, kLossWeightMax);
    if (!std::is_sorted(one.from.begin(), one.from.end(), std::less_equal<>())) {
      element.Problem("from", "must rise");
    }
    if (element.Has("from") && element.Has("weights") && one.from.size() != one.weights.size()) {
      element.Problem("weights", "must be as many as from");
    }
    transact->user_weights.push_back(std::move(one));
  });
}

void CheckUserWeights(RecipeSection& section, const FeaturePlan& plan,
                      const TransActSpec& transact) {
  for (const TransActSpec::UserWeight& one : transact.user_weights) {
    const bool is_there = std::any_of(
        plan.columns().begin(), plan.columns().end(), [&](const FeaturePlan::Output& output) {
          return output.name == one.feature && !output.per_candidate && !output.kind->is_code();
        });
    if (is_there || one.feature.empty()) continue;
    section.Problem("user_weights", StrCat("no feature that is the same for all candidates, as ",
                                           "a user's are, has the name ", one.feature));
  }
}

void CheckTransAct(RecipeSection& section, const FeaturePlan* plan, bool has_heads,
                   const TransActSpec& transact) {
  if (has_heads && transact.objective != TransActSpec::Objective::kLogistic) {
    section.Problem("objective", "must be logistic with heads");
  }
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
    section.Problem("latest", "is 0, and with output first_k nothing is left");
  }
  if (transact.metric == Metric::kLogLoss &&
      transact.objective != TransActSpec::Objective::kLogistic) {
    section.Problem("metric", "log_loss needs objective logistic");
  }
  if (section.collecting() || plan == nullptr) return;
  if (SequenceOf(plan, transact) == nullptr) {
    section.Problem("sequence", transact.sequence.empty()
                                    ? "is not said, and no feature is of kind sequence"
                                    : "no feature of kind sequence has this name");
  }
  CheckUserWeights(section, *plan, transact);
}

void ReadTransAct(RecipeSection& section, const FeaturePlan* plan,
                  const std::vector<RetrieverSpec>& retrievers,
                  const std::vector<RankerHead>& heads, TransActSpec* transact) {
  using TransActObjective = TransActSpec::Objective;
  ReadTransActModel(section, plan, retrievers, transact);
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
  section.AppliesIf(transact->embedding_retriever.empty(),
                    StrCat(kFrozen, ": each fit of a retriever lies in a space of its own"));
  section.Flag("warm_start", &transact->warm_start);
  section.AppliesIf(true, "");
  ReadLossWeights(section, heads, transact);
  CheckTransAct(section, plan, !heads.empty(), *transact);
}

}  // namespace

void ReadRanker(RecipeSection& root, const FeaturePlan* plan,
                const std::vector<RetrieverSpec>& retrievers, std::optional<RankerSpec>* ranker) {
  const bool is_there = root.Has("ranker");
  RankerSpec spec;
  root.Mapping("ranker", [&](RecipeSection& section) {
    if (!is_there && !section.collecting()) return;
    using Kind = RankerSpec::Kind;
    section.Choice<Kind>("kind", &spec.kind,
                         {{"trees", Kind::kTrees}, {"transact", Kind::kTransAct}});
    ReadRows(section, &spec.rows);
    section.AppliesIf(spec.kind == Kind::kTransAct, "kind trees, which has one head: the label");
    std::vector<double> values;
    ReadHeads(section, &spec.rows.heads, &values);
    section.AppliesIf(spec.kind == Kind::kTrees, "kind transact");
    ReadTrees(section, plan, &spec.trees);
    section.AppliesIf(spec.kind == Kind::kTransAct, "kind trees");
    section.Mapping("transact", [&](RecipeSection& transact) {
      if (spec.kind != Kind::kTransAct && !transact.collecting()) return;
      spec.transact.head_values = values;
      ReadTransAct(transact, plan, retrievers, spec.rows.heads, &spec.transact);
    });
    section.AppliesIf(true, "");
    section.Integer("candidates", &spec.candidates, 0, kRankedCandidatesMax);
    section.Number("log_features", &spec.log_features, 0, 1);
    section.Integer("state_megabytes", &spec.state_megabytes, 0, 1 << 20);
    const bool retrieved = spec.rows.rows == RowOptions::Rows::kRetrieved;
    const bool reads_learned = plan != nullptr && plan->reads_learned();
    const bool is_frozen = !spec.transact.embedding_retriever.empty();
    section.AppliesIf(retrieved || reads_learned || is_frozen, NameOf(spec.rows.rows));
    section.Number("retrieval_share", &spec.retrieval_share, 0.01, 0.95);
    section.AppliesIf(retrieved || reads_learned, NameOf(spec.rows.rows));
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
    spec.rows.negatives_weigh = PredictsProbability(spec);
    CheckLabels(section, spec);
    if (spec.kind == Kind::kTrees && plan != nullptr && !section.collecting()) {
      CheckNoCodes(section, *plan);
    }
  });
  if (!is_there) return;
  if (plan == nullptr && !root.Has("features")) {
    root.Problem("ranker", "needs features, which the key `features` declares");
  } else if (plan != nullptr && plan->columns().empty()) {
    root.Problem("ranker", "needs a feature that is no sequence");
  }
  *ranker = std::move(spec);
}

}  // namespace fourfold
