#include "storage/log_flusher.h"

#include <chrono>
#include <utility>

namespace fourfold::storage {

LogFlusher::LogFlusher(std::function<void()> flush)
    : flush_(std::move(flush)), thread_([this] { Run(); }) {}

LogFlusher::~LogFlusher() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
  }
  changed_.SignalAll();
  thread_.join();
}

void LogFlusher::Touch() {
  if (touched_.exchange(true)) return;
  // Under the lock, so that the thread is either before its look at the flag or waiting.
  const MutexLock lock(&mutex_);
  changed_.Signal();
}

void LogFlusher::Run() {
  for (;;) {
    {
      const MutexLock lock(&mutex_);
      while (!stopping_ && !touched_.load()) changed_.Wait(&mutex_);
      if (stopping_) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kDelayMs));
    touched_.store(false);
    flush_();
  }
}

}  // namespace fourfold::storage
