#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace fourfold::storage {

// Calls `flush` on a thread of its own a moment (kDelayMs) after Touch, once for all that were made
// meanwhile. For a log whose writers must not wait for the file: while it is being synced, a mere
// write to it can take as long as the sync.
class LogFlusher {
 public:
  static constexpr int kDelayMs = 20;

  explicit LogFlusher(std::function<void()> flush);
  ~LogFlusher();  // without a last call
  LogFlusher(const LogFlusher&) = delete;
  LogFlusher& operator=(const LogFlusher&) = delete;

  void Touch();  // thread-safe, and all but free when it was called just before

 private:
  void Run();

  const std::function<void()> flush_;
  std::atomic<bool> touched_ = false;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace fourfold::storage
