#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "feature/event_store.h"
#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"
#include "feature/plan/learned_items.h"
#include "feature/state/capped_state.h"
#include "offline/ranking/moments.h"

namespace fourfold {

// One of the chances that a ranker predicts: that an action of one of these types comes of a
// candidate.
struct RankerHead {
  std::string name;
  std::vector<std::string> actions;
  friend bool operator==(const RankerHead&, const RankerHead&) = default;
};

// What a training row is made of.
struct RowOptions {
  enum class Rows : std::uint8_t {
    kRankings,  // the slates shown, with the actions that name them
    kActions,   // each action of a type in `labels` on its own: a log of judgements
    // Each moment at which somebody acted (Moments), with what retrieval would have found for them
    // just before: a log of actions alone.
    kRetrieved,
  } rows = Rows::kRankings;
  std::map<std::string, double> labels;  // by action type; an item's label is the largest it got
  // Of a ranker with several; a type that is theirs alone has the label 0.
  std::vector<RankerHead> heads;
  // kRankings, kRetrieved: actions count up to so long after their slate or moment. Those whose
  // window is not over at the end of the log are left out. 0: actions of the moment itself.
  std::int64_t attribution_window_ms = 0;
  int items_min = 1;               // kRankings: slates with fewer impressions are left out
  bool answered_only = false;      // kRankings: slates that nothing came of are left out
  bool anonymous_sessions = true;  // kRetrieved: moments of sessions without a user, too
  // kRetrieved, above 0: moments lie so far apart, the last one where the attribution window is
  // just over at the log's end, and are read strictly before their time: as when slates are made
  // ahead for all who act again within the window (Moments::TakeEvery).
  std::int64_t moments_every_ms = 0;
  // kRankings, kRetrieved: of the candidates that nothing came of, so many of each request are
  // rows; 0: all. Each then weighs as many as it stands for, where `negatives_weigh`.
  int negatives = 0;
  bool negatives_weigh = false;
  std::int64_t history_reach_ms = 0;  // how far back looks what finds candidates, or what learned
};

// One request of the past: who asked when, what was shown, and what came of it.
struct ReplayedRequest {
  std::string id;  // of the event
  FeatureRequest request;
  std::vector<float> labels;  // of each candidate
  std::vector<std::uint32_t>
      outcomes;  // of each candidate, bit h for heads[h]; empty without heads
  // kRetrieved: how many items had a label above 0, retrieved or not.
  std::size_t relevant = 0;
};

// Sets the candidates that retrieval finds for a request of the past. Thread-safe.
using RetrieveCandidates =
    std::function<absl::Status(const FeatureRequest&, std::vector<FeatureCandidate>*)>;

// What retrievers learned of the time before a moment. Thread-safe.
using LearnedBefore = std::function<std::shared_ptr<const LearnedItems>(std::int64_t now_ms)>;

// The log's requests in the order of their times, with their features as they would have been
// served: read at the slate's own read point, or strictly before an imported row (Time, rules 4
// and 5).
class RowReplay {
 public:
  struct Counts {
    std::uint64_t events = 0;
    std::uint64_t requests = 0;
    std::uint64_t unanswered = 0;   // left out
    std::uint64_t window_open = 0;  // left out: their window is not over
    std::uint64_t few_items = 0;    // left out
    std::uint64_t too_early = 0;    // left out: they look back to before `since_ms`
  };

  // Reads the log up to `end` into state and notes its requests, but those whose features, or
  // retrieval, reach back to before `since_ms`, or whose read point lies below the store's horizon.
  // Of a moment later than what is known at the end, nothing counts. The store and the plan must
  // outlive it. While it is in use the horizon must stay where it is; after an erasure rows read
  // less.
  //
  // Whatever the limits, rows read the same. Memory, beside the state's (CappedState: under
  // `limits`, but for actions that are kept of everybody, texts, and what is being read), grows
  // with the log: 32 bytes a request, 150 while the log is read; kRankings: 40 an action that
  // counts and names a slate, and 100 a slate with such actions; kRetrieved: 56 an action and 32 a
  // moment, instead of that.
  static absl::StatusOr<RowReplay> Start(const EventStore& store, const FeaturePlan& plan,
                                         const RowOptions& options, const ReadPoint& end,
                                         std::int64_t since_ms = kSinceForEverMs,
                                         StateLimits limits = {});

