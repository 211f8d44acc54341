#include "online/ranking/value_model.h"

#include <utility>

namespace fourfold {

void ValueModel::Set(Weights weights) {
  const MutexLock lock(&mutex_);
  weights_ = std::move(weights);
}

ValueModel::Weights ValueModel::Get() const {
  const MutexLock lock(&mutex_);
  return weights_;
}

void ValueModel::Apply(const TrainedRanker& ranker, std::span<double> weights) const {
  const MutexLock lock(&mutex_);
  if (weights_.empty()) return;
  for (std::size_t h = 0; h < weights.size(); ++h) {
    const auto set = weights_.find(ranker.head(h));
    if (set != weights_.end()) weights[h] = set->second;
  }
}

}  // namespace fourfold
