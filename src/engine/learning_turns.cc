#include "engine/learning_turns.h"

#include <chrono>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::chrono::milliseconds kStep(5);

absl::Status Busy() {
  return FailedPrecondition("this engine is training or evaluating already; try again later");
}

}  // namespace

absl::Status LearningTurns::TakeToLearn(const std::function<bool()>& is_cancelled) {
  bool waits = false;  // in the name of this call
  // Also where the caller's code throws.
  const absl::Cleanup no_longer = [&] {
    if (!waits) return;
    const MutexLock lock(&mutex_);
    is_wanted_ = false;
  };
  for (;; std::this_thread::sleep_for(kStep)) {
    // Not under the lock: it is the caller's code.
    const bool is_over = is_cancelled && is_cancelled();
    const MutexLock lock(&mutex_);
    if (is_over) return absl::CancelledError("the training was called off");
    if (turn_ == Turn::kLearning || (is_wanted_ && !waits)) return Busy();
    if (turn_ == Turn::kFree) {
      turn_ = Turn::kLearning;
      return absl::OkStatus();
    }
    is_wanted_ = waits = true;
  }
}

absl::Status LearningTurns::TakeToRemove() {
  const MutexLock lock(&mutex_);
  if (turn_ == Turn::kRemoving) {
    return FailedPrecondition("this engine is removing old history already");
  }
  if (turn_ != Turn::kFree || is_wanted_) return Busy();
  turn_ = Turn::kRemoving;
  return absl::OkStatus();
}

bool LearningTurns::IsWanted() const {
  const MutexLock lock(&mutex_);
  return is_wanted_;
}

void LearningTurns::GiveBack() {
  const MutexLock lock(&mutex_);
  turn_ = Turn::kFree;
}

}  // namespace fourfold
