#include <algorithm>
#include <bit>
#include <filesystem>
#include <optional>
#include <span>

#include "absl/strings/str_format.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "engine/freeze_items.h"
#include "engine/learning.h"
#include "engine/past_fits.h"
#include "engine/past_retrieval.h"
#include "engine/version.h"
#include "feature/plan/feature_matrix.h"
#include "offline/evaluation/ranker_exam.h"
#include "offline/ranking/row_checkpoint.h"
#include "offline/ranking/row_replay.h"
#include "offline/ranking/train_transact.h"
#include "offline/ranking/train_trees.h"
#include "offline/ranking/write_training_rows.h"
#include "online/policy/seen_reach.h"
#include "servable/trained_ranker.h"
#include "servable/transact_columns.h"

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

std::vector<std::int64_t> TimesOf(const RowReplay& replay) {
  std::vector<std::int64_t> times_ms(replay.size());
  for (std::size_t row = 0; row < replay.size(); ++row) times_ms[row] = replay.event_time_ms(row);
  return times_ms;
}

// Where the parts of the rows begin whose retrieval is fitted apart; empty: there is no moment.
std::vector<std::int64_t> RetrievalCuts(const RankerSpec& spec,
                                        const std::vector<std::int64_t>& times_ms) {
  std::vector<std::int64_t> cuts_ms;
  for (int fit = 0; fit < spec.retrieval_fits; ++fit) {
    const double share =
        spec.retrieval_share + (1 - spec.retrieval_share) * fit / spec.retrieval_fits;
    const std::optional<TimeCuts> cuts = CutByTime(times_ms, share, 0);
    if (!cuts.has_value()) return {};
    if (cuts_ms.empty() || cuts_ms.back() < cuts->validation_from_ms) {
      cuts_ms.push_back(cuts->validation_from_ms);
    }
  }
  return cuts_ms;
}

// Whether rows need retrievers that do not know what came of them.
bool NeedsPastFits(const Recipe& recipe) {
  return recipe.ranker->rows.rows == RowOptions::Rows::kRetrieved ||
         recipe.features->reads_learned();
}

// Those that what rows need comes of: all where they are retrieved, else whom features read.
std::vector<RetrieverSpec> RetrieversOfRows(const Recipe& recipe) {
  if (recipe.ranker->rows.rows == RowOptions::Rows::kRetrieved) return recipe.retrievers;
  std::vector<RetrieverSpec> retrievers;
  for (const RetrieverSpec& spec : recipe.retrievers) {
    const auto& columns = recipe.features->columns();
    const bool is_read = std::any_of(columns.begin(), columns.end(), [&](const auto& output) {
      const std::optional<LearnedRead> read = output.kind->learned();
      return read.has_value() && read->retriever == spec.name;
    });
    if (is_read) retrievers.push_back(spec);
  }
  return retrievers;
}

// What a ranker is trained on.
struct Rows {
  RowReplay replay;
  std::shared_ptr<const FrozenItems> frozen;  // null: item vectors are learned
  // Tells apart what the fits learned from that rows read; empty: they read none.
  std::string past = "";
};

