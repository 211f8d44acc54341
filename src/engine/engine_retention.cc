#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "engine/engine_impl.h"
#include "fourfold/engine.h"
#include "offline/ranking/row_checkpoint.h"

// The limit of history (Time, rule 7).
namespace fourfold {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kDayMs = std::int64_t{24} * 60 * kMinuteMs;
// Requests that have begun read as of a moment ago.
constexpr std::int64_t kGraceMs = kMinuteMs;
constexpr std::chrono::milliseconds kLockStep(5);

std::string ReachText(const FeaturePlan& plan) {
  return plan.reach_ms() == FeatureOrigin::kUnboundedReach ? "for ever"
                                                           : FormatDuration(plan.reach_ms());
}

}  // namespace

absl::Status Engine::Impl::CheckMayRetain(bool everything) const {
  if (recipe.retain_ms == 0 || store->LastEventTimeMs() == kSinceForEverMs) return absl::OkStatus();
  const std::int64_t now_ms = store->NowMs();
  if (!everything && store->LastEventTimeMs() < now_ms - recipe.retain_ms) {
    return FailedPrecondition(
        "old history is not removed: by the recipe's `retain` nothing would be "
        "left, as the newest event is of ",
        FormatTimestamp(store->LastEventTimeMs()), " and the clock at ", FormatTimestamp(now_ms),
        "; set the clock, or run `fourfold retain --all`");
  }
  const std::shared_ptr<const LiveRanker> in_use = ranker();
  if (in_use == nullptr) return absl::OkStatus();
  const FeaturePlan& plan = in_use->features->plan();
  if (plan.reach_ms() <= recipe.retain_ms) return absl::OkStatus();
  return FailedPrecondition(
      "old history is not removed: features of the active servable look back ", ReachText(plan),
      ", farther than the recipe's `retain`, ", FormatDuration(recipe.retain_ms),
      "; train with this recipe and activate");
}

absl::Status Engine::Impl::CheckHorizon(const FeaturePlan& plan) const {
  const std::int64_t horizon_ms = store->HorizonMs();
  if (horizon_ms == kSinceForEverMs) return absl::OkStatus();
  const std::int64_t kept_ms = store->NowMs() - horizon_ms + 1;
  if (plan.reach_ms() <= kept_ms) return absl::OkStatus();
  return FailedPrecondition("its features look back ", ReachText(plan),
                            ", below the horizon of history, ", FormatTimestamp(horizon_ms));
}

absl::Status Engine::Impl::PrepareHorizon(std::int64_t horizon_ms, bool everything,
                                          const RetentionOptions& options) {
  FOURFOLD_RETURN_IF_ERROR(learning_turns.TakeToRemove());
  const TurnHolder turn(&learning_turns);
  FOURFOLD_RETURN_IF_ERROR(CheckMayRetain(everything));
  return store->PrepareHorizon(horizon_ms, options);
}

absl::Status Engine::Impl::MoveHorizon(std::int64_t horizon_ms, bool everything,
                                       const std::function<bool()>& is_cancelled,
                                       std::optional<TurnHolder>* turn) {
  // An activation may take minutes. Nobody who wants to learn waits for it meanwhile.
  while (!activation_mutex.TryLock()) {
    if (is_cancelled && is_cancelled()) {
      return absl::CancelledError("the removal was called off while a servable came into use");
    }
    std::this_thread::sleep_for(kLockStep);
  }
  const auto move = [&]() -> absl::Status {
    FOURFOLD_RETURN_IF_ERROR(learning_turns.TakeToRemove());
    turn->emplace(&learning_turns);
    // No servable comes into use between the two whose features look back farther.
    FOURFOLD_RETURN_IF_ERROR(CheckMayRetain(everything));
    return store->MoveHorizon(horizon_ms);
  };
  absl::Status moved = move();
  activation_mutex.Unlock();
  return moved;
}

absl::StatusOr<RetentionReport> Engine::Retain(const RetainRequest& request) {
  if (impl_->recipe.retain_ms == 0) {
    return FailedPrecondition("the recipe keeps history for ever (key `retain`)");
  }
  const RetentionOptions options{.is_cancelled = [&] {
    return (request.is_cancelled && request.is_cancelled()) || impl_->learning_turns.IsWanted();
  }};
  RetentionReport report;
  report.disk_bytes_before = impl_->store->ReadStats().disk_bytes;
  const std::int64_t horizon_ms = impl_->store->NowMs() - impl_->recipe.retain_ms - kGraceMs;
  FOURFOLD_RETURN_IF_ERROR(impl_->PrepareHorizon(horizon_ms, request.everything, options));
  std::optional<TurnHolder> turn;
  FOURFOLD_RETURN_IF_ERROR(
      impl_->MoveHorizon(horizon_ms, request.everything, request.is_cancelled, &turn));
  RowCheckpoint::Remove(impl_->directory.row_checkpoint());
  const absl::StatusOr<RetentionCounts> counts = impl_->store->RemoveBefore(horizon_ms, options);
  // One that was cut short has removed something, too.
  if (!counts.ok() || counts->events > 0) impl_->states_hold_removed = true;
  FOURFOLD_RETURN_IF_ERROR(counts.status());
  report.horizon_ms = counts->horizon_ms;
  report.events = counts->events;
  if (impl_->states_hold_removed) {
    FOURFOLD_RETURN_IF_ERROR(impl_->FillFeaturesAnew(options.is_cancelled));
  }
  if (request.compact) FOURFOLD_RETURN_IF_ERROR(impl_->store->Compact());
  report.disk_bytes_after = impl_->store->ReadStats().disk_bytes;
  return report;
}

bool Engine::IsRetentionDue() const {
  const std::int64_t retain_ms = impl_->recipe.retain_ms;
  if (retain_ms == 0 || impl_->store->LastEventTimeMs() == kSinceForEverMs) return false;
  if (!impl_->CheckMayRetain(/*everything=*/false).ok()) return false;
  if (impl_->store->IsRemovalUnfinished() || impl_->states_hold_removed) return true;
  const std::int64_t horizon_ms = impl_->store->HorizonMs();
  if (horizon_ms == kSinceForEverMs) return true;
  const std::int64_t step_ms = std::clamp(retain_ms / 100, kMinuteMs, kDayMs);
  return impl_->store->NowMs() - retain_ms - kGraceMs - horizon_ms >= step_ms;
}

}  // namespace fourfold
