#include "base/clock.h"

namespace fourfold {

std::int64_t SystemClock::NowMs() const {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  return duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

StartedAtClock::StartedAtClock(std::int64_t start_ms)
    : start_ms_(start_ms), started_(std::chrono::steady_clock::now()) {}

std::int64_t StartedAtClock::NowMs() const {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  return start_ms_ +
         duration_cast<milliseconds>(std::chrono::steady_clock::now() - started_).count();
}

}  // namespace fourfold