// Which actions a table holds. Between two readings that end at the same moment some may go: those
// that the clock has left behind, or whose user was erased.
std::string DigestOf(const InteractionTable& table) {
  DigestBuilder digest;
  const auto add = [&](const auto& column) {
    const auto bytes = std::as_bytes(std::span(column));
    digest.Add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  add(table.user_begin);
  add(table.event_time_ms);
  add(table.item);
  return DigestToHex(digest.Finish());
}

// The place of the ranker's sequence among those of the plan.
std::size_t SequencePlaceOf(const Recipe& recipe) {
  const std::string& name = recipe.ranker->transact.sequence;
  const auto& sequences = recipe.features->sequences();
  const auto found = std::find_if(sequences.begin(), sequences.end(), [&](const auto& output) {
    return name.empty() || output.name == name;
  });
  return static_cast<std::size_t>(found - sequences.begin());
}

// Null where the recipe wants none. Leaves out the rows that came before.
absl::StatusOr<std::shared_ptr<const FrozenItems>> Freeze(const Learning& learning,
                                                          std::int64_t cut_ms, RowReplay* replay) {
  const Recipe& recipe = learning.recipe;
  const auto retriever = std::find_if(
      recipe.retrievers.begin(), recipe.retrievers.end(), [&](const RetrieverSpec& spec) {
        return spec.name == recipe.ranker->transact.embedding_retriever;
      });
  if (retriever == recipe.retrievers.end()) return std::shared_ptr<const FrozenItems>();
  replay->StartFrom(cut_ms);
  const std::size_t place = SequencePlaceOf(recipe);
  return FreezeItems(learning, *retriever, recipe.features->sequences()[place].name, cut_ms);
}

// How far back from a row's own moment looks what is read of the log apart from its features.
std::int64_t HistoryReachMs(const Recipe& recipe) {
  std::int64_t reach_ms = 0;
  if (recipe.ranker->rows.rows == RowOptions::Rows::kRetrieved) {
    reach_ms = std::max(recipe.policy.history_window_ms, SeenReachMs(recipe.policy).value_or(0));
  }
  if (!NeedsPastFits(recipe)) return reach_ms;
  // The fits end before the row.
  for (const RetrieverSpec& spec : RetrieversOfRows(recipe)) {
    if (spec.window_ms > 0) reach_ms = std::max(reach_ms, spec.window_ms + 1);
  }
  return reach_ms;
}

absl::StatusOr<Rows> ReplayRows(const Learning& learning, const InteractionTable& table,
                                const BlendSpec& blend) {
  const RankerSpec& spec = *learning.recipe.ranker;
  if (learning.progress) learning.progress("reading the log", 0);
  RowOptions rows = spec.rows;
  rows.history_reach_ms = HistoryReachMs(learning.recipe);
  FOURFOLD_ASSIGN_OR_RETURN(
      RowReplay replay, RowReplay::Start(learning.store, *learning.recipe.features, rows,
                                         learning.at, learning.since_ms, StateLimitsOf(learning)));
  FOURFOLD_RETURN_IF_ERROR(learning.store.CheckReach(learning.at, learning.since_ms));
  if (replay.counts().too_early > 0 && learning.note) {
    learning.note(StrCat(replay.counts().too_early,
                         " requests are left out of the ranker's rows: they look back farther than "
                         "the recipe's `retain` keeps"));
  }
  if (replay.state().cache() != nullptr && learning.note) {
    learning.note(StrCat("the features' state of the log is larger than `ranker.state_megabytes`, ",
                         spec.state_megabytes,
                         ": rows that ask for what is not in memory read it from the histories, "
                         "with the same values"));
  }
  const bool has_fits = NeedsPastFits(learning.recipe);
  if (!has_fits && spec.transact.embedding_retriever.empty()) return Rows{std::move(replay), {}};
  const std::vector<std::int64_t> cuts_ms = RetrievalCuts(spec, TimesOf(replay));
  if (cuts_ms.empty()) return InvalidArgument("the log holds no request to train a ranker on");
  FOURFOLD_ASSIGN_OR_RETURN(auto frozen, Freeze(learning, cuts_ms.front(), &replay));
  if (!has_fits) return Rows{std::move(replay), std::move(frozen)};
  FOURFOLD_ASSIGN_OR_RETURN(
      const auto fits,
      PastFits::Make(learning, table, blend, RetrieversOfRows(learning.recipe), cuts_ms));
  if (learning.recipe.features->reads_learned()) {
    replay.LearnFrom(cuts_ms.front(),
                     [fits](std::int64_t now_ms) { return fits->LearnedBefore(now_ms); });
  }
  std::string past = DigestOf(table);
  if (spec.rows.rows != RowOptions::Rows::kRetrieved) {
    return Rows{std::move(replay), std::move(frozen), std::move(past)};
  }
  FOURFOLD_ASSIGN_OR_RETURN(const auto retrieval, PastRetrieval::Make(learning, *fits));
  replay.RetrieveFrom(cuts_ms.front(), [retrieval](const FeatureRequest& request,
                                                   std::vector<FeatureCandidate>* candidates) {
    return retrieval->Retrieve(request, candidates);
  });
  return Rows{std::move(replay), std::move(frozen), std::move(past)};
}

// Of the requests before the validation, and which of them.
struct FittedRanker {
  std::shared_ptr<const TrainedRanker> ranker;
  std::string description;  // of the training
};

// Tells one build from the next: code that makes other rows has the same version until it is
// released.
std::string ThisProgram() {
  namespace fs = std::filesystem;
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size("/proc/self/exe", error);
  const auto written = fs::last_write_time("/proc/self/exe", error);
  return StrCat(bytes, " ", written.time_since_epoch().count());
}

// Where the rows go on that a training before was making, of the same log by the same recipe.
RowCheckpoint::Options RowCheckpointOf(const Learning& learning, const Rows& of_log,
                                       const BlendSpec& blend) {
  const RowReplay& replay = of_log.replay;
  const Recipe& recipe = learning.recipe;
  RowCheckpoint::Options options;
  const bool has_fits = NeedsPastFits(recipe);
  const std::vector<RetrieverSpec> fitted =
      has_fits ? RetrieversOfRows(recipe) : std::vector<RetrieverSpec>();
  // What is fitted by several threads at once is another thing each time.
  const bool may_differ =
      std::any_of(fitted.begin(), fitted.end(), [](const RetrieverSpec& retriever) {
        return retriever.kind == RetrieverSpec::Kind::kEges && retriever.threads != 1;
      });
  if (!may_differ) options.directory = learning.row_checkpoint_path;
  std::string& fingerprint = options.fingerprint;
  fingerprint = StrCat(EngineVersion(), " ", ThisProgram(), "\n", recipe.text);
  for (const auto& [name, value] : recipe.overrides) {
    StrAppend(&fingerprint, "\n", name, "=", value);
  }
  StrAppend(&fingerprint, "\n", learning.at.as_of_ms, " ", learning.at.position_end, " ",
            replay.log_hash(), " ", replay.size(), " ", of_log.past);
  if (has_fits) {
    StrAppend(&fingerprint, " ", static_cast<int>(blend.method), " ", blend.rank_constant);
    for (const auto& [name, weight] : blend.weights) {
      StrAppend(&fingerprint, " ", name, " ", std::bit_cast<std::uint64_t>(double{weight}));
    }
  }
  return options;
}

absl::StatusOr<std::unique_ptr<TrainingRowsReader>> MakeRows(const Learning& learning,
                                                             const Rows& of_log,
                                                             const BlendSpec& blend,
                                                             const std::string& path) {
  const RowReplay& replay = of_log.replay;
  FOURFOLD_ASSIGN_OR_RETURN(
      const WrittenRows written,
      WriteTrainingRows(replay, *learning.recipe.features, path,
                        Progress(learning, "computing features of training rows"),
                        learning.is_cancelled, RowCheckpointOf(learning, of_log, blend)));
  if (learning.note) {
    if (written.resumed > 0) {
      learning.note(StrCat("the rows of ", written.resumed, " of ", replay.size(),
                           " requests are those of a training that was cut short"));
    }
    const TrainingRowCounts& counts = written.counts;
    learning.note(StrCat("training rows: ", counts.requests, " requests, ", counts.rows,
                         " candidates, ", counts.bytes, " bytes; as flat rows ", counts.flat_bytes,
                         ", with padded sequences ", counts.padded_flat_bytes));
    if (written.relevant > 0) {
      learning.note(
          StrCat("retrieval found ", written.retrieved, " of the ", written.relevant,
                 " items that were acted on, a recall of ",
                 static_cast<double>(written.retrieved) / static_cast<double>(written.relevant)));
    }
  }
  return TrainingRowsReader::Open(path);
}

// Candidates of the latest requests.
absl::StatusOr<std::vector<float>> GoldenRows(const RowReplay& replay, const FeaturePlan& plan) {
  constexpr std::size_t kRequests = 8, kItemsMax = 50;
  std::vector<float> golden;
  ReplayedRequest replayed;
  FeatureTable table;
  std::vector<float> rows;
  for (std::size_t i = 0; i < std::min(kRequests, replay.size()); ++i) {
    FOURFOLD_RETURN_IF_ERROR(replay.Read(replay.size() - 1 - i, &replayed, &table));
    FillRows(plan, table, std::min(kItemsMax, replayed.request.candidates.size()), &rows);
    golden.insert(golden.end(), rows.begin(), rows.end());
  }
  return golden;
}

// The latest requests with actions.
absl::StatusOr<std::vector<RankerGoldenRequest>> GoldenRequests(const RowReplay& replay,
                                                                const FeaturePlan& plan,
                                                                std::size_t sequence) {
  constexpr std::size_t kRequests = 8, kItemsMax = 50;
  std::vector<RankerGoldenRequest> golden;
  ReplayedRequest replayed;
  FeatureTable table;
  for (std::size_t i = 0; i < std::min(kRequests, replay.size()); ++i) {
    FOURFOLD_RETURN_IF_ERROR(replay.Read(replay.size() - 1 - i, &replayed, &table));
    RankerGoldenRequest& request = golden.emplace_back();
    request.request_time_ms = replayed.request.now_ms;
    request.actions = table.sequences[sequence];
    std::vector<std::vector<float>>& fields = request.actions.fields;
    const std::size_t codes = plan.sequences()[sequence].kind->item_codes();
    fields.erase(fields.begin(), fields.end() - static_cast<std::ptrdiff_t>(codes));
    for (const FeatureCandidate& candidate : replayed.request.candidates) {
      if (request.items.size() < kItemsMax) request.items.push_back(candidate.item);
    }
    FillRows(plan, table, request.items.size(), &request.rows);
  }
  return golden;
}

std::string Counts(const auto& trained, int best, int all, std::string_view unit) {
  return StrCat("trained ranker on ", trained.training_requests, " requests (",
                trained.training_rows, " rows), ", best, " ", unit, ", the best of ", all, " (",
                trained.metric, ") by ", trained.validation_requests, " requests");
}

absl::StatusOr<FittedRanker> FitTrees(const Learning& learning, const Rows& of_log,
                                      TrainingRowsReader* rows,
                                      const std::optional<std::int64_t>& validation_from_ms,
                                      const std::optional<std::int64_t>& end_ms) {
  const RankerSpec& spec = *learning.recipe.ranker;
  const FeaturePlan& plan = *learning.recipe.features;
  TrainTreesOptions options;
  options.validation_from_ms = validation_from_ms;
  options.end_ms = end_ms;
  options.is_cancelled = learning.is_cancelled;
  if (learning.progress) {
    options.progress = [&](const TrainTreesOptions::Progress& progress) {
      learning.progress("growing trees",
                        static_cast<double>(progress.round) / static_cast<double>(progress.rounds));
    };
  }
  FOURFOLD_ASSIGN_OR_RETURN(TrainedTrees trained, TrainTrees(rows, spec.trees, options));
  FOURFOLD_ASSIGN_OR_RETURN(std::vector<float> golden, GoldenRows(of_log.replay, plan));
  FittedRanker fitted;
  fitted.description = Counts(trained, trained.rounds, trained.rounds_grown, "trees");
  FOURFOLD_ASSIGN_OR_RETURN(fitted.ranker,
                            MakeTrainedRanker(plan.declarations(), std::move(trained.model),
                                              std::move(golden), spec.candidates));
  return fitted;
}

absl::StatusOr<FittedRanker> FitTransAct(const Learning& learning, const Rows& of_log,
                                         TrainingRowsReader* rows,
                                         const std::optional<std::int64_t>& validation_from_ms,
                                         const std::optional<std::int64_t>& end_ms) {
  const RankerSpec& spec = *learning.recipe.ranker;
  const FeaturePlan& plan = *learning.recipe.features;
  TrainTransActOptions options;
  options.validation_from_ms = validation_from_ms;
  options.end_ms = end_ms;
  options.checkpoint_path = learning.checkpoint_path;
  options.is_cancelled = learning.is_cancelled;
  options.note = learning.note;
  const TrainedRanker* const earlier = learning.earlier_ranker.get();
  if (spec.transact.warm_start) {
    const bool has_earlier = earlier != nullptr && earlier->transact != nullptr;
    if (has_earlier) options.warm_start = &earlier->transact->model();
    if (learning.note) {
      learning.note(has_earlier ? "the training starts from what the active servable's ranker has "
                                  "of the same names and shapes"
                                : "the training starts anew: no servable with a TransAct ranker is "
                                  "active");
    }
  }
  if (learning.progress) {
    options.progress = [&](const TrainTransActOptions::Progress& progress) {
      learning.progress(
          absl::StrFormat("training epoch %d, loss %.4f, %.0f rows/s, at most %.0f s left",
                          progress.epoch, progress.loss, progress.rows_per_second,
                          progress.seconds_left),
          static_cast<double>(progress.step) / static_cast<double>(progress.steps));
    };
  }
  const std::size_t place = SequencePlaceOf(learning.recipe);
  const std::string& sequence = plan.sequences()[place].name;
  options.columns = TransActColumnsOf(plan, sequence);
  options.frozen = of_log.frozen;
  FOURFOLD_ASSIGN_OR_RETURN(TrainedTransAct trained, TrainTransAct(rows, spec.transact, options));
  FOURFOLD_ASSIGN_OR_RETURN(std::vector<RankerGoldenRequest> golden,
                            GoldenRequests(of_log.replay, plan, place));
  FittedRanker fitted;
  fitted.description =
      Counts(trained, trained.epochs, trained.epochs_trained, "epochs of TransAct");
  FOURFOLD_ASSIGN_OR_RETURN(
      fitted.ranker,
      MakeTrainedTransAct(plan.declarations(), std::move(trained.model), sequence,
                          std::move(golden), spec.candidates, spec.transact.head_values));
  return fitted;
}

absl::StatusOr<FittedRanker> Fit(const Learning& learning, const Rows& of_log,
                                 const BlendSpec& blend,
                                 const std::optional<std::int64_t>& validation_from_ms,
                                 const std::optional<std::int64_t>& end_ms) {
  const TemporaryFile file(learning.scratch_path + "/training_rows");
  FOURFOLD_ASSIGN_OR_RETURN(const auto rows, MakeRows(learning, of_log, blend, file.path()));
  const bool is_trees = learning.recipe.ranker->kind == RankerSpec::Kind::kTrees;
  FOURFOLD_ASSIGN_OR_RETURN(FittedRanker fitted,
                            (is_trees ? FitTrees : FitTransAct)(learning, of_log, rows.get(),
                                                                validation_from_ms, end_ms));
  RowCheckpoint::Remove(learning.row_checkpoint_path);
  return fitted;
}

MetricEstimate EstimateOf(const std::string& name, const Interval& interval) {
  return {name, interval.mean, interval.low, interval.high};
}

std::string NameOf(const RankingMetric& metric) {
  return metric.cutoff == kMetricCutoffMax ? "RR" : RankingMetricName(metric);
}

// A row for each head: how well its prediction tells what came of it from the rest (AUC) and, of
// lists, where the order by the value model puts that.
void AddHeads(const RankerExam& exam, bool is_of_lists, EvaluationReport* report) {
  for (const RankerExam::Head& head : exam.heads) {
    if (head.result.methods.empty()) continue;
    EvaluationRow row;
    row.method = StrCat("head ", head.head);
    const ShownListResult::Method& in_order = head.result.methods[1];
    row.compared_with = report->best_part;
    if (is_of_lists) {
      for (std::size_t i = 0; i < head.result.metrics.size(); ++i) {
        const std::string name = NameOf(head.result.metrics[i]);
        row.metrics.push_back(EstimateOf(name, in_order.values[i]));
        row.paired_difference.push_back(EstimateOf(name, in_order.differences[i]));
      }
    }
    row.metrics.push_back(EstimateOf("AUC", head.result.methods[2].auc));
    row.paired_difference.push_back(EstimateOf("AUC", head.result.methods[2].auc_difference));
    report->rows.push_back(std::move(row));
  }
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
    if (is_compared) row.compared_with = report.best_part;
    for (std::size_t i = 0; is_of_lists && i < result.metrics.size(); ++i) {
      row.metrics.push_back(EstimateOf(NameOf(result.metrics[i]), method.values[i]));
      if (!is_compared) continue;
      row.paired_difference.push_back(EstimateOf(NameOf(result.metrics[i]), method.differences[i]));
    }
    row.metrics.push_back(EstimateOf("AUC", method.auc));
    if (is_compared) row.paired_difference.push_back(EstimateOf("AUC", method.auc_difference));
    report.rows.push_back(std::move(row));
  }
  AddHeads(exam, is_of_lists, &report);
  return report;
}

}  // namespace

