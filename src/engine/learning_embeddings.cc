#include <algorithm>
#include <chrono>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "engine/learning.h"
#include "offline/dataset/side_fields.h"
#include "offline/evaluation/embedding_evaluation.h"

// Judging embeddings alone.
namespace fourfold {
namespace {

constexpr double kHiddenEdges = 1.0 / 3, kHiddenItems = 0.1;

absl::StatusOr<std::vector<RetrieverSpec>> ChooseEmbeddings(const Recipe& recipe,
                                                            const std::vector<std::string>& wanted,
                                                            bool links) {
  std::vector<RetrieverSpec> specs;
  for (const RetrieverSpec& spec : recipe.retrievers) {
    const bool is_wanted =
        wanted.empty() || std::find(wanted.begin(), wanted.end(), spec.name) != wanted.end();
    // Without side fields nothing is known of a cold item: asked for by name, that is an error.
    if (wanted.empty() && !links && spec.side_fields.empty()) continue;
    if (HasEmbeddings(spec) && is_wanted) specs.push_back(spec);
  }
  if (specs.empty() || (!wanted.empty() && specs.size() < wanted.size())) {
    return InvalidArgument("methods: only retrievers of kind eges",
                           links ? "" : " with side_fields", " have embeddings to judge");
  }
  return specs;
}

void AddRows(const RetrieverSpec& spec, const EmbeddingExam& exam, EvaluationReport* report) {
  StrAppend(&report->description, report->description.empty() ? "" : "\n", spec.name, ": ",
            exam.description);
  report->queries += exam.questions;
  for (const EmbeddingExamRow& row : exam.rows) {
    EvaluationRow& judged = report->rows.emplace_back();
    judged.method = StrCat(spec.name, ": ", row.method);
    for (std::size_t i = 0; i < exam.metrics.size(); ++i) {
      const Interval& metric = row.metrics[i];
      judged.metrics.push_back({exam.metrics[i], metric.mean, metric.low, metric.high});
    }
  }
}

}  // namespace

absl::StatusOr<EvaluationReport> JudgeEmbeddings(const Learning& learning,
                                                 const InteractionTable& table,
                                                 const EvaluateRequest& request) {
  const bool links = request.task == "link_prediction";
  if (!links && request.task != "cold_items") {
    return InvalidArgument("task: \"", request.task,
                           "\" is none of ranking, link_prediction, cold_items");
  }
  if (request.on_validation && !links) {
    return InvalidArgument("on_validation: only link_prediction has edges for choosing settings");
  }
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<RetrieverSpec> specs,
                            ChooseEmbeddings(learning.recipe, request.methods, links));
  const auto started = std::chrono::steady_clock::now();
  EvaluationReport report;
  for (const RetrieverSpec& spec : specs) {
    FOURFOLD_ASSIGN_OR_RETURN(
        const std::vector<SideField> fields,
        ReadSideFields(learning.store, table.items, spec.side_fields, learning.at));
    EmbeddingExamOptions options;
    options.spec = spec;
    options.fields = fields;
    options.hidden_share = request.hidden_share.value_or(links ? kHiddenEdges : kHiddenItems);
    options.on_validation = request.on_validation;
    options.seed = request.seed;
    options.bootstrap.resamples = request.resamples;
    if (learning.progress) {
      options.progress = [&](double done) {
        learning.progress(StrCat("training ", spec.name), done);
      };
    }
    FOURFOLD_ASSIGN_OR_RETURN(const EmbeddingExam exam,
                              links ? PredictLinks(table, options) : RankColdItems(table, options));
    AddRows(spec, exam, &report);
  }
  if (learning.since_ms != kSinceForEverMs) {
    StrAppend(&report.description, "\nof actions from ", FormatTimestamp(learning.since_ms),
              " on, where what the recipe's `retain` keeps begins");
  }
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

}  // namespace fourfold
