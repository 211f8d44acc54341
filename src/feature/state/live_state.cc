#include "feature/state/live_state.h"

#include "base/status_macros.h"
#include "feature/plan/feature_reader.h"

namespace fourfold {

absl::Status LiveState::Fill(const EventStore& store, bool anew) {
  if (anew) {
    const WriterMutexLock lock(&mutex_);
    state_ = std::make_unique<LoggedState>(&plan_->schema());
    end_ = 0;
  }
  // Steps of a size that readers may wait for.
  constexpr Position kStep = 1024;
  for (;;) {
    const WriterMutexLock lock(&mutex_);
    const Position end = std::min(end_ + kStep, store.EndPosition());
    if (end <= end_) return absl::OkStatus();
    FOURFOLD_RETURN_IF_ERROR(store.ScanLog(end_, end, [&](const LoggedEvent& logged) {
      state_->Add(logged);
      return true;
    }));
    end_ = end;
  }
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
  const ReaderMutexLock lock(&mutex_);
  return ReadFeatures(*plan_, *state_, request, table);
}

std::size_t LiveState::bytes() const {
  const ReaderMutexLock lock(&mutex_);
  return state_->bytes();
}

}  // namespace fourfold
