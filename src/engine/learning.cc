#include "engine/learning.h"

#include <algorithm>
#include <numeric>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "offline/dataset/side_fields.h"
#include "offline/retrieval/train_retrievers.h"

namespace fourfold {
namespace {

InteractionTable WithoutAnonymousSessions(const InteractionTable& table) {
  std::vector<char> keep(table.rows(), 1);
  for (std::size_t user = 0; user < table.users.size(); ++user) {
    if (!table.users[user].starts_with(kAnonymousPrefix)) continue;
    std::fill(keep.begin() + static_cast<std::ptrdiff_t>(table.user_begin[user]),
              keep.begin() + static_cast<std::ptrdiff_t>(table.user_begin[user + 1]), char{0});
  }
  return KeepRows(table, keep);
}

// The recipe as a servable keeps it: with what the environment made of it.
std::string RecordOf(const Recipe& recipe) {
  std::string record = recipe.text;
  if (recipe.overrides.empty()) return record;
  if (!record.ends_with('\n')) record += '\n';
  record += "# Changed by the environment:\n";
  for (const auto& [variable, value] : recipe.overrides) {
    std::string line = value;
    std::replace(line.begin(), line.end(), '\n', ' ');
    StrAppend(&record, "# ", variable, "=", line, "\n");
  }
  return record;
}

}  // namespace

StateLimits StateLimitsOf(const Learning& learning) {
  return {.bytes_max = static_cast<std::size_t>(learning.recipe.ranker->state_megabytes) << 20,
          .spill_directory = learning.scratch_path};
}

absl::Status CheckNotCancelled(const Learning& learning) {
  if (!learning.is_cancelled || !learning.is_cancelled()) return absl::OkStatus();
  return absl::CancelledError("the training was called off");
}

absl::StatusOr<InteractionTable> ReadTrainingTable(const Learning& learning) {
  const TrainingRecipe& training = learning.recipe.training;
  if (learning.progress) learning.progress("reading the log", 0);
  InteractionTableOptions options;
  options.at = learning.at;
  options.since_ms = learning.since_ms;
  options.action_types = training.action_types;
  options.declared_items_only = training.declared_items_only;
  FOURFOLD_ASSIGN_OR_RETURN(InteractionTable table, ReadInteractions(learning.store, options));
  FOURFOLD_RETURN_IF_ERROR(learning.store.CheckReach(learning.at, learning.since_ms));
  if (!training.anonymous_sessions) table = WithoutAnonymousSessions(table);
  if (learning.progress) learning.progress("reading the log", 1);
  if (table.rows() == 0 && learning.since_ms != kSinceForEverMs) {
    return FailedPrecondition("the log holds no action to learn from since ",
                              FormatTimestamp(learning.since_ms),
                              ", where what the recipe's `retain` keeps begins");
  }
  if (table.rows() == 0) {
    return FailedPrecondition(
        "the log holds no action to learn from; import or ingest events, and "
        "see training.actions in the recipe");
  }
  return table;
}

absl::Status CheckCuts(const Learning& learning, const EvaluationRecipe& evaluation) {
  if (evaluation.split != EvaluationRecipe::Split::kTime) return absl::OkStatus();
  for (const std::optional<std::int64_t>& cut_ms :
       {evaluation.validation_cut_ms, evaluation.cut_ms}) {
    if (!cut_ms.has_value() || *cut_ms >= learning.since_ms) continue;
    return absl::OutOfRangeError(StrCat("evaluation: the cut at ", FormatTimestamp(*cut_ms),
                                        " lies before ", FormatTimestamp(learning.since_ms),
                                        ", where what the recipe's `retain` keeps begins"));
  }
  return absl::OkStatus();
}

absl::Status CheckWindow(const Learning& learning, const RetrieverSpec& retriever,
                         std::int64_t fit_as_of_ms) {
  if (learning.since_ms == kSinceForEverMs || retriever.window_ms == 0 ||
      fit_as_of_ms - learning.since_ms >= retriever.window_ms - 1) {
    return absl::OkStatus();
  }
  return absl::OutOfRangeError(StrCat(
      "as of ", FormatTimestamp(fit_as_of_ms), " the window of the retriever ", retriever.name,
      ", ", FormatDuration(retriever.window_ms), ", begins before ",
      FormatTimestamp(learning.since_ms), ", where what the recipe's `retain` keeps begins"));
}

absl::StatusOr<Servable> FitServable(const Learning& learning, const InteractionTable& table,
                                     std::int64_t as_of_ms, std::string_view stage,
                                     const std::vector<RetrieverSpec>* retrievers_wanted) {
  TrainRetrieversOptions options;
  options.retrievers =
      retrievers_wanted == nullptr ? learning.recipe.retrievers : *retrievers_wanted;
  options.as_of_ms = as_of_ms;
  options.note = learning.note;
  options.is_cancelled = learning.is_cancelled;
  // What items are is a fact of its own time, too: not what they became after the fit.
  ReadPoint fit_at = learning.at;
  fit_at.as_of_ms = as_of_ms;
  FOURFOLD_ASSIGN_OR_RETURN(
      options.side_fields,
      ReadSideFields(learning.store, table.items, SideFieldNames(options.retrievers), fit_at));
  // Each retriever tells its own progress; together they make one stage.
  const std::size_t retrievers = std::max<std::size_t>(options.retrievers.size(), 1);
  if (learning.progress) {
    options.progress = [&, retrievers](std::string_view name, double done) {
      const auto found = std::find_if(options.retrievers.begin(), options.retrievers.end(),
                                      [&](const RetrieverSpec& spec) { return spec.name == name; });
      const auto before = static_cast<double>(found - options.retrievers.begin());
      learning.progress(stage, (before + done) / static_cast<double>(retrievers));
    };
  }
  FOURFOLD_ASSIGN_OR_RETURN(Servable servable, TrainRetrievers(table, options));
  servable.recipe_yaml = RecordOf(learning.recipe);
  servable.manifest.recipe_name = learning.recipe.name;
  servable.manifest.blend = learning.recipe.blend;
  servable.manifest.actions = table.rows();
  servable.manifest.as_of_ms = as_of_ms;
  if (learning.progress) learning.progress(stage, 1);
  return servable;
}

}  // namespace fourfold