absl::StatusOr<EvaluationReport> JudgeTrainedRanker(const Learning& learning,
                                                    const EvaluateRequest& request) {
  const RankerSpec& spec = *learning.recipe.ranker;
  InteractionTable table;
  if (NeedsPastFits(learning.recipe)) {
    FOURFOLD_ASSIGN_OR_RETURN(table, ReadTrainingTable(learning));
  }
  FOURFOLD_ASSIGN_OR_RETURN(const Rows rows, ReplayRows(learning, table, learning.recipe.blend));
  const std::optional<TimeCuts> cuts =
      CutByTime(TimesOf(rows.replay), spec.training_share, spec.validation_share);
  if (!cuts.has_value()) return InvalidArgument("the log holds no request to train a ranker on");
  FOURFOLD_ASSIGN_OR_RETURN(const FittedRanker fitted,
                            Fit(learning, rows, learning.recipe.blend, cuts->validation_from_ms,
                                // Labels come of actions up to a window later: none of the test's.
                                cuts->test_from_ms - spec.rows.attribution_window_ms));
  ShownListOptions judged;
  judged.bootstrap.resamples = request.resamples;
  FOURFOLD_ASSIGN_OR_RETURN(const RankerExam exam,
                            JudgeRanker(rows.replay, *fitted.ranker, cuts->test_from_ms, judged,
                                        Progress(learning, "judging")));
  EvaluationReport report = ReportOf(exam, spec.rows.rows != RowOptions::Rows::kActions);
  report.description =
      StrCat(fitted.description, " from ", FormatTimestamp(cuts->validation_from_ms),
             " on; tested on ", report.queries, " requests of ", exam.users, " users from ",
             FormatTimestamp(cuts->test_from_ms), " on; intervals draw users");
  for (const RankerExam::Head& head : exam.heads) {
    if (!head.result.methods.empty()) continue;
    StrAppend(&report.description, "; nothing came of a request that head ", head.head,
              " predicts");
  }
  return report;
}

absl::StatusOr<std::shared_ptr<const TrainedRanker>> FitRanker(const Learning& learning,
                                                               const InteractionTable& table,
                                                               const BlendSpec& blend) {
  const RankerSpec& spec = *learning.recipe.ranker;
  FOURFOLD_ASSIGN_OR_RETURN(const Rows rows, ReplayRows(learning, table, blend));
  const std::optional<TimeCuts> cuts =
      CutByTime(TimesOf(rows.replay), 1 - spec.validation_share, spec.validation_share);
  if (!cuts.has_value()) return InvalidArgument("the log holds no request to train a ranker on");
  std::optional<std::int64_t> validation_from_ms;
  if (spec.validation_share > 0) validation_from_ms = cuts->validation_from_ms;
  FOURFOLD_ASSIGN_OR_RETURN(FittedRanker fitted,
                            Fit(learning, rows, blend, validation_from_ms, std::nullopt));
  if (learning.note) learning.note(fitted.description);
  return std::move(fitted.ranker);
}

}  // namespace fourfold
