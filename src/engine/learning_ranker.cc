#include <algorithm>
#include <filesystem>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "engine/learning.h"
#include "feature/plan/feature_matrix.h"
#include "offline/evaluation/ranker_exam.h"
#include "offline/ranking/row_replay.h"
#include "offline/ranking/train_trees.h"
#include "offline/ranking/write_training_rows.h"
#include "servable/trained_ranker.h"

// The trained ranker: rows by replay, trees, and how well they order what was shown.
namespace fourfold {
namespace {

std::function<void(double)> Progress(const Learning& learning, std::string stage) {
  if (!learning.progress) return nullptr;
  return [&learning, stage = std::move(stage)](double done) { learning.progress(stage, done); };
}

// A file that goes with this object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

absl::StatusOr<RowReplay> ReplayRows(const Learning& learning) {
  if (learning.progress) learning.progress("reading the log", 0);
  return RowReplay::Start(learning.store, *learning.recipe.features, learning.recipe.ranker->rows,
                          learning.at);
}

std::vector<std::int64_t> TimesOf(const RowReplay& replay) {
  std::vector<std::int64_t> times_ms(replay.size());
  for (std::size_t row = 0; row < replay.size(); ++row) times_ms[row] = replay.event_time_ms(row);
  return times_ms;
}

absl::StatusOr<TrainedTrees> FitTrees(const Learning& learning, const RowReplay& replay,
                                      TrainTreesOptions options) {
  const TemporaryFile file(learning.scratch_path + "/training_rows");
  FOURFOLD_ASSIGN_OR_RETURN(
      const TrainingRowCounts counts,
      WriteTrainingRows(replay, *learning.recipe.features, file.path(),
                        Progress(learning, "computing features of training rows")));
  if (learning.note) {
    learning.note(StrCat("training rows: ", counts.requests, " requests, ", counts.rows,
                         " candidates, ", counts.bytes, " bytes; as flat rows ", counts.flat_bytes,
                         ", with padded sequences ", counts.padded_flat_bytes));
  }
  FOURFOLD_ASSIGN_OR_RETURN(const auto rows, TrainingRowsReader::Open(file.path()));
  if (learning.progress) {
    options.progress = [&](const TrainTreesOptions::Progress& progress) {
      learning.progress("growing trees",
                        static_cast<double>(progress.round) / static_cast<double>(progress.rounds));
    };
  }
  return TrainTrees(rows.get(), learning.recipe.ranker->trees, options);
}

// Candidates of the latest requests.
absl::StatusOr<std::vector<float>> GoldenRows(const RowReplay& replay, const FeaturePlan& plan) {
  constexpr std::size_t kRequests = 8;
  std::vector<float> golden;
  ReplayedRequest replayed;
  FeatureTable table;
  std::vector<float> rows;
  for (std::size_t i = 0; i < std::min(kRequests, replay.size()); ++i) {
    FOURFOLD_RETURN_IF_ERROR(replay.Read(replay.size() - 1 - i, &replayed, &table));
    FillRows(plan, table, replayed.request.candidates.size(), &rows);
    golden.insert(golden.end(), rows.begin(), rows.end());
  }
  return golden;
}

MetricEstimate EstimateOf(const std::string& name, const Interval& interval) {
  return {name, interval.mean, interval.low, interval.high};
}

std::string NameOf(const RankingMetric& metric) {
  return metric.cutoff == kMetricCutoffMax ? "RR" : RankingMetricName(metric);
}

// Of judgements only the AUC means anything: a list of one has one order.
EvaluationReport ReportOf(const RankerExam& exam, bool is_of_lists) {
  const ShownListResult& result = exam.result;
  EvaluationReport report;
  report.queries = is_of_lists ? result.requests : result.rows;
  report.best_part = result.methods.front().name;
  for (const ShownListResult::Method& method : result.methods) {
    EvaluationRow row;
    row.method = method.name;
    const bool is_compared = &method != &result.methods.front();
    for (std::size_t i = 0; is_of_lists && i < result.metrics.size(); ++i) {
      row.metrics.push_back(EstimateOf(NameOf(result.metrics[i]), method.values[i]));
      if (!is_compared) continue;
      row.paired_with_best_part.push_back(
          EstimateOf(NameOf(result.metrics[i]), method.differences[i]));
    }
    row.metrics.push_back(EstimateOf("AUC", method.auc));
    if (is_compared) row.paired_with_best_part.push_back(EstimateOf("AUC", method.auc_difference));
    report.rows.push_back(std::move(row));
  }
  return report;
}

}  // namespace

absl::StatusOr<EvaluationReport> JudgeTrainedRanker(const Learning& learning,
                                                    const EvaluateRequest& request) {
  const RankerSpec& spec = *learning.recipe.ranker;
  FOURFOLD_ASSIGN_OR_RETURN(const RowReplay replay, ReplayRows(learning));
  const std::optional<TimeCuts> cuts =
      CutByTime(TimesOf(replay), spec.training_share, spec.validation_share);
  if (!cuts.has_value()) return InvalidArgument("the log holds no request to train a ranker on");
  TrainTreesOptions options;
  options.validation_from_ms = cuts->validation_from_ms;
  options.end_ms = cuts->test_from_ms;
  FOURFOLD_ASSIGN_OR_RETURN(const TrainedTrees trained, FitTrees(learning, replay, options));
  FOURFOLD_ASSIGN_OR_RETURN(const TreeEnsemble trees, TreeEnsemble::Parse(trained.model));
  ShownListOptions judged;
  judged.bootstrap.resamples = request.resamples;
  FOURFOLD_ASSIGN_OR_RETURN(const RankerExam exam,
                            JudgeRanker(replay, *learning.recipe.features, trees,
                                        cuts->test_from_ms, judged, Progress(learning, "judging")));
  EvaluationReport report = ReportOf(exam, spec.rows.rows == RowOptions::Rows::kRankings);
  report.description = StrCat(
      "trained ranker on ", trained.training_requests, " requests (", trained.training_rows,
      " rows), ", trained.rounds, " trees, the best of ", trained.rounds_grown, " (",
      trained.metric, ") by ", trained.validation_requests, " requests from ",
      FormatTimestamp(cuts->validation_from_ms), " on; tested on ", report.queries, " requests of ",
      exam.users, " users from ", FormatTimestamp(cuts->test_from_ms), " on; intervals draw users");
  return report;
}

absl::StatusOr<std::shared_ptr<const TrainedRanker>> FitRanker(const Learning& learning) {
  const RankerSpec& spec = *learning.recipe.ranker;
  const FeaturePlan& plan = *learning.recipe.features;
  FOURFOLD_ASSIGN_OR_RETURN(const RowReplay replay, ReplayRows(learning));
  TrainTreesOptions options;
  const std::optional<TimeCuts> cuts =
      CutByTime(TimesOf(replay), 1 - spec.validation_share, spec.validation_share);
  if (!cuts.has_value()) return InvalidArgument("the log holds no request to train a ranker on");
  if (spec.validation_share > 0) options.validation_from_ms = cuts->validation_from_ms;
  FOURFOLD_ASSIGN_OR_RETURN(TrainedTrees trained, FitTrees(learning, replay, options));
  FOURFOLD_ASSIGN_OR_RETURN(std::vector<float> golden, GoldenRows(replay, plan));
  return MakeTrainedRanker(plan.declarations(), std::move(trained.model), std::move(golden),
                           spec.candidates);
}

}  // namespace fourfold
