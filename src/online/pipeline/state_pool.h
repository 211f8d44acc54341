#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "online/pipeline/pipeline.h"

namespace fourfold {

// Request states that wait for their next request: as many as there have ever been requests at
// once. Thread-safe.
class StatePool {
 public:
  // One state for the length of a request; back in the pool at the end.
  class Lease {
   public:
    explicit Lease(StatePool* pool) : pool_(pool), state_(pool->Take()) {}
    ~Lease() { pool_->Return(std::move(state_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    RequestState* get() const { return state_.get(); }
    RequestState* operator->() const { return state_.get(); }

   private:
    StatePool* pool_;
    std::unique_ptr<RequestState> state_;
  };

 private:
  std::unique_ptr<RequestState> Take() {
    MutexLock lock(&mutex_);
    if (states_.empty()) return std::make_unique<RequestState>();
    std::unique_ptr<RequestState> state = std::move(states_.back());
    states_.pop_back();
    return state;
  }
  void Return(std::unique_ptr<RequestState> state) {
    MutexLock lock(&mutex_);
    states_.push_back(std::move(state));
  }

  Mutex mutex_;
  std::vector<std::unique_ptr<RequestState>> states_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fourfold
