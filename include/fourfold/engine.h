#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fourfold/event.h"
#include "fourfold/features.h"
#include "fourfold/recommend.h"

// Start here. An engine is one directory: a log of events and what was learned from it. Open it,
// ingest, train, publish, recommend. examples/first_feed.cc walks through it all.
namespace fourfold {

struct EngineOptions {
  std::string directory;    // made if absent
  std::string recipe_path;  // YAML; empty: the one that the directory keeps
  // Whether the directory keeps the recipe, once it is open; else this engine alone has it, until
  // KeepRecipe. A directory without one keeps the first at once.
  bool keep_recipe = true;
  // Starts the engine's clock at this time (it runs on from there). Unset: the wall. The clock
  // never goes back behind a live event already acknowledged.
  std::optional<std::int64_t> clock_at_ms;
  bool clock_at_log_end = false;    // as clock_at_ms = the newest event time of the log
  bool read_only_servable = false;  // do not load the active servable (import, train)
};

enum class IngestOutcome : std::uint8_t { kAccepted, kDuplicate, kRejected };

struct IngestResult {
  IngestOutcome outcome = IngestOutcome::kRejected;
  std::string id;
  std::string position;                    // opaque; reads may ask for `after` it
  std::int64_t event_time_ms = kNoTimeMs;  // as stored; kNoTimeMs: the stored event was erased
  std::string error;                       // kRejected: what is wrong, and where
};

struct ImportRequest {
  std::string path;
  std::string format;  // empty: by the recipe's import section, else by the extension
  bool strict = false;
  bool dry_run = false;
  // Refused lines are added there. Empty: <file name>.rejects.jsonl in the current directory; of a
  // dry run nowhere.
  std::string reject_path;
  std::function<void(std::string_view phase, double done)> progress;  // done 0..1
};

struct ImportReport {
  std::uint64_t lines = 0, lines_skipped = 0, events = 0, accepted = 0, duplicates = 0,
                rejected = 0;
  std::string reject_path;
  std::int64_t first_event_time_ms = 0, last_event_time_ms = 0;
};

struct TrainRequest {
  std::optional<std::int64_t> as_of_ms;  // data up to here; unset: the end of the log
  bool evaluate = true;                  // and put the metrics into the manifest
  bool tune = true;                      // blend weights on validation, where the recipe says so
  // The same log and recipe give the same servable on the same kind of processor: embeddings, which
  // several threads would learn at once, are learned by one, whatever the recipe says.
  bool deterministic = false;
  std::function<void(std::string_view stage, double done)> progress;
  // What is worth knowing beside the result: the weights found, an evaluation that the log is too
  // short for.
  std::function<void(std::string_view note)> note;
  // Asked between steps, from any thread; once it says so, the training ends with Cancelled and
  // publishes nothing.
  std::function<bool()> is_cancelled;
};

struct ServableInfo {
  std::string version;
  // "active" | "previous" | "retained" | "unreadable"; or "refused": chosen to serve, and it could
  // not be opened for that (an engine opened without a servable does not try).
  std::string state;
  std::string recipe;
  std::int64_t created_at_ms = 0, as_of_ms = 0;
  std::uint64_t actions = 0;
  std::vector<std::pair<std::string, double>> metrics;
  std::string problem;
};

struct EvaluateRequest {
  // What is judged. "ranking": slates. "ranker": the recipe's trained ranker, on the last of the
  // requests that it learns from, against the order shown; only resamples, progress and note count.
  // Of the retrievers with embeddings alone: "link_prediction": are hidden edges of the session
  // graph told from pairs without one; "cold_items": are items that training never saw found by
  // their side fields. The two print rows for each retriever and each of BGE, GES and EGES; only
  // methods, hidden_share, on_validation, seed, resamples, progress and note count for them.
  std::string task = "ranking";
  // Of edges or items, above 0 and below 1; none: a third of the edges, a tenth of the items.
  std::optional<double> hidden_share;
  // link_prediction, for choosing settings: of the edges that the test leaves to training the same
  // share is hidden again and asked for; the test's own are seen by neither side.
  bool on_validation = false;
  std::uint64_t seed = 1;            // of what is hidden
  std::string split;                 // "time" | "leave_one_out"; empty: as the recipe says
  std::string variant;               // "new" | "all"; empty: as the recipe says
  std::vector<std::string> methods;  // retriever names and "blend"; empty: all of them
  std::string fit;                   // leave_one_out: "strict" | "refit"
  int resamples = 1000;
  // Of a simulated log, the file that says what is true of it: slates held back are judged, too
  // (docs/world.md). Needs a split in time. Empty: none.
  std::string truth_path;
  bool tune = true;  // find the blend's weights on validation first, where the recipe says so
  std::function<void(std::string_view stage, double done)> progress;
  std::function<void(std::string_view note)> note;  // as of TrainRequest
};

// A metric's mean with its 95 % bootstrap interval.
struct MetricEstimate {
  std::string name;  // ir_measures names: nDCG@10, R@20, Success@10, RR@100
  double mean = 0, low = 0, high = 0;
};

struct EvaluationRow {
  std::string method;
  std::vector<MetricEstimate> metrics;
  double coverage = 0;         // share of the catalogue shown to anybody in the first 10
  double mean_popularity = 0;  // mean training count of the items shown in the first 10
  // Of the blend, to the best retriever; of the ranker, to the blend. Empty: compared with none.
  std::string compared_with;
  std::vector<MetricEstimate> paired_difference;
};

// How well a method orders the slates of a simulated log that came after the cut.
struct SlateRow {
  std::string method;  // of EvaluationReport::rows, or "popularity" or "truth"
  MetricEstimate ndcg;
  // (method - popularity) / (truth - popularity): 0 is popularity, 1 the best possible.
  MetricEstimate share;
};

struct SlateReport {
  std::uint64_t slates = 0;
  std::string description;
  std::vector<SlateRow> rows;
};

// The same figures over a part of the queries.
struct EvaluationGroup {
  std::string name;
  std::uint64_t queries = 0;
  std::vector<EvaluationRow> rows;  // without coverage and mean popularity
};

struct EvaluationReport {
  std::string description;  // split, cut, users, items, fit, in words
  std::uint64_t queries = 0;
  std::string best_part;
  std::vector<EvaluationRow> rows;
  std::vector<EvaluationGroup> groups;  // with `evaluation.near_duplicate_run` of the recipe
  double seconds = 0;
  SlateReport slates;  // only with truth_path
};

struct RetainRequest {
  bool compact = false;     // rewrites the files, so that the space is free at once
  bool everything = false;  // also where nothing at all is left, as the clock is far past the log
  std::function<bool()> is_cancelled = nullptr;  // may be empty
};

// What a removal of old history did.
struct RetentionReport {
  std::int64_t horizon_ms = 0;  // no action or slate before it is kept
  std::uint64_t events = 0;     // that were removed
  std::uint64_t disk_bytes_before = 0, disk_bytes_after = 0;
};

struct EngineStatus {
  std::string recipe, directory, active_servable, previous_servable;
  std::string refused_servable;  // was activated and cannot be served; empty: none
  std::uint64_t events = 0, items = 0, disk_bytes = 0, memory_bytes = 0;
  std::int64_t now_ms = 0, last_event_time_ms = 0;
  bool refuses_writes = false;                // since one failed; the engine must be opened again
  std::int64_t retain_ms = 0;                 // how far back the recipe keeps history; 0: for ever
  std::int64_t horizon_ms = kSinceForEverMs;  // what was removed lay before; such: nothing was
  std::vector<std::string> warnings;          // what an operator should look at, in words
  // Of every eighth request that the ranker scored since its features came into use.
  std::vector<FeatureHealth> features;
  std::optional<FeatureStateInfo> feature_state;  // unset: no ranker is active
};

struct EntityView {
  // `exists`: an item event or a user event says so; or there are actions, of a user or, where the
  // recipe's catalogue holds what was acted on, with an item.
  bool exists = false, erased = false;
  std::vector<Field> fields;  // sorted by name
};

// Thread-safe. Errors are absl::Status: InvalidArgument for bad input (with the field), NotFound,
// FailedPrecondition (another format version, another process holds the directory, ...).
class Engine {
 public:
  static absl::StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options);
  ~Engine();

