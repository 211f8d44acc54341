#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fourfold {

// Losses of candidates' logits and their gradients by them. Sums, not means; a row weighs
// `weights`.

// -weight (y log p + (1 - y) log(1 - p)) with p = 1 / (1 + e^-logit), y from 0 to 1.
double LogisticLoss(std::span<const float> logits, std::span<const float> labels,
                    std::span<const float> weights, std::span<float> gradients);

// Of one request: cross entropy of softmax(logits) and weight * label divided by their sum, times
// the mean weight. 0 where no label is above 0.
double ListwiseLoss(std::span<const float> logits, std::span<const float> labels,
                    std::span<const float> weights, std::span<float> gradients);

}  // namespace fourfold
