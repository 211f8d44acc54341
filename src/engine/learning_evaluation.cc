#include <algorithm>
#include <thread>

#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/limits.h"
#include "data/timestamp.h"
#include "engine/exam.h"
#include "engine/learning.h"
#include "engine/slate_exam.h"
#include "offline/evaluation/blend_tuning.h"
#include "offline/evaluation/evaluator.h"
#include "offline/evaluation/query_groups.h"
#include "servable/learned_items.h"

// Tuning and judging: both ask the online pipeline itself, at read points of the past.
namespace fourfold {
namespace {

constexpr std::string_view kBlend = "blend";
constexpr std::string_view kRanker = "ranker";

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

std::string Describe(const Learning& learning, const EvaluationRecipe& evaluation,
                     const InteractionTable& table, const Exam& exam) {
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
  if (learning.since_ms != kSinceForEverMs) {
    StrAppend(&text, " from ", FormatTimestamp(learning.since_ms),
              " on, where what the recipe's `retain` keeps begins");
  }
  if (exam.below_horizon > 0) {
    StrAppend(&text, "; ", exam.below_horizon,
              " queries are left out: the histories that answer them begin before that");
  }
  return text;
}

MetricEstimate FromInterval(const RankingMetric& metric, const Interval& interval) {
  return {.name = RankingMetricName(metric),
          .mean = interval.mean,
          .low = interval.low,
          .high = interval.high};
}

std::vector<EvaluationRow> RowsOf(const EvaluationResult& result) {
  std::vector<EvaluationRow> rows;
  for (const MethodResult& method : result.methods) {
    EvaluationRow row;
    row.method = method.name;
    row.compared_with = method.compared_with;
    row.coverage = method.first_shown.coverage;
    row.mean_popularity = method.first_shown.mean_popularity;
    for (std::size_t i = 0; i < result.metrics.size(); ++i) {
      row.metrics.push_back(FromInterval(result.metrics[i], method.metrics[i]));
      if (method.difference.empty()) continue;
      row.paired_difference.push_back(FromInterval(result.metrics[i], method.difference[i]));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

EvaluationReport FromResult(const EvaluationResult& result) {
  EvaluationReport report;
  report.queries = result.queries;
  report.best_part = result.best_part;
  report.seconds = result.seconds;
  report.rows = RowsOf(result);
  return report;
}

// The types of actions that an exam is about; empty: all.
std::vector<std::uint16_t> ExamTypes(const EvaluationRecipe& evaluation,
                                     const InteractionTable& table) {
  std::vector<std::uint16_t> types;
  for (std::size_t type = 0; type < table.types.size(); ++type) {
    const auto& wanted = evaluation.action_types;
    if (std::find(wanted.begin(), wanted.end(), table.types[type]) != wanted.end()) {
      types.push_back(static_cast<std::uint16_t>(type));
    }
  }
  return types;
}

// Those who may be copies of one another, and all others.
std::vector<EvaluationGroup> JudgeNearDuplicates(const EvaluationRecipe& evaluation,
                                                 const InteractionTable& table,
                                                 const EvaluationSplit& split,
                                                 const EvaluationResult& result,
                                                 const BootstrapOptions& bootstrap) {
  const int run = evaluation.near_duplicate_run;
  if (run == 0) return {};
  const std::vector<char> is_duplicate =
      NearDuplicateUsers(table, split.fit_rows, ExamTypes(evaluation, table), run);
  std::vector<EvaluationGroup> groups;
  for (const bool wanted : {true, false}) {
    std::vector<char> in_group;
    for (const EvaluationQuery& query : split.queries) {
      in_group.push_back((is_duplicate[query.user_index] != 0) == wanted ? 1 : 0);
    }
    const EvaluationResult part = ResultOfGroup(result, split.queries, in_group, bootstrap);
    groups.push_back(
        {.name = wanted ? StrCat("users who share ", run, " actions in a row with another")
                        : std::string("all other users"),
         .queries = part.queries,
         .rows = RowsOf(part)});
  }
  return groups;
}

// Whether the feed's order is a ranker's, which can be trained on what came before the exam's cut.
bool HasRankedFeed(const Recipe& recipe, const EvaluationRecipe& evaluation) {
  return recipe.ranker.has_value() && recipe.ranker->candidates > 0 &&
         evaluation.split == EvaluationRecipe::Split::kTime;
}

absl::StatusOr<std::vector<EvaluationMethod>> ChooseMethods(
    const Recipe& recipe, const EvaluationRecipe& evaluation,
    const std::vector<std::string>& wanted) {
  std::vector<std::string> known;
  for (const RetrieverSpec& spec : recipe.retrievers) known.push_back(spec.name);
  known.emplace_back(kBlend);
  if (HasRankedFeed(recipe, evaluation)) known.emplace_back(kRanker);
  std::vector<EvaluationMethod> methods;
  for (const std::string& name : wanted.empty() ? known : wanted) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return InvalidArgument("methods: the recipe has no retriever ", name, "; did you mean ",
                             NearestName(name, known), "?");
    }
    methods.push_back({.name = name,
                       .blend = name == kBlend,
                       .against = std::string(name == kRanker ? kBlend : "")});
  }
  return methods;
}

// What must be fitted to judge these: a retriever alone needs no other.
std::vector<RetrieverSpec> RetrieversFor(const Recipe& recipe,
                                         const std::vector<EvaluationMethod>& methods) {
  std::vector<RetrieverSpec> retrievers;
  for (const RetrieverSpec& spec : recipe.retrievers) {
    const auto needs = [&](const EvaluationMethod& method) {
      return method.blend || method.name == kRanker || method.name == spec.name;
    };
    if (std::any_of(methods.begin(), methods.end(), needs)) retrievers.push_back(spec);
  }
  return retrievers;
}

// The ranker that the feed would have had at the exam's cut, beside a state that can be read as of
// any moment.
absl::StatusOr<std::shared_ptr<const LiveRanker>> FitRankerForExam(const Learning& learning,
                                                                   const InteractionTable& table,
                                                                   const Exam& exam,
                                                                   const BlendSpec& blend) {
  const Learning before = KnownBy(learning, exam.split.fit_as_of_ms);
  LiveRanker ranker;
  FOURFOLD_ASSIGN_OR_RETURN(ranker.trained,
                            FitRanker(before, KeepRows(table, exam.split.fit_rows), blend));
  ranker.learned = LearnedItemsOf(exam.servable);
  const std::shared_ptr<const FeaturePlan>& plan = ranker.trained->plan;
  auto state =
      std::make_shared<LiveState>(plan->schema(), &learning.store, StateLimitsOf(learning));
  FOURFOLD_RETURN_IF_ERROR(state->Fill());
  ranker.features = std::make_shared<const LiveFeatures>(plan, std::move(state));
  return std::make_shared<const LiveRanker>(std::move(ranker));
}

}  // namespace

absl::StatusOr<BlendSpec> FindBlend(const Learning& learning, const EvaluationRecipe& in_recipe,
                                    const InteractionTable& table) {
  const Recipe& recipe = learning.recipe;
  if (!recipe.tuning.enabled || recipe.retrievers.size() < 2) return recipe.blend;
  FOURFOLD_RETURN_IF_ERROR(CheckCuts(learning, in_recipe));
  FOURFOLD_ASSIGN_OR_RETURN(const EvaluationRecipe evaluation, WithCuts(in_recipe, table));
  FOURFOLD_ASSIGN_OR_RETURN(Exam exam,
                            PrepareExam(learning, evaluation, table, ExamPart::kValidation));
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
    FOURFOLD_RETURN_IF_ERROR(CheckNotCancelled(learning));
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

absl::StatusOr<EvaluationReport> Judge(const Learning& learning, const EvaluationRecipe& in_recipe,
                                       const InteractionTable& table, const BlendSpec& blend,
                                       const EvaluateRequest& request) {
  FOURFOLD_RETURN_IF_ERROR(CheckCuts(learning, in_recipe));
  FOURFOLD_ASSIGN_OR_RETURN(const EvaluationRecipe evaluation, WithCuts(in_recipe, table));
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<EvaluationMethod> chosen,
                            ChooseMethods(learning.recipe, evaluation, request.methods));
  std::vector<EvaluationMethod> asked = chosen;
  const std::vector<RetrieverSpec> retrievers = RetrieversFor(learning.recipe, asked);
  FOURFOLD_ASSIGN_OR_RETURN(const Exam exam,
                            PrepareExam(learning, evaluation, table, ExamPart::kTest, &retrievers));
  std::shared_ptr<const LiveRanker> ranker;
  const auto is_ranker = [](const EvaluationMethod& method) { return method.name == kRanker; };
  if (std::any_of(asked.begin(), asked.end(), is_ranker)) {
    auto fitted = FitRankerForExam(learning, table, exam, blend);
    if (fitted.ok()) {
      ranker = *std::move(fitted);
    } else if (absl::IsInvalidArgument(fitted.status()) && request.methods.empty()) {
      // There was nothing to learn an order from yet: no reason not to judge the rest.
      if (learning.note) {
        learning.note(StrCat("the ranker is not judged: ", MessageOf(fitted.status())));
      }
      std::erase_if(asked, is_ranker);
    } else {
      return fitted.status();
    }
  }
  FOURFOLD_ASSIGN_OR_RETURN(const Examinee examinee,
                            Examinee::Make(learning, table, exam.servable, std::move(ranker)));
  const RankFunction rank = [&](const EvaluationQuery& query, std::size_t method, int limit,
                                std::vector<std::uint32_t>* ranked) -> absl::Status {
    FOURFOLD_RETURN_IF_ERROR(CheckNotCancelled(learning));
    const bool by_ranker = asked[method].name == kRanker;
    const std::string retriever =
        asked[method].blend || by_ranker ? std::string() : asked[method].name;
    FOURFOLD_ASSIGN_OR_RETURN(const auto* slate,
                              examinee.Ask(query, retriever, &blend, limit, by_ranker));
    ranked->clear();
    for (const Recommender::ScoredItem& scored : *slate) {
      ranked->push_back(examinee.NumberOf(scored.item));
    }
    return absl::OkStatus();
  };
  EvaluationOptions options;
  options.popularity = exam.servable->popularity;
  options.bootstrap.resamples = request.resamples;
  if (learning.progress) {
    options.progress = [&](double done) { learning.progress("asking the test queries", done); };
  }
  FOURFOLD_ASSIGN_OR_RETURN(const EvaluationResult result,
                            RunEvaluation(exam.split.queries, asked, rank, options));
  EvaluationReport report = FromResult(result);
  report.description = Describe(learning, evaluation, table, exam);
  report.groups = JudgeNearDuplicates(evaluation, table, exam.split, result, options.bootstrap);
  if (!request.truth_path.empty()) {
    // The ranker's features are of its own candidates, not of slates of the past.
    std::vector<EvaluationMethod> ordering = asked;
    std::erase_if(ordering, [](const EvaluationMethod& m) { return m.name == kRanker; });
    FOURFOLD_ASSIGN_OR_RETURN(report.slates,
                              JudgeSlates(learning, evaluation, exam, examinee, ordering, blend,
                                          request.truth_path, request.resamples));
  }
  return report;
}

}  // namespace fourfold
