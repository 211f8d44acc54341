#pragma once

#include <map>
#include <span>
#include <string>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "servable/trained_ranker.h"

namespace fourfold {

// Weights of heads in the order of a ranker that somebody set while requests go on, in place of
// those that its servable carries. By name, so that they outlive a servable. Thread-safe.
class ValueModel {
 public:
  using Weights = std::map<std::string, double, std::less<>>;

  void Set(Weights weights) ABSL_LOCKS_EXCLUDED(mutex_);
  Weights Get() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Replaces what is set here in `weights`, which has one of each head of the ranker. All from one
  // Set.
  void Apply(const TrainedRanker& ranker, std::span<double> weights) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable Mutex mutex_;
  Weights weights_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fourfold
