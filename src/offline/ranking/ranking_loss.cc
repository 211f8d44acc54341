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

double LabelWeight(std::span<const double> label_weights, std::size_t heads, std::size_t head,
                   std::uint32_t outcome) {
  if (label_weights.empty()) return 1;
  double sum = 0;
  bool is_said = false;
  for (std::size_t a = 0; a < heads; ++a) {
    const double weight = label_weights[head * heads + a];
    if ((outcome >> a & 1u) == 0 || weight < 0) continue;
    sum += weight;
    is_said = true;
  }
  return is_said ? sum : 1;
}

double HeadsLoss(std::size_t heads, std::size_t stride, const float* logits,
                 std::span<const std::uint32_t> outcomes, std::span<const float> weights,
                 std::span<const double> label_weights, float* gradients) {
  double loss = 0;
  for (std::size_t head = 0; head < heads; ++head) {
    for (std::size_t row = 0; row < outcomes.size(); ++row) {
      const float label = (outcomes[row] >> head & 1u) == 0 ? 0 : 1;
      const auto weight = static_cast<float>(
          double{weights[row]} * LabelWeight(label_weights, heads, head, outcomes[row]));
      const std::size_t at = head * stride + row;
      loss += LogisticLoss({logits + at, 1}, {&label, 1}, {&weight, 1}, {gradients + at, 1});
    }
  }
  return loss;
}

}  // namespace fourfold
