#pragma once

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"

namespace fourfold {

// Whose turn it is to rely on the log's past: one training or evaluation, which takes the whole
// machine and reads events one by one that must stay meanwhile, or one removal of old history,
// which gives way to those. Thread-safe.
class LearningTurns {
 public:
  // For one that learns; waits for a removal under way to stop. FailedPrecondition while another
  // learns, Cancelled once `is_cancelled` (asked while it waits; may be empty).
  absl::Status TakeToLearn(const std::function<bool()>& is_cancelled) ABSL_LOCKS_EXCLUDED(mutex_);
  // For a removal. FailedPrecondition while somebody has the turn or waits for it.
  absl::Status TakeToRemove() ABSL_LOCKS_EXCLUDED(mutex_);
  // Of a removal that has the turn: it should stop, as somebody waits to learn.
  bool IsWanted() const ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveBack() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class Turn { kFree, kLearning, kRemoving };
  mutable Mutex mutex_;
  Turn turn_ ABSL_GUARDED_BY(mutex_) = Turn::kFree;
  bool is_wanted_ ABSL_GUARDED_BY(mutex_) = false;
};

// Gives back a turn that was taken.
class TurnHolder {
 public:
  explicit TurnHolder(LearningTurns* turns) : turns_(*turns) {}
  ~TurnHolder() { turns_.GiveBack(); }
  TurnHolder(const TurnHolder&) = delete;
  TurnHolder& operator=(const TurnHolder&) = delete;

 private:
  LearningTurns& turns_;
};

}  // namespace fourfold
