#include "feature/state/live_state.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "feature/plan/feature_reader.h"
#include "feature/state/pinned_read.h"

namespace fourfold {
namespace {

// So many events are added at a time: readers may wait for them, and what finds no room is spilled
// after them.
constexpr Position kStep = 1024;

}  // namespace

LiveState::LiveState(StateSchema schema, const EventStore* store, StateLimits limits)
    : schema_(std::move(schema)),
      store_(store),
      limits_(std::move(limits)),
      state_(std::make_unique<CappedState>(&schema_, store_, limits_)) {}

absl::Status LiveState::Fill() {
  for (;;) {
    const WriterMutexLock lock(&mutex_);
    const Position end = state_->end();
    const Position until = std::min(end + kStep, store_->EndPosition());
    if (until <= end) return absl::OkStatus();
    FOURFOLD_RETURN_IF_ERROR(state_->AddUpTo(until));
  }
}

absl::Status LiveState::FillAnew(const std::function<bool()>& is_cancelled) {
  // Taken before anything is read: a greater one knows of whatever left the log before this one.
  const std::uint64_t number = fills_begun_.fetch_add(1) + 1;
  auto fresh = std::make_unique<CappedState>(&schema_, store_, limits_);
  {
    const ReaderMutexLock lock(&mutex_);
    if (state_->cache() != nullptr) fresh->StartCaching();
  }
  while (fresh->end() < store_->EndPosition()) {
    if (is_cancelled && is_cancelled()) {
      return absl::CancelledError("the reading of the log was called off");
    }
    FOURFOLD_RETURN_IF_ERROR(fresh->AddUpTo(std::min(fresh->end() + kStep, store_->EndPosition())));
  }
  const WriterMutexLock lock(&mutex_);
  // What left the log since may be in this one.
  if (number < fill_in_use_) return absl::OkStatus();
  // What was committed meanwhile; later commits wait for the lock.
  FOURFOLD_RETURN_IF_ERROR(fresh->AddUpTo(store_->EndPosition()));
  state_ = std::move(fresh);
  fill_in_use_ = number;
  return absl::OkStatus();
}

void LiveState::Follow(absl::Span<const LoggedEvent> committed) {
  const WriterMutexLock lock(&mutex_);
  for (const LoggedEvent& logged : committed) {
    if (logged.position > state_->end()) return;  // Fill comes to it
    if (logged.position == state_->end()) state_->Add(logged);
  }
}

absl::Status LiveState::Read(const FeaturePlan& plan, const FeatureRequest& request,
                             FeatureTable* table, FeatureStatistics* statistics) const {
  for (;;) {
    std::shared_ptr<EntityCache> cache;
    Position end = 0;
    {
      const ReaderMutexLock lock(&mutex_);
      cache = state_->cache();
      end = state_->end();
      if (cache == nullptr) {
        const EntityCache::Pins none;
        return ReadFeatures(plan, CappedState::View(state_.get(), &none), request, table,
                            statistics);
      }
    }
    absl::StatusOr<bool> is_read = false;
    if (request.at.position_end <= end) {
      is_read = ReadPinned(plan, cache, request, table, statistics);
    } else {
      FeatureRequest clipped = request;
      clipped.at.position_end = end;
      is_read = ReadPinned(plan, cache, clipped, table, statistics);
    }
    cache->Trim();
    if (!is_read.ok() || *is_read) return is_read.status();
  }
}

absl::StatusOr<bool> LiveState::ReadPinned(const FeaturePlan& plan,
                                           const std::shared_ptr<EntityCache>& cache,
                                           const FeatureRequest& request, FeatureTable* table,
                                           FeatureStatistics* statistics) const {
  return fourfold::ReadPinned(
      plan, schema_, *store_, cache.get(), request,
      [&](absl::FunctionRef<absl::Status(const CappedState&)> read) -> absl::StatusOr<bool> {
        const ReaderMutexLock lock(&mutex_);
        if (state_->cache() != cache) return false;
        FOURFOLD_RETURN_IF_ERROR(read(*state_));
        return true;
      },
      table, statistics);
}

Position LiveState::end() const {
  const ReaderMutexLock lock(&mutex_);
  return state_->end();
}

LiveState::Stats LiveState::ReadStats() const {
  const ReaderMutexLock lock(&mutex_);
  Stats stats;
  stats.bytes = state_->bytes();
  stats.is_caching = state_->cache() != nullptr;
  if (stats.is_caching) stats.cache = state_->cache()->ReadStats();
  return stats;
}

}  // namespace fourfold