  std::size_t size() const { return rows_.size(); }
  std::int64_t event_time_ms(std::size_t row) const { return rows_[row].event_time_ms; }
  Position position(std::size_t row) const { return rows_[row].position; }
  const Counts& counts() const { return counts_; }
  const RowOptions& options() const { return options_; }
  // Of the events that were read: another one where an event was added or erased.
  std::uint64_t log_hash() const { return log_hash_; }
  // What features are read from.
  const CappedState& state() const { return *state_; }

  // Rows kRetrieved, once, before Read: leaves out what came before `from_ms`, which `retrieve` may
  // have learned from. Items acted on within the window without a label are no candidates: nobody
  // can say that they were not wanted.
  void RetrieveFrom(std::int64_t from_ms, RetrieveCandidates retrieve);

  // Once, before Read, where features read what retrievers learned: leaves out requests whose own
  // time is before `from_ms`; each of the others reads what had been learned before it.
  void LearnFrom(std::int64_t from_ms, LearnedBefore learned_before);

  // Before Read: leaves out requests that are of a time before `from_ms`, or were asked before it.
  void StartFrom(std::int64_t from_ms);

  // Thread-safe. With a state that outgrew its limits, what a row asks for may have to be read from
  // the histories, and stays in memory while the row is read.
  absl::Status Read(std::size_t row, ReplayedRequest* replayed, FeatureTable* table) const;

 private:
  struct Row {
    std::int64_t event_time_ms = 0;
    std::int64_t now_ms = 0;  // of its FeatureRequest
    Position position = 0;
    std::uint64_t id = 0;  // HashOfId of a slate; the place of a moment
  };
  // With what decides the order of rows of one time.
  struct NotedRow {
    Row row;
    std::string session;
    std::int64_t step = 0;
  };
  struct Answer {
    std::int64_t event_time_ms = 0;
    std::uint64_t item = 0;  // HashOfId
    ActionMeaning meaning;
  };

  RowReplay(const EventStore& store, const FeaturePlan& plan, const RowOptions& options,
            const ReadPoint& end, StateLimits limits)
      : store_(&store),
        plan_(&plan),
        options_(options),
        end_(end),
        state_(std::make_unique<CappedState>(&plan.schema(), &store, std::move(limits))) {}

  absl::Status NoteLog();
  void Note(const LoggedEvent& logged);
  void NoteAction(const LoggedEvent& logged);
  // Unset: actions of the type do not count.
  std::optional<ActionMeaning> MeaningOf(const std::string& type) const;
  void NoteRow(const LoggedEvent& logged, std::uint64_t id);
  void SortRows();
  void LeaveOutOpenWindows(std::int64_t end_ms);
  void LeaveOutBefore(std::int64_t since_ms);
  absl::Status LeaveOutUnanswered();
  void NoteMoments(std::int64_t end_ms);
  // What came of the items of a slate, or the action itself says.
  void Label(const Event& event, ReplayedRequest* replayed) const;
  void ClearLabels(std::size_t candidates, ReplayedRequest* replayed) const;
  void AddLabel(const ActionMeaning& meaning, std::size_t candidate,
                ReplayedRequest* replayed) const;
  absl::Status Retrieve(const Row& row, ReplayedRequest* replayed) const;
  void SetReadPoint(const LoggedEvent& logged, FeatureRequest* request) const;
  // Whether what a row reads was known later than it happened, or lay in the log where something
  // has been removed since. What happened too early is for LeaveOutBefore.
  bool IsBelowHorizon(const LoggedEvent& logged) const;
  void SetLearned(FeatureRequest* request) const;

  const EventStore* store_;
  const FeaturePlan* plan_;
  RowOptions options_;
  ReadPoint end_;
  std::unique_ptr<CappedState> state_;
  std::vector<NotedRow> noted_;  // while the log is read
  std::vector<Row> rows_;
  absl::flat_hash_map<std::uint64_t, std::vector<Answer>> answers_;  // by HashOfId of the slate
  Moments actions_;                                                  // kRetrieved, as the next two
  std::vector<Moments::Moment> moments_;
  RetrieveCandidates retrieve_;
  LearnedBefore learned_before_;
  Counts counts_;
  std::uint64_t log_hash_ = 0;
};

}  // namespace fourfold
