#include "engine/exam.h"

#include <algorithm>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "offline/evaluation/evaluator.h"
#include "offline/ranking/train_trees.h"

namespace fourfold {
namespace {

absl::StatusOr<EvaluationSplit> SplitTable(const Recipe& recipe, const EvaluationRecipe& evaluation,
                                           const InteractionTable& table, ExamPart part) {
  EvaluationSplitOptions common;
  common.variant = evaluation.variant == EvaluationRecipe::Variant::kNew ? EvaluationVariant::kNew
                                                                         : EvaluationVariant::kAll;
  common.action_types = evaluation.action_types;
  common.anonymous_sessions = evaluation.anonymous_sessions;
  common.fitted_items_only = evaluation.fitted_items_only;
  common.as_known_now = IsKnownAtImport(recipe);
  if (evaluation.split == EvaluationRecipe::Split::kLeaveOneOut) {
    LeaveOneOutOptions options{common};
    options.target = part == ExamPart::kTest ? LeaveOneOutOptions::Target::kTest
                                             : LeaveOneOutOptions::Target::kValidation;
    options.fit = evaluation.fit == EvaluationRecipe::Fit::kRefit
                      ? LeaveOneOutOptions::Fit::kRefit
                      : LeaveOneOutOptions::Fit::kStrict;
    return SplitLeaveOneOut(table, options);
  }
  FOURFOLD_CHECK(evaluation.cut_ms.has_value() && evaluation.validation_cut_ms.has_value());
  TimeSplitOptions options{common};
  if (part == ExamPart::kTest) {
    options.cut_ms = *evaluation.cut_ms;
    if (evaluation.end_ms.has_value()) options.end_ms = *evaluation.end_ms;
  } else {
    options.cut_ms = *evaluation.validation_cut_ms;
    options.end_ms = *evaluation.cut_ms;
  }
  return SplitInTime(table, options);
}

RecommenderOptions JudgeOptions(const Recipe& recipe) {
  RecommenderOptions options;
  options.policy.filter = recipe.policy.filter;
  options.policy.history_actions = recipe.policy.history_actions;
  options.policy.history_window_ms = recipe.policy.history_window_ms;
  options.log_slates = false;
  return options;
}

// What a retriever learns within a window is never what a part of the window holds.
absl::Status CheckWindows(const Learning& learning, const std::vector<RetrieverSpec>& retrievers,
                          std::int64_t fit_as_of_ms) {
  for (const RetrieverSpec& spec : retrievers) {
    FOURFOLD_RETURN_IF_ERROR(Annotate(CheckWindow(learning, spec, fit_as_of_ms), "evaluation"));
  }
  return absl::OkStatus();
}

// Leaves out the questions about whom the history that the answer needs is not retained, and tells
// how many; an error where it is so with all.
absl::StatusOr<std::size_t> LeaveOutBelowHorizon(const Learning& learning,
                                                 std::vector<EvaluationQuery>* queries) {
  const std::size_t found = queries->size();
  absl::Status below;
  std::erase_if(*queries, [&](const EvaluationQuery& query) {
    const absl::Status reach =
        Recommender::CheckHistory(learning.store, learning.recipe.policy, query.at);
    below.Update(reach);
    return !reach.ok();
  });
  if (queries->empty() && !below.ok()) {
    return Annotate(below, "evaluation: of nobody is the history retained that an answer needs");
  }
  return found - queries->size();
}

}  // namespace

bool IsKnownAtImport(const Recipe& recipe) {
  return std::any_of(recipe.imports.begin(), recipe.imports.end(), [](const ImportRecipe& import) {
    return import.knowledge == Knowledge::kIngest;
  });
}

Learning KnownBy(const Learning& learning, std::int64_t as_of_ms) {
  Learning before = learning;
  before.at.as_of_ms = std::min(learning.at.as_of_ms, as_of_ms);
  if (!IsKnownAtImport(learning.recipe)) {
    before.at.known_at_ms = std::min(learning.at.known_at_ms, as_of_ms);
  }
  return before;
}

absl::StatusOr<EvaluationRecipe> WithCuts(const EvaluationRecipe& evaluation,
                                          const InteractionTable& table) {
  EvaluationRecipe with_cuts = evaluation;
  if (evaluation.split != EvaluationRecipe::Split::kTime) return with_cuts;
  std::vector<std::int64_t> times_ms = table.event_time_ms;
  // Where the part after `share` of those times begins.
  const auto cut_at = [&times_ms](double share) -> std::optional<std::int64_t> {
    const std::optional<TimeCuts> cuts = CutByTime(times_ms, share, 0);
    return cuts.has_value() ? std::optional(cuts->validation_from_ms) : std::nullopt;
  };
  if (!with_cuts.cut_ms.has_value()) with_cuts.cut_ms = cut_at(0.9);
  if (!with_cuts.cut_ms.has_value()) return InvalidArgument("the log holds no action to judge by");
  if (!with_cuts.validation_cut_ms.has_value()) {
    std::erase_if(times_ms, [&](std::int64_t time_ms) { return time_ms >= *with_cuts.cut_ms; });
    with_cuts.validation_cut_ms = cut_at(8.0 / 9);
  }
  if (!with_cuts.validation_cut_ms.has_value()) {
    return InvalidArgument("the log holds no action before ", FormatTimestamp(*with_cuts.cut_ms),
                           " to learn from");
  }
  return with_cuts;
}

absl::StatusOr<Exam> PrepareExam(const Learning& learning, const EvaluationRecipe& evaluation,
                                 const InteractionTable& table, ExamPart part,
                                 const std::vector<RetrieverSpec>* retrievers) {
  Exam exam;
  FOURFOLD_ASSIGN_OR_RETURN(exam.split, SplitTable(learning.recipe, evaluation, table, part));
  FOURFOLD_ASSIGN_OR_RETURN(exam.below_horizon,
                            LeaveOutBelowHorizon(learning, &exam.split.queries));
  FOURFOLD_RETURN_IF_ERROR(
      CheckWindows(learning, retrievers == nullptr ? learning.recipe.retrievers : *retrievers,
                   exam.split.fit_as_of_ms));
  const InteractionTable fit = KeepRows(table, exam.split.fit_rows);
  exam.fit_actions = fit.rows();
  FOURFOLD_ASSIGN_OR_RETURN(
      Servable servable,
      FitServable(KnownBy(learning, exam.split.fit_as_of_ms), fit, exam.split.fit_as_of_ms,
                  part == ExamPart::kTest ? "fitting for the test" : "fitting for validation",
                  retrievers));
  exam.servable = std::make_shared<const Servable>(std::move(servable));
  return exam;
}

absl::StatusOr<Examinee> Examinee::Make(const Learning& learning, const InteractionTable& table,
                                        const std::shared_ptr<const Servable>& servable,
                                        std::shared_ptr<const LiveRanker> ranker) {
  Examinee examinee(table);
  examinee.recommender_ = std::make_unique<Recommender>(&learning.store, &learning.catalogue,
                                                        JudgeOptions(learning.recipe));
  FOURFOLD_ASSIGN_OR_RETURN(examinee.bound_,
                            examinee.recommender_->Bind(servable, std::move(ranker)));
  return examinee;
}

absl::StatusOr<const Examinee::Slate*> Examinee::Answer(Recommender::AsOfRequest* request,
                                                        const std::string& retriever,
                                                        const BlendSpec* blend) const {
  thread_local Slate slate;
  request->only_retriever = retriever;
  request->blend = blend;
  FOURFOLD_RETURN_IF_ERROR(recommender_->RecommendAsOf(*request, *bound_, &slate));
  return &slate;
}

absl::StatusOr<const Examinee::Slate*> Examinee::Ask(const EvaluationQuery& query,
                                                     const std::string& retriever,
                                                     const BlendSpec* blend, int limit,
                                                     bool ranked) const {
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
  request.exclude_items = &excluded;
  request.ranked = ranked;
  return Answer(&request, retriever, blend);
}

absl::StatusOr<const Examinee::Slate*> Examinee::Order(
    const std::vector<std::string>& items, const std::string& user, const std::string& session,
    const ReadPoint& at, const std::string& retriever, const BlendSpec* blend) const {
  Recommender::AsOfRequest request;
  request.user = user;
  request.session = session;
  request.at = at;
  request.limit = static_cast<int>(items.size());
  request.include_items = &items;
  request.ranked = false;
  return Answer(&request, retriever, blend);
}

std::uint32_t Examinee::NumberOf(const std::string& item) const {
  const auto found = table_->item_index.find(item);
  return found == table_->item_index.end() ? kItemOutsideTable : found->second;
}

}  // namespace fourfold
