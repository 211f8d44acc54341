#include <algorithm>
#include <thread>

#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/limits.h"
#include "data/timestamp.h"
#include "engine/learning.h"
#include "offline/evaluation/blend_tuning.h"
#include "offline/evaluation/evaluator.h"

// Tuning and judging: both ask the online pipeline itself, at read points of the past.
namespace fourfold {
namespace {

constexpr std::string_view kBlend = "blend";

enum class Part : std::uint8_t { kValidation, kTest };

// The questions of one part of the log, and what is fitted to answer them.
struct Exam {
  EvaluationSplit split;
  std::shared_ptr<const Servable> servable;
  std::uint64_t fit_actions = 0;
};

absl::StatusOr<EvaluationSplit> SplitTable(const Recipe& recipe, const EvaluationRecipe& evaluation,
                                           const InteractionTable& table, Part part) {
  EvaluationSplitOptions common;
  common.variant = evaluation.variant == EvaluationRecipe::Variant::kNew ? EvaluationVariant::kNew
                                                                         : EvaluationVariant::kAll;
  common.action_types = evaluation.action_types;
  common.anonymous_sessions = evaluation.anonymous_sessions;
  common.fitted_items_only = evaluation.fitted_items_only;
  common.as_known_now = std::any_of(
      recipe.imports.begin(), recipe.imports.end(),
      [](const ImportRecipe& import) { return import.knowledge == Knowledge::kIngest; });
  if (evaluation.split == EvaluationRecipe::Split::kLeaveOneOut) {
    LeaveOneOutOptions options{common};
    options.target = part == Part::kTest ? LeaveOneOutOptions::Target::kTest
                                         : LeaveOneOutOptions::Target::kValidation;
    options.fit = evaluation.fit == EvaluationRecipe::Fit::kRefit
                      ? LeaveOneOutOptions::Fit::kRefit
                      : LeaveOneOutOptions::Fit::kStrict;
    return SplitLeaveOneOut(table, options);
  }
  if (!evaluation.cut_ms.has_value()) {
    return InvalidArgument("evaluation.cut: a split in time needs it");
  }
  TimeSplitOptions options{common};
  if (part == Part::kTest) {
    options.cut_ms = *evaluation.cut_ms;
    if (evaluation.end_ms.has_value()) options.end_ms = *evaluation.end_ms;
  } else {
    if (!evaluation.validation_cut_ms.has_value()) {
      return InvalidArgument("evaluation.validation_cut: tuning with a split in time needs it");
    }
    options.cut_ms = *evaluation.validation_cut_ms;
    options.end_ms = *evaluation.cut_ms;
  }
  return SplitInTime(table, options);
}

absl::StatusOr<Exam> PrepareExam(const Learning& learning, const EvaluationRecipe& evaluation,
                                 const InteractionTable& table, Part part) {
  Exam exam;
  FOURFOLD_ASSIGN_OR_RETURN(exam.split, SplitTable(learning.recipe, evaluation, table, part));
  const InteractionTable fit = KeepRows(table, exam.split.fit_rows);
  exam.fit_actions = fit.rows();
  FOURFOLD_ASSIGN_OR_RETURN(
      Servable servable,
      FitServable(learning, fit, exam.split.fit_as_of_ms,
                  part == Part::kTest ? "fitting for the test" : "fitting for validation"));
  exam.servable = std::make_shared<const Servable>(std::move(servable));
  return exam;
}

// The recipe's pipeline without its seen rules: what a query excludes stands in the query.
RecommenderOptions JudgeOptions(const Recipe& recipe) {
  RecommenderOptions options;
  options.policy.filter = recipe.policy.filter;
  options.policy.history_actions = recipe.policy.history_actions;
  options.log_slates = false;
  return options;
}

// Answers evaluation queries through Recommender::RecommendAsOf, in numbers of the table.
class Examinee {
 public:
  static absl::StatusOr<Examinee> Make(const Learning& learning, const InteractionTable& table,
                                       const std::shared_ptr<const Servable>& servable) {
    Examinee examinee(table);
    examinee.recommender_ = std::make_unique<Recommender>(&learning.store, &learning.catalogue,
                                                          JudgeOptions(learning.recipe));
    FOURFOLD_ASSIGN_OR_RETURN(examinee.bound_, examinee.recommender_->Bind(servable));
    return examinee;
  }

  // `retriever` empty: the blend. The answer is valid until the next call of this thread.
  absl::StatusOr<const std::vector<Recommender::ScoredItem>*> Ask(const EvaluationQuery& query,
                                                                  const std::string& retriever,
                                                                  const BlendSpec* blend,
                                                                  int limit) const {
    thread_local std::vector<Recommender::ScoredItem> slate;
    thread_local std::vector<std::string> excluded;
    excluded.resize(query.excluded.size());
    for (std::size_t i = 0; i < excluded.size(); ++i) {
      excluded[i] = table_->items[query.excluded[i]];
    }
    Recommender::AsOfRequest request;
    request.user = query.user;
    request.session = query.session;
    request.at = query.at;
    request.limit = limit;
    request.only_retriever = retriever;
    request.exclude_items = &excluded;
    request.blend = blend;
    FOURFOLD_RETURN_IF_ERROR(recommender_->RecommendAsOf(request, *bound_, &slate));
    return &slate;
  }

