#pragma once

#include <atomic>
#include <functional>

#include "absl/status/status.h"

namespace fourfold {

// Asked now and then while something is fitted, from any of its threads; once it says so, the fit
// ends soon, with Cancelled. Empty: never.
using CancellationCheck = std::function<bool()>;

inline absl::Status Cancelled() { return absl::CancelledError("the training was called off"); }

// A check that stands by its word: what was given up half done is not used, whatever the check that
// it asks says later. Thread-safe.
class Cancellation {
 public:
  // The check outlives it.
  explicit Cancellation(const CancellationCheck& check) : check_(check) {}
  bool Ask() {
    if (!is_cancelled_ && check_ && check_()) is_cancelled_ = true;
    return is_cancelled_;
  }
  bool is_cancelled() const { return is_cancelled_; }  // as far as was asked

 private:
  const CancellationCheck& check_;
  std::atomic<bool> is_cancelled_{false};
};

}  // namespace fourfold
