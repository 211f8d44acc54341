#pragma once

#include <atomic>
#include <thread>

#include "fourfold/engine.h"

namespace fourfold {

// Removes old history beside serving, where the recipe limits it: whenever it is due by the
// engine's clock. On a thread of its own that leaves the processors to requests. Not at all where
// nothing of the log would be left when it starts.
class Retainer {
 public:
  explicit Retainer(Engine* engine);
  ~Retainer() { Stop(); }
  Retainer(const Retainer&) = delete;
  Retainer& operator=(const Retainer&) = delete;

  // Calls a removal under way off, which the next one goes on with; returns at once.
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // Cancels, and waits for the end of the batch under way, or of the thousand events looked at.
  void Stop();

 private:
  void Run();

  Engine& engine_;
  std::atomic<bool> cancelled_{false};
  std::thread thread_;
};

}  // namespace fourfold