  std::uint32_t NumberOf(const std::string& item) const {
    const auto found = table_->item_index.find(item);
    return found == table_->item_index.end() ? kItemOutsideTable : found->second;
  }

 private:
  explicit Examinee(const InteractionTable& table) : table_(&table) {}

  const InteractionTable* table_;
  std::unique_ptr<Recommender> recommender_;
  std::shared_ptr<const BoundSurfaces> bound_;
};

// A fixed choice of at most `most` queries, whatever their order.
void Sample(std::vector<EvaluationQuery>* queries, std::size_t most) {
  if (queries->size() <= most) return;
  const auto hash = [](const EvaluationQuery& query) {
    return StableHash(query.user.empty() ? query.session : query.user);
  };
  std::sort(queries->begin(), queries->end(),
            [&](const EvaluationQuery& a, const EvaluationQuery& b) { return hash(a) < hash(b); });
  queries->resize(most);
  std::sort(queries->begin(), queries->end(),
            [](const EvaluationQuery& a, const EvaluationQuery& b) {
              return a.user_index < b.user_index;
            });
}

std::string DescribeBlend(const TunedBlend& tuned) {
  std::string text = "blend found on validation: ";
  if (tuned.spec.method == BlendSpec::Method::kReciprocalRank) {
    StrAppend(&text, "reciprocal rank with constant ", tuned.spec.rank_constant);
  } else {
    text += "normalised scores";
  }
  for (const auto& [name, weight] : tuned.spec.weights) StrAppend(&text, ", ", name, " ", weight);
  StrAppend(&text, "; nDCG@10 ", tuned.ndcg_at_10, ", the best part alone (", tuned.best_part, ") ",
            tuned.best_part_ndcg_at_10);
  return text;
}

// What the search chooses among; where rank 1 is worth little more than rank 20, and much more.
std::vector<BlendSpec> BlendMethods(const Recipe& recipe) {
  if (recipe.tuning.keep_method) return {recipe.blend};
  std::vector<BlendSpec> methods = {
      {.method = BlendSpec::Method::kNormalisedScores, .rank_constant = 60, .weights = {}}};
  for (const double rank_constant : {5.0, 20.0, 60.0}) {
    methods.push_back({.method = BlendSpec::Method::kReciprocalRank,
                       .rank_constant = rank_constant,
                       .weights = {}});
  }
  return methods;
}

int TuningDepth(const Recipe& recipe) {
  int depth = 1;
  for (const RetrieverSpec& spec : recipe.retrievers) depth = std::max(depth, spec.candidates);
  return std::min(depth, limits::kSlateLimitMax);
}

std::string Describe(const EvaluationRecipe& evaluation, const InteractionTable& table,
                     const Exam& exam) {
  std::string text;
  if (evaluation.split == EvaluationRecipe::Split::kTime) {
    StrAppend(&text, "one split in time: fitted before ", FormatTimestamp(*evaluation.cut_ms),
              ", tested on what came after");
    if (evaluation.end_ms.has_value()) {
      StrAppend(&text, " and before ", FormatTimestamp(*evaluation.end_ms));
    }
  } else {
    StrAppend(&text, "leave one out (",
              evaluation.fit == EvaluationRecipe::Fit::kRefit ? "refit" : "strict",
              "): each user's last action, fitted on what came before");
  }
  const bool is_new = evaluation.variant == EvaluationRecipe::Variant::kNew;
  StrAppend(&text, "; ", is_new ? "items new to the user" : "all items", ", full ranking; ",
            exam.split.queries.size(), " queries, ", table.items.size(), " items, fitted on ",
            exam.fit_actions, " actions");
  return text;
}

MetricEstimate FromInterval(const RankingMetric& metric, const Interval& interval) {
  return {.name = RankingMetricName(metric),
          .mean = interval.mean,
          .low = interval.low,
          .high = interval.high};
}

EvaluationReport FromResult(const EvaluationResult& result) {
  EvaluationReport report;
  report.queries = result.queries;
  report.best_part = result.best_part;
  report.seconds = result.seconds;
  for (const MethodResult& method : result.methods) {
    EvaluationRow row;
    row.method = method.name;
    row.coverage = method.first_shown.coverage;
    row.mean_popularity = method.first_shown.mean_popularity;
    for (std::size_t i = 0; i < result.metrics.size(); ++i) {
      row.metrics.push_back(FromInterval(result.metrics[i], method.metrics[i]));
      if (!method.difference.empty()) {
        row.paired_with_best_part.push_back(FromInterval(result.metrics[i], method.difference[i]));
      }
    }
    report.rows.push_back(std::move(row));
  }
  return report;
}

absl::StatusOr<std::vector<EvaluationMethod>> ChooseMethods(
    const Recipe& recipe, const std::vector<std::string>& wanted) {
  std::vector<std::string> known;
  for (const RetrieverSpec& spec : recipe.retrievers) known.push_back(spec.name);
  known.emplace_back(kBlend);
  std::vector<EvaluationMethod> methods;
  for (const std::string& name : wanted.empty() ? known : wanted) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return InvalidArgument("methods: the recipe has no retriever ", name, "; did you mean ",
                             NearestName(name, known), "?");
    }
    methods.push_back({.name = name, .blend = name == kBlend});
  }
  return methods;
}

}  // namespace