  absl::Status KeepRecipe();

  // Durable when it returns: what is accepted is in the very next answer.
  absl::StatusOr<std::vector<IngestResult>> Ingest(std::span<const Event> events);
  // One JSON object, an array of them, or one a line. Each event stands for itself: a bad one is
  // rejected with its reason and the good ones are kept.
  absl::StatusOr<std::vector<IngestResult>> IngestJson(std::string_view json);
  absl::StatusOr<ImportReport> Import(const ImportRequest& request);

  absl::StatusOr<RecommendResponse> Recommend(const RecommendRequest& request);
  absl::StatusOr<RecommendResponse> SimilarItems(const SimilarRequest& request);

  // FailedPrecondition where the recipe declares no features.
  absl::StatusOr<FeatureReadResponse> ReadFeatures(const FeatureReadRequest& request) const;

  // FailedPrecondition where the active servable has no trained ranker.
  absl::StatusOr<RankResponse> Rank(const RankRequest& request) const;

  // What the heads of the active servable's ranker weigh in its order. Both FailedPrecondition
  // where it has no heads.
  absl::StatusOr<ValueModelView> GetValueModel() const;
  // From the next request on, and after a restart, for this servable and those to come: heads that
  // are not named go back to what the recipe says. InvalidArgument for an unknown head or a weight
  // past kValueModelWeightMax; then nothing changes.
  absl::StatusOr<ValueModelView> SetValueModel(
      const std::vector<std::pair<std::string, double>>& weights);

