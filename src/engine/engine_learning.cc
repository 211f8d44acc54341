#include <algorithm>

#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/engine_impl.h"
#include "engine/learning.h"
#include "engine/version.h"
#include "fourfold/engine.h"

// Train and Evaluate.
namespace fourfold {
namespace {

// The end of the log, but never beyond the clock: a log served as of the past has no future.
ReadPoint EndOfLog(const EventStore& store) {
  ReadPoint at = store.Now();
  at.as_of_ms = std::min(at.as_of_ms, store.LastEventTimeMs());
  return at;
}

// The metrics of the blend by their names, those of a retriever after its own.
std::map<std::string, double> MetricsOf(const EvaluationReport& report) {
  std::map<std::string, double> metrics;
  for (const EvaluationRow& row : report.rows) {
    const std::string prefix = row.method == "blend" ? "" : row.method + "/";
    for (const MetricEstimate& metric : row.metrics) metrics[prefix + metric.name] = metric.mean;
  }
  return metrics;
}

// A log that is too short for the recipe's split, or goes back less far than that looks, is no
// reason to serve nothing.
bool IsNoReasonToFail(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsOutOfRange(status);
}

// Tuning and evaluation as far as the log allows them.
absl::Status TuneAndJudge(const Learning& learning, const TrainRequest& request,
                          const InteractionTable& table, BlendSpec* blend,
                          std::map<std::string, double>* metrics) {
  const EvaluationRecipe& evaluation = learning.recipe.evaluation;
  const auto note = [&](std::string_view what, const absl::Status& status) {
    if (learning.note) learning.note(StrCat(what, MessageOf(status)));
  };
  if (request.tune) {
    absl::StatusOr<BlendSpec> found = FindBlend(learning, evaluation, table);
    if (found.ok()) {
      *blend = *std::move(found);
    } else if (IsNoReasonToFail(found.status())) {
      note("the blend keeps the recipe's weights: ", found.status());
    } else {
      return found.status();
    }
  }
  if (request.evaluate) {
    EvaluateRequest judged;
    judged.resamples = 1;
    const absl::StatusOr<EvaluationReport> report =
        Judge(learning, evaluation, table, *blend, judged);
    if (report.ok()) {
      *metrics = MetricsOf(*report);
    } else if (IsNoReasonToFail(report.status())) {
      note("the servable has no metrics: ", report.status());
    } else {
      return report.status();
    }
  }
  return absl::OkStatus();
}

// What serves now may know a part of a window, and says so: as long as a longer `retain` fills up,
// or a log is idle, it is the best that there is. As of a moment that somebody names it is not what
// they asked for.
absl::Status TellCutWindows(const Learning& learning, const TrainRequest& request) {
  for (const RetrieverSpec& retriever : learning.recipe.retrievers) {
    absl::Status whole = CheckWindow(learning, retriever, learning.at.as_of_ms);
    if (whole.ok()) continue;
    if (request.as_of_ms.has_value()) return whole;
    if (!learning.note) continue;
    learning.note(StrCat("the retriever ", retriever.name,
                         " learns from a part of its window: ", MessageOf(whole)));
  }
  return absl::OkStatus();
}

// Null, with a note, where the log holds too few requests of the past to learn an order from; an
// error where one serves already.
absl::StatusOr<std::shared_ptr<const TrainedRanker>> FitRankerIfPossible(
    const Learning& learning, const InteractionTable& table, const BlendSpec& blend) {
  auto ranker = FitRanker(learning, table, blend);
  if (!absl::IsInvalidArgument(ranker.status())) return ranker;
  if (learning.earlier_ranker != nullptr) {
    return FailedPrecondition(
        "nothing is published, as no ranker could be learned and the active servable has one: ",
        MessageOf(ranker.status()), " (without `ranker:` in the recipe none is learned)");
  }
  if (learning.note) {
    learning.note(StrCat("the servable has no ranker: ", MessageOf(ranker.status())));
  }
  return std::shared_ptr<const TrainedRanker>();
}

// Of all that is learned, only embeddings depend on which of several threads comes first.
Recipe WithOneThread(Recipe recipe) {
  for (RetrieverSpec& retriever : recipe.retrievers) {
    if (retriever.kind == RetrieverSpec::Kind::kEges) retriever.threads = 1;
  }
  return recipe;
}

absl::StatusOr<EvaluationRecipe> ChooseEvaluation(const Recipe& recipe,
                                                  const EvaluateRequest& request) {
  EvaluationRecipe evaluation = recipe.evaluation;
  const auto choose = [](std::string_view key, const std::string& wanted, auto* value,
                         std::string_view first_name, auto first, std::string_view second_name,
                         auto second) -> absl::Status {
    if (wanted.empty()) return absl::OkStatus();
    if (wanted != first_name && wanted != second_name) {
      return InvalidArgument(key, ": \"", wanted, "\" is neither ", first_name, " nor ",
                             second_name);
    }
    *value = wanted == first_name ? first : second;
    return absl::OkStatus();
  };
  using Split = EvaluationRecipe::Split;
  using Variant = EvaluationRecipe::Variant;
  using Fit = EvaluationRecipe::Fit;
  FOURFOLD_RETURN_IF_ERROR(choose("split", request.split, &evaluation.split, "time", Split::kTime,
                                  "leave_one_out", Split::kLeaveOneOut));
  FOURFOLD_RETURN_IF_ERROR(choose("variant", request.variant, &evaluation.variant, "new",
                                  Variant::kNew, "all", Variant::kAll));
  FOURFOLD_RETURN_IF_ERROR(
      choose("fit", request.fit, &evaluation.fit, "strict", Fit::kStrict, "refit", Fit::kRefit));
  if (request.resamples < 1 || request.resamples > 100'000) {
    return InvalidArgument("resamples: must lie between 1 and 100000");
  }
  return evaluation;
}

}  // namespace

absl::StatusOr<std::string> Engine::Train(const TrainRequest& request) {
  FOURFOLD_RETURN_IF_ERROR(impl_->learning_turns.TakeToLearn(request.is_cancelled));
  const TurnHolder turn(&impl_->learning_turns);
  ReadPoint at = EndOfLog(*impl_->store);
  if (request.as_of_ms.has_value()) at.as_of_ms = *request.as_of_ms;
  const Recipe recipe = request.deterministic ? WithOneThread(impl_->recipe) : impl_->recipe;
  const Learning learning{
      .recipe = recipe,
      .store = *impl_->store,
      .catalogue = impl_->catalogue,
      .at = at,
      .since_ms = impl_->store->FloorMs(request.as_of_ms.value_or(impl_->store->NowMs())),
      .scratch_path = impl_->directory.temporary(),
      .progress = request.progress,
      .note = request.note,
      .is_cancelled = request.is_cancelled};
  FOURFOLD_ASSIGN_OR_RETURN(const InteractionTable table, ReadTrainingTable(learning));
  FOURFOLD_RETURN_IF_ERROR(TellCutWindows(learning, request));
  BlendSpec blend = impl_->recipe.blend;
  std::map<std::string, double> metrics;
  FOURFOLD_RETURN_IF_ERROR(TuneAndJudge(learning, request, table, &blend, &metrics));
  FOURFOLD_ASSIGN_OR_RETURN(Servable servable,
                            FitServable(learning, table, at.as_of_ms, "fitting on everything"));
  ServableManifest& manifest = servable.manifest;
  manifest.engine_version = EngineVersion();
  manifest.created_at_ms = impl_->store->NowMs();
  manifest.known_at_ms = at.known_at_ms;
  manifest.position_end = at.position_end;
  manifest.blend = std::move(blend);
  manifest.metrics = std::move(metrics);
  if (impl_->recipe.ranker.has_value()) {
    Learning last = learning;
    last.checkpoint_path = impl_->directory.checkpoint();
    last.row_checkpoint_path = impl_->directory.row_checkpoint();
    last.earlier_ranker = impl_->ActiveRanker();
    FOURFOLD_ASSIGN_OR_RETURN(servable.ranker,
                              FitRankerIfPossible(last, table, servable.manifest.blend));
  }
  FOURFOLD_RETURN_IF_ERROR(AddGoldenRequests(learning, table, &servable));
  FOURFOLD_RETURN_IF_ERROR(CheckNotCancelled(learning));
  FOURFOLD_ASSIGN_OR_RETURN(std::string version, impl_->repository.Publish(servable));
  // What is being activated right now may not be taken for one that nobody needs.
  const MutexLock lock(&impl_->activation_mutex);
  FOURFOLD_RETURN_IF_ERROR(
      impl_->repository.Prune(static_cast<std::size_t>(impl_->recipe.servables.keep)));
  return version;
}

absl::StatusOr<EvaluationReport> Engine::Evaluate(const EvaluateRequest& request) {
  FOURFOLD_ASSIGN_OR_RETURN(const EvaluationRecipe evaluation,
                            ChooseEvaluation(impl_->recipe, request));
  if (request.task != "ranking" && !request.truth_path.empty()) {
    return InvalidArgument("truth_path: the truth is about rankings, not ", request.task);
  }
  if (!request.truth_path.empty() && evaluation.split != EvaluationRecipe::Split::kTime) {
    return InvalidArgument("truth_path: slates are judged with a split in time alone");
  }
  FOURFOLD_RETURN_IF_ERROR(impl_->learning_turns.TakeToLearn({}));
  const TurnHolder turn(&impl_->learning_turns);
  const Learning learning{.recipe = impl_->recipe,
                          .store = *impl_->store,
                          .catalogue = impl_->catalogue,
                          .at = EndOfLog(*impl_->store),
                          .since_ms = impl_->store->FloorMs(impl_->store->NowMs()),
                          .scratch_path = impl_->directory.temporary(),
                          .progress = request.progress,
                          .note = request.note};
  if (request.task == "ranker") {
    if (!impl_->recipe.ranker.has_value()) {
      return FailedPrecondition("the recipe has no trained ranker (section `ranker:`)");
    }
    return JudgeTrainedRanker(learning, request);
  }
  FOURFOLD_ASSIGN_OR_RETURN(const InteractionTable table, ReadTrainingTable(learning));
  if (request.task != "ranking") return JudgeEmbeddings(learning, table, request);
  const bool blends =
      request.methods.empty() ||
      std::any_of(request.methods.begin(), request.methods.end(),
                  [](const std::string& name) { return name == "blend" || name == "ranker"; });
  BlendSpec blend = impl_->recipe.blend;
  if (blends && request.tune) {
    FOURFOLD_ASSIGN_OR_RETURN(blend, FindBlend(learning, evaluation, table));
  }
  return Judge(learning, evaluation, table, blend, request);
}

}  // namespace fourfold
