#include "offline/ranking/ranking_loss.h"

#include <algorithm>
#include <cmath>

namespace fourfold {

double LogisticLoss(std::span<const float> logits, std::span<const float> labels,
                    std::span<const float> weights, std::span<float> gradients) {
  double loss = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double logit = logits[i], label = labels[i], weight = weights[i];
    // log(1 + e^logit) without overflow.
    const double soft = std::max(logit, 0.0) + std::log1p(std::exp(-std::fabs(logit)));
    loss += weight * (soft - label * logit);
    gradients[i] = static_cast<float>(weight * (1 / (1 + std::exp(-logit)) - label));
  }
  return loss;
}

double ListwiseLoss(std::span<const float> logits, std::span<const float> labels,
                    std::span<const float> weights, std::span<float> gradients) {
  double targets = 0, weight_sum = 0, powers = 0, loss = 0;
  double largest = -HUGE_VAL;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    targets += std::max(0.0, double{labels[i]} * double{weights[i]});
    weight_sum += double{weights[i]};
    largest = std::max(largest, double{logits[i]});
  }
  if (targets <= 0) {
    std::fill(gradients.begin(), gradients.end(), 0.0F);
    return 0;
  }
  const double weight = weight_sum / static_cast<double>(logits.size());
  for (const float logit : logits) powers += std::exp(double{logit} - largest);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double off = double{logits[i]} - largest;
    const double target = std::max(0.0, double{labels[i]} * double{weights[i]}) / targets;
    loss -= weight * target * (off - std::log(powers));
    gradients[i] = static_cast<float>(weight * (std::exp(off) / powers - target));
  }
  return loss;
}

}  // namespace fourfold