absl::StatusOr<BlendSpec> FindBlend(const Learning& learning, const EvaluationRecipe& evaluation,
                                    const InteractionTable& table) {
  const Recipe& recipe = learning.recipe;
  if (!recipe.tuning.enabled || recipe.retrievers.size() < 2) return recipe.blend;
  FOURFOLD_ASSIGN_OR_RETURN(Exam exam, PrepareExam(learning, evaluation, table, Part::kValidation));
  Sample(&exam.split.queries, static_cast<std::size_t>(recipe.tuning.queries));
  FOURFOLD_ASSIGN_OR_RETURN(const Examinee examinee,
                            Examinee::Make(learning, table, exam.servable));
  BlendTuningOptions options;
  for (const RetrieverSpec& spec : recipe.retrievers) options.retrievers.push_back(spec.name);
  options.candidates = BlendMethods(recipe);
  options.grid = recipe.tuning.weights;
  options.least_gain = recipe.tuning.least_gain;
  options.tie_order = exam.servable->tie_rank;

  if (learning.progress) learning.progress("tuning the blend", 0);
  const RetrieveFunction retrieve = [&](const EvaluationQuery& query, std::size_t retriever,
                                        int limit, RetrieverList* list) -> absl::Status {
    FOURFOLD_ASSIGN_OR_RETURN(const auto* slate,
                              examinee.Ask(query, options.retrievers[retriever], nullptr, limit));
    list->items.clear();
    list->scores.clear();
    for (const Recommender::ScoredItem& scored : *slate) {
      // What the table does not know cannot be relevant, and no retriever names it.
      const std::uint32_t item = examinee.NumberOf(scored.item);
      if (item == kItemOutsideTable) continue;
      list->items.push_back(item);
      list->scores.push_back(static_cast<float>(scored.score));
    }
    return absl::OkStatus();
  };
  FOURFOLD_ASSIGN_OR_RETURN(const TuningQueries queries,
                            CollectTuningQueries(exam.split.queries, options.retrievers.size(),
                                                 TuningDepth(recipe), retrieve, options.threads));
  FOURFOLD_ASSIGN_OR_RETURN(const TunedBlend tuned, TuneBlend(queries, options));
  if (learning.progress) learning.progress("tuning the blend", 1);
  if (learning.note) learning.note(DescribeBlend(tuned));
  return tuned.spec;
}

absl::StatusOr<EvaluationReport> Judge(const Learning& learning, const EvaluationRecipe& evaluation,
                                       const InteractionTable& table, const BlendSpec& blend,
                                       const std::vector<std::string>& methods, int resamples) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<EvaluationMethod> asked,
                            ChooseMethods(learning.recipe, methods));
  FOURFOLD_ASSIGN_OR_RETURN(const Exam exam, PrepareExam(learning, evaluation, table, Part::kTest));
  FOURFOLD_ASSIGN_OR_RETURN(const Examinee examinee,
                            Examinee::Make(learning, table, exam.servable));
  const RankFunction rank = [&](const EvaluationQuery& query, std::size_t method, int limit,
                                std::vector<std::uint32_t>* ranked) -> absl::Status {
    const std::string& retriever = asked[method].blend ? std::string() : asked[method].name;
    FOURFOLD_ASSIGN_OR_RETURN(const auto* slate, examinee.Ask(query, retriever, &blend, limit));
    ranked->clear();
    for (const Recommender::ScoredItem& scored : *slate) {
      ranked->push_back(examinee.NumberOf(scored.item));
    }
    return absl::OkStatus();
  };
  EvaluationOptions options;
  options.popularity = exam.servable->popularity;
  options.bootstrap.resamples = resamples;
  if (learning.progress) {
    options.progress = [&](double done) { learning.progress("asking the test queries", done); };
  }
  FOURFOLD_ASSIGN_OR_RETURN(const EvaluationResult result,
                            RunEvaluation(exam.split.queries, asked, rank, options));
  EvaluationReport report = FromResult(result);
  report.description = Describe(evaluation, table, exam);
  return report;
}

}  // namespace fourfold
