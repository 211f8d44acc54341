#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fourfold {

// Steps of Adam (Kingma and Ba, 2015) with decoupled weight decay (Loshchilov and Hutter, 2019).
struct AdamStep {
  std::uint64_t step = 1;  // the first is 1
  double learning_rate = 1e-3;
  double weight_decay = 0;
  double gradient_scale = 1;  // gradients count times this

  static constexpr double kFirstDecay = 0.9, kSecondDecay = 0.999, kEpsilon = 1e-8;

  // All spans are as long; the moments begin as zeros.
  void Take(std::span<const float> gradients, std::span<float> values, std::span<float> first,
            std::span<float> second) const;
};

// Rises linearly to 1 over the first warm_up steps, then falls to 0 as half a cosine at the last.
double WarmUpAndCosine(std::uint64_t step, std::uint64_t warm_up, std::uint64_t steps);

}  // namespace fourfold
