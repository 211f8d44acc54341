#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>

#include "base/clock.h"

namespace fourfold {

// The clock of one engine: the wall, or from StartAt on a time that runs on from there, whatever
// happens to the wall. Thread-safe.
class EngineClock final : public Clock {
 public:
  std::int64_t NowMs() const override {
    const std::int64_t ahead_ms = ahead_of_steady_ms_.load(std::memory_order_relaxed);
    return ahead_ms == kFollowsWall ? wall_.NowMs() : SteadyMs() + ahead_ms;
  }
  void StartAt(std::int64_t start_ms) {
    ahead_of_steady_ms_.store(start_ms - SteadyMs(), std::memory_order_relaxed);
  }

 private:
  static constexpr std::int64_t kFollowsWall = std::numeric_limits<std::int64_t>::min();
  static std::int64_t SteadyMs() {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    return duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  SystemClock wall_;
  std::atomic<std::int64_t> ahead_of_steady_ms_ = kFollowsWall;
};

}  // namespace fourfold
