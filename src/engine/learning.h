#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/recipe.h"
#include "feature/catalogue.h"
#include "feature/event_store.h"
#include "feature/state/capped_state.h"
#include "fourfold/engine.h"
#include "offline/dataset/interaction_table.h"
#include "offline/evaluation/evaluation_protocol.h"
#include "offline/ranking/train_trees.h"
#include "online/recommender.h"
#include "servable/servable.h"

// The offline half as one engine runs it: from its log to a servable that is tuned and judged by
// the very pipeline that will serve it.
namespace fourfold {

// ReadInteractions names the sessions of nobody known so, before their id.
inline constexpr std::string_view kAnonymousPrefix = "session:";

// What every step works with. The progress and note functions may be empty.
struct Learning {
  const Recipe& recipe;
  EventStore& store;
  Catalogue& catalogue;
  ReadPoint at;              // how much of the log counts
  std::int64_t since_ms;     // ... and from which event time on
  std::string scratch_path;  // a directory for files that go again
  std::function<void(std::string_view stage, double done)> progress;
  std::function<void(std::string_view note)> note;
  // Of a ranker's training, where it is a network's: the ranker that it may start from, which must
  // not know what the training may not know (null: none), and the file from which one that was cut
  // short goes on (empty: none).
  std::shared_ptr<const TrainedRanker> earlier_ranker = nullptr;
  std::string checkpoint_path = "";
  // The directory from which the making of a ranker's training rows goes on (empty: none).
  std::string row_checkpoint_path = "";
  std::function<bool()> is_cancelled = nullptr;  // as of TrainRequest; may be empty
};

// Of the features' state that a training or an exam reads. The recipe has a ranker.
StateLimits StateLimitsOf(const Learning& learning);

// Cancelled once `learning` is.
absl::Status CheckNotCancelled(const Learning& learning);

// The actions that the recipe trains on. FailedPrecondition: there are none.
absl::StatusOr<InteractionTable> ReadTrainingTable(const Learning& learning);

// OutOfRange where a cut that the recipe names lies before what counts.
absl::Status CheckCuts(const Learning& learning, const EvaluationRecipe& evaluation);

// OutOfRange, naming the retriever, where the window of one as of `fit_as_of_ms` begins before what
// counts: it would learn from a part of it.
absl::Status CheckWindow(const Learning& learning, const RetrieverSpec& retriever,
                         std::int64_t fit_as_of_ms);

// Fits the recipe's retrievers, or where given some of them, with the recipe's blend; as_of_ms ends
// their windows and decays.
absl::StatusOr<Servable> FitServable(const Learning& learning, const InteractionTable& table,
                                     std::int64_t as_of_ms, std::string_view stage,
                                     const std::vector<RetrieverSpec>* retrievers = nullptr);

// The blend that is best on the validation part of the table; the recipe's own where it does not
// ask for tuning. InvalidArgument when the table is too short for the recipe's split.
absl::StatusOr<BlendSpec> FindBlend(const Learning& learning, const EvaluationRecipe& evaluation,
                                    const InteractionTable& table);

// Judges retrievers and blend on the test part; of the request it reads methods, resamples and
// truth_path.
absl::StatusOr<EvaluationReport> Judge(const Learning& learning, const EvaluationRecipe& evaluation,
                                       const InteractionTable& table, const BlendSpec& blend,
                                       const EvaluateRequest& request);

// Judges the embeddings of retrievers (`methods`; empty: all that have some) as
// EvaluateRequest::task says: "link_prediction" or "cold_items".
absl::StatusOr<EvaluationReport> JudgeEmbeddings(const Learning& learning,
                                                 const InteractionTable& table,
                                                 const EvaluateRequest& request);

// Trains the recipe's ranker on the first part of the requests and judges it on the last. The
// recipe has a ranker. Of the request it reads resamples.
absl::StatusOr<EvaluationReport> JudgeTrainedRanker(const Learning& learning,
                                                    const EvaluateRequest& request);
// Trains it on all requests, the last of which decide when to stop. `table` holds the actions that
// retrieval learns from, up to learning.at, and `blend` merges its lists: with rows `retrieved`, or
// features that read what retrievers learned, those of a row are fitted on what came before it.
absl::StatusOr<std::shared_ptr<const TrainedRanker>> FitRanker(const Learning& learning,
                                                               const InteractionTable& table,
                                                               const BlendSpec& blend);

// Requests of real users, without their names, with all inputs and the answers of this servable.
absl::Status AddGoldenRequests(const Learning& learning, const InteractionTable& table,
                               Servable* servable);

}  // namespace fourfold
