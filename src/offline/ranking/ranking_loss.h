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

// An entry of label weights that says nothing.
inline constexpr double kNoLabelWeight = -1;

// What a row weighs for a head by what came of it (bit a of `outcome`: a head's action): the sum of
// label_weights[head, a] over all that came of it and have an entry, 1 where there is none (after
// Xia et al., "TransAct", 2023). [heads x heads], or empty: 1.
double LabelWeight(std::span<const double> label_weights, std::size_t heads, std::size_t head,
                   std::uint32_t outcome);

// The sum over heads of LogisticLoss, the label of head h being bit h of a row's outcome and its
// weight weights[row] * LabelWeight. Logits and gradients are [heads][stride], of whose columns the
// first outcomes.size() count; the rest of the gradients stays.
double HeadsLoss(std::size_t heads, std::size_t stride, const float* logits,
                 std::span<const std::uint32_t> outcomes, std::span<const float> weights,
                 std::span<const double> label_weights, float* gradients);

}  // namespace fourfold
