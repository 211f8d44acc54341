#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "fourfold/engine.h"

namespace fourfold {

// The training that was asked for last.
struct TrainingView {
  enum class State : std::uint8_t { kNone, kRunning, kPublished, kActive, kFailed, kCancelled };
  State state = State::kNone;  // kNone: none was asked for yet
  std::string stage;           // kRunning: what it does, and how much of that is done
  double done = 0;
  std::int64_t started_at_ms = 0, ended_at_ms = 0;  // by the engine's clock; 0: not ended
  std::string servable;                             // once there is one
  std::string problem;             // kFailed: why; with a servable, it is not activated
  std::vector<std::string> notes;  // of TrainRequest
};

// Trains beside serving, on a thread of its own that leaves the processors to requests where both
// want them. Thread-safe.
class Trainer {
 public:
  explicit Trainer(Engine* engine) : engine_(*engine) {}
  ~Trainer() { Stop(); }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Begins a training as the recipe says, and activates its servable if `activate`. Returns at
  // once. FailedPrecondition while one runs, Unavailable once stopping.
  absl::Status Start(bool activate) ABSL_LOCKS_EXCLUDED(mutex_);
  TrainingView View() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls a running training off, and refuses others; returns at once.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // Cancels, and waits for the end of the step under way.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr std::size_t kNotesMax = 100;

  void Run(bool activate) ABSL_LOCKS_EXCLUDED(mutex_);

  Engine& engine_;
  std::atomic<bool> cancelled_{false};
  mutable Mutex mutex_;
  TrainingView view_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fourfold
