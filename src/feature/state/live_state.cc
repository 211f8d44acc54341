#include "feature/state/live_state.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "feature/plan/feature_reader.h"

namespace fourfold {

namespace {

// Adds the log's events from *end up to `until`.
absl::Status AddUpTo(const EventStore& store, Position until, LoggedState* state, Position* end) {
  FOURFOLD_RETURN_IF_ERROR(store.ScanLog(*end, until, [&](const LoggedEvent& logged) {
    state->Add(logged);
    return true;
  }));
  *end = until;
  return absl::OkStatus();
}

}  // namespace

absl::Status LiveState::Fill(const EventStore& store) {
  // Steps of a size that readers may wait for.
  constexpr Position kStep = 1024;
  for (;;) {
    const WriterMutexLock lock(&mutex_);
    const Position until = std::min(end_ + kStep, store.EndPosition());
    if (until <= end_) return absl::OkStatus();
    FOURFOLD_RETURN_IF_ERROR(AddUpTo(store, until, state_.get(), &end_));
  }
}

absl::Status LiveState::FillAnew(const EventStore& store) {
  auto fresh = std::make_unique<LoggedState>(&plan_->schema());
  Position end = 0;
  FOURFOLD_RETURN_IF_ERROR(AddUpTo(store, store.EndPosition(), fresh.get(), &end));
  const WriterMutexLock lock(&mutex_);
  // What was committed meanwhile; later commits wait for the lock.
  FOURFOLD_RETURN_IF_ERROR(AddUpTo(store, std::max(end, store.EndPosition()), fresh.get(), &end));
  state_ = std::move(fresh);
  end_ = end;
  return absl::OkStatus();
}

void LiveState::Follow(absl::Span<const LoggedEvent> committed) {
  const WriterMutexLock lock(&mutex_);
  for (const LoggedEvent& logged : committed) {
    if (logged.position > end_) return;  // Fill comes to it
    if (logged.position < end_) continue;
    state_->Add(logged);
    ++end_;
  }
}

absl::Status LiveState::Read(const FeatureRequest& request, FeatureTable* table) const {
  FeatureStatistics* const statistics = statistics_.Sample() ? &statistics_ : nullptr;
  const ReaderMutexLock lock(&mutex_);
  return ReadFeatures(*plan_, *state_, request, table, statistics);
}

absl::StatusOr<std::vector<FeatureHealth>> LiveState::StatisticsOf(
    const std::deque<FeatureRequest>& requests) const {
  FeatureStatistics statistics(*plan_);
  FeatureTable table;
  for (const FeatureRequest& request : requests) {
    const ReaderMutexLock lock(&mutex_);
    FOURFOLD_RETURN_IF_ERROR(ReadFeatures(*plan_, *state_, request, &table, &statistics));
  }
  return statistics.Read();
}

Position LiveState::end() const {
  const ReaderMutexLock lock(&mutex_);
  return end_;
}

std::size_t LiveState::bytes() const {
  const ReaderMutexLock lock(&mutex_);
  return state_->bytes();
}

}  // namespace fourfold
