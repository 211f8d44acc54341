#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "base/mutex.h"
#include "engine/engine_clock.h"
#include "engine/engine_directory.h"
#include "engine/learning_turns.h"
#include "engine/recipe.h"
#include "feature/catalogue.h"
#include "feature/event_store.h"
#include "fourfold/engine.h"
#include "online/ranking/live_ranker.h"
#include "online/ranking/value_model.h"
#include "online/recommender.h"
#include "servable/servable_repository.h"

namespace fourfold {

inline constexpr int kUserActionsMax = 1000;

// What an engine holds. The members stand in the order in which they depend on each other.
class Engine::Impl {
 public:
  Impl(EngineDirectory directory_opened, Recipe recipe_read)
      : directory(std::move(directory_opened)),
        recipe(std::move(recipe_read)),
        catalogue(recipe.membership),
        repository(directory.servables()),
        served(std::make_shared<ServedLog>(directory.served(),
                                           recipe.ranker.value_or(RankerSpec()).log_features)) {}

  // Opens the store and starts the clock, fills the catalogue, and follows the log from there on.
  absl::Status Start(const EngineOptions& options);

  absl::Status Activate(const std::string& version) ABSL_LOCKS_EXCLUDED(activation_mutex);
  std::shared_ptr<const Servable> active() const ABSL_LOCKS_EXCLUDED(active_mutex);
  // The ranker of the active servable, also where the engine was opened without one to serve; null:
  // it has none, or cannot be read.
  std::shared_ptr<const TrainedRanker> ActiveRanker() const ABSL_LOCKS_EXCLUDED(active_mutex);
  // Of the active servable; null: it has none.
  std::shared_ptr<const LiveRanker> ranker() const ABSL_LOCKS_EXCLUDED(active_mutex);
  // Brings the state of features up to the log after an import, of which no commit tells.
  absl::Status FillFeatures() ABSL_LOCKS_EXCLUDED(active_mutex);
  // The same after something left the log, from its begin. Cancelled once `is_cancelled` (may be
  // empty). Where it fails, `states_hold_removed`.
  absl::Status FillFeaturesAnew(const std::function<bool()>& is_cancelled = nullptr)
      ABSL_LOCKS_EXCLUDED(active_mutex);
  // FailedPrecondition while features in use look back farther than the recipe's `retain`, or the
  // clock lies so far past the log that nothing of it would be left.
  absl::Status CheckMayRetain(bool everything) const ABSL_LOCKS_EXCLUDED(active_mutex);
  // The long part of moving the horizon, beside activations.
  absl::Status PrepareHorizon(std::int64_t horizon_ms, bool everything,
                              const RetentionOptions& options) ABSL_LOCKS_EXCLUDED(active_mutex);
  // Moves it between activations, and takes the turn to remove what lies below it; until then it
  // holds none. Cancelled once `is_cancelled` (may be empty) says so while an activation lasts.
  absl::Status MoveHorizon(std::int64_t horizon_ms, bool everything,
                           const std::function<bool()>& is_cancelled,
                           std::optional<TurnHolder>* turn)
      ABSL_LOCKS_EXCLUDED(activation_mutex, active_mutex);

  const EngineDirectory directory;
  const Recipe recipe;
  EngineClock clock;
  std::unique_ptr<EventStore> store;
  Catalogue catalogue;
  ServableRepository repository;
  const std::shared_ptr<ServedLog> served;
  const std::shared_ptr<ValueModel> value_model = std::make_shared<ValueModel>();
  std::unique_ptr<Recommender> recommender;
  std::vector<std::string> open_warnings;  // of Start; constant afterwards
  // What was chosen to serve and could not at Start, with the reason; constant afterwards.
  std::string refused_version, refused_problem;

  Mutex activation_mutex;   // one activation at a time, from loading to the repository's state
  Mutex value_model_mutex;  // one change at a time, from the check to the file
  LearningTurns learning_turns;
  // States of features may hold what left the log, and nobody is about to fill them anew.
  std::atomic<bool> states_hold_removed = false;

 private:
  absl::Status OpenStore(const EngineOptions& options);
  absl::Status ReadValueModel();
  void LoadActive() ABSL_LOCKS_EXCLUDED(activation_mutex);
  // Loads a version and lets requests go to it.
  absl::Status Serve(const std::string& version) ABSL_EXCLUSIVE_LOCKS_REQUIRED(activation_mutex);
  void Follow(absl::Span<const LoggedEvent> committed) ABSL_LOCKS_EXCLUDED(active_mutex);
  // That of the active servable, and that of one that is being made ready.
  absl::InlinedVector<std::shared_ptr<LiveState>, 2> StatesInUse() const
      ABSL_LOCKS_EXCLUDED(active_mutex);
  // The cap of a state of features.
  std::size_t StateBytesMax() const {
    return static_cast<std::size_t>(recipe.ranker.value_or(RankerSpec()).state_megabytes) << 20;
  }
  // FailedPrecondition where features read now look back to below the horizon.
  absl::Status CheckHorizon(const FeaturePlan& plan) const;
  // The servable's ranker with its state filled from the log; null where it has none.
  absl::StatusOr<std::shared_ptr<const LiveRanker>> PrepareRanker(
      const std::shared_ptr<const Servable>& servable)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(activation_mutex) ABSL_LOCKS_EXCLUDED(active_mutex);

  mutable Mutex active_mutex;
  std::shared_ptr<const Servable> active_servable ABSL_GUARDED_BY(active_mutex);
  std::shared_ptr<const LiveRanker> active_ranker ABSL_GUARDED_BY(active_mutex);
  // States of features that commits are told to: that of the active ranker and, while another
  // servable is made ready, that of its.
  std::shared_ptr<LiveState> active_state ABSL_GUARDED_BY(active_mutex);
  std::shared_ptr<LiveState> coming_state ABSL_GUARDED_BY(active_mutex);
};

}  // namespace fourfold