  // Holds what the ranker's log says was served (`ranker.log_features` of the recipe) against the
  // event log, read as of the same moments. DataLoss where the ranker's log is damaged.
  absl::StatusOr<SkewReport> VerifySkew() const;
  // How the active ranker's features turned out in the newest requests that its log holds, at most
  // `requests` of them. Empty where there is no ranker.
  absl::StatusOr<std::vector<FeatureHealth>> ServedFeatures(std::size_t requests) const;

  absl::StatusOr<EntityView> GetItem(std::string_view item) const;
  absl::StatusOr<EntityView> GetUser(std::string_view user) const;
  // Newest first. None of an erased user: GetUser tells.
  absl::StatusOr<std::vector<Event>> GetUserActions(std::string_view user, int limit) const;
  absl::StatusOr<std::uint64_t> EraseUser(std::string_view user);

  // Moves the horizon to the engine's clock minus the recipe's `retain`, durably, and removes the
  // actions and slates before it. From then on reads that reach below it are errors (OutOfRange).
  // Beside requests; the next call goes on with one that was cut short, by is_cancelled or by Train
  // or Evaluate, to which it gives way (Cancelled). FailedPrecondition: the recipe keeps history
  // for ever, the features in use look back farther, nothing would be left, or the engine is
  // learning.
  absl::StatusOr<RetentionReport> Retain(const RetainRequest& request);
  // Whether enough lies between the horizon and where Retain would move it, or one was cut short;
  // not where it would refuse.
  bool IsRetentionDue() const;

  // Learns a new servable from the log and publishes it (not active yet); returns its version.
  // One at a time: FailedPrecondition while another call trains or evaluates. A removal of old
  // history under way stops for it, and goes on with the next Retain.
  absl::StatusOr<std::string> Train(const TrainRequest& request);
  // Takes in a servable that was made elsewhere: a directory, verified and copied.
  absl::StatusOr<std::string> Publish(const std::string& servable_directory);
  absl::StatusOr<std::vector<ServableInfo>> Servables() const;
  // Loads, verifies and replays its golden requests; then requests go to it, atomically. When
  // anything is wrong with it the former one goes on serving.
  absl::Status Activate(std::string_view version);  // "latest": the newest readable one
  absl::StatusOr<std::string> Rollback();           // to the previous; returns its version
  absl::StatusOr<EvaluationReport> Evaluate(const EvaluateRequest& request);

  // Slates for every known user as of now, one JSON line each, {"user", "items": [{"item",
  // "score"}], "servable", "as_of"}, in the order of the ids; returns the number of users. The file
  // appears when it is whole (a pipe or a terminal is written as it comes).
  absl::StatusOr<std::uint64_t> RecommendAllUsers(const std::string& output_path, int limit,
                                                  const std::function<void(double done)>& progress);

  // The log as JSON lines that Import reads, in log order; returns the number of events.
  absl::StatusOr<std::uint64_t> ExportEvents(const std::string& output_path) const;

  std::int64_t NowMs() const;
  EngineStatus Status() const;
  // The item field that people read as its name, as the recipe says; empty: none.
  std::string TitleField() const;

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fourfold
