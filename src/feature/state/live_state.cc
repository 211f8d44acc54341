#include "feature/state/live_state.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "feature/plan/feature_reader.h"

namespace fourfold {

LiveState::LiveState(std::shared_ptr<const FeaturePlan> plan, const EventStore* store,
                     std::size_t bytes_max)
    : plan_(std::move(plan)),
      store_(store),
      bytes_max_(bytes_max),
      statistics_(*plan_),
      state_(std::make_unique<CappedState>(&plan_->schema(), store_, bytes_max_)) {}

absl::Status LiveState::Fill() {
  // Steps of a size that readers may wait for.
  constexpr Position kStep = 1024;
  for (;;) {
    const WriterMutexLock lock(&mutex_);
    const Position end = state_->end();
    const Position until = std::min(end + kStep, store_->EndPosition());
    if (until <= end) return absl::OkStatus();
    FOURFOLD_RETURN_IF_ERROR(state_->AddUpTo(until));
  }
}

absl::Status LiveState::FillAnew() {
  auto fresh = std::make_unique<CappedState>(&plan_->schema(), store_, bytes_max_);
  {
    const ReaderMutexLock lock(&mutex_);
    if (state_->cache() != nullptr) fresh->StartCaching();
  }
  FOURFOLD_RETURN_IF_ERROR(fresh->AddUpTo(store_->EndPosition()));
  const WriterMutexLock lock(&mutex_);
  // What was committed meanwhile; later commits wait for the lock.
  FOURFOLD_RETURN_IF_ERROR(fresh->AddUpTo(store_->EndPosition()));
  state_ = std::move(fresh);
  return absl::OkStatus();
}

void LiveState::Follow(absl::Span<const LoggedEvent> committed) {
  const WriterMutexLock lock(&mutex_);
  for (const LoggedEvent& logged : committed) {
    if (logged.position > state_->end()) return;  // Fill comes to it
    if (logged.position == state_->end()) state_->Add(logged);
  }
  if (state_->cache() != nullptr) state_->cache()->Trim();
}

absl::Status LiveState::Read(const FeatureRequest& request, FeatureTable* table) const {
  return ReadNoting(request, table, statistics_.Sample() ? &statistics_ : nullptr);
}

absl::StatusOr<std::vector<FeatureHealth>> LiveState::StatisticsOf(
    const std::deque<FeatureRequest>& requests) const {
  FeatureStatistics statistics(*plan_);
  FeatureTable table;
  for (const FeatureRequest& request : requests) {
    FOURFOLD_RETURN_IF_ERROR(ReadNoting(request, &table, &statistics));
  }
  return statistics.Read();
}

absl::Status LiveState::ReadNoting(const FeatureRequest& request, FeatureTable* table,
                                   FeatureStatistics* statistics) const {
  for (;;) {
    std::shared_ptr<EntityCache> cache;
    Position end = 0;
    {
      const ReaderMutexLock lock(&mutex_);
      cache = state_->cache();
      end = state_->end();
      if (cache == nullptr) return ReadLocked(request, table, statistics);
    }
    // No commit waits while the histories are read.
    EntityCache::Loading loading(cache.get(), end);
    FOURFOLD_RETURN_IF_ERROR(CappedState::Prefetch(plan_->schema(), *store_, request, &loading));
    if (!loading.empty()) FOURFOLD_RETURN_IF_ERROR(loading.FollowUpTo(this->end()));

    const ReaderMutexLock lock(&mutex_);
    if (state_->cache() != cache) continue;  // something left the log meanwhile
    if (!loading.empty()) {
      FOURFOLD_RETURN_IF_ERROR(loading.FollowUpTo(state_->end()));
      cache->Install(&loading);
    }
    const absl::Status status = ReadLocked(request, table, statistics);
    cache->Trim();
    return status;
  }
}

absl::Status LiveState::ReadLocked(const FeatureRequest& request, FeatureTable* table,
                                   FeatureStatistics* statistics) const {
  return ReadFeatures(*plan_, CappedState::View(state_.get()), request, table, statistics);
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
