#include "server/retainer.h"

#include <chrono>

#include "server/background.h"

namespace fourfold {
namespace {

constexpr std::chrono::milliseconds kStep(50);
constexpr int kStepsBetweenLooks = 100;

}  // namespace

Retainer::Retainer(Engine* engine) : engine_(*engine) {
  const EngineStatus status = engine_.Status();
  // Where the clock is so far past the log that nothing of it would be left, the first slate that
  // is logged would make it look young.
  const bool is_log_old = status.last_event_time_ms < status.now_ms - status.retain_ms;
  if (status.retain_ms > 0 && !is_log_old) thread_ = std::thread([this] { Run(); });
}

void Retainer::Stop() {
  Cancel();
  if (thread_.joinable()) thread_.join();
}

void Retainer::Run() {
  YieldToRequests();
  for (int step = 0; !cancelled_.load(std::memory_order_relaxed); ++step) {
    if (step % kStepsBetweenLooks == 0 && engine_.IsRetentionDue()) {
      // What fails is tried again: the horizon and the warnings of the engine's status tell of it.
      (void)engine_.Retain(
          {.is_cancelled = [this] { return cancelled_.load(std::memory_order_relaxed); }});
    }
    std::this_thread::sleep_for(kStep);
  }
}

}  // namespace fourfold
