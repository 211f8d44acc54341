#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

// The engine owns its clock (DESIGN.md, Time, rule 2): nothing else may ask the wall.
namespace fourfold {

// Milliseconds since the Unix epoch, UTC. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t NowMs() const = 0;
};

// The wall.
class SystemClock final : public Clock {
 public:
  std::int64_t NowMs() const override;
};

// Starts at a given time and runs on from there at the wall's pace (`serve --clock-at`).
class StartedAtClock final : public Clock {
 public:
  explicit StartedAtClock(std::int64_t start_ms);
  std::int64_t NowMs() const override;

 private:
  std::int64_t start_ms_;
  std::chrono::steady_clock::time_point started_;
};

// Moves only when told to.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t now_ms) : now_ms_(now_ms) {}
  std::int64_t NowMs() const override { return now_ms_.load(std::memory_order_relaxed); }
  void Set(std::int64_t now_ms) { now_ms_.store(now_ms, std::memory_order_relaxed); }
  void Advance(std::int64_t by_ms) { now_ms_.fetch_add(by_ms, std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> now_ms_;
};

}  // namespace fourfold
