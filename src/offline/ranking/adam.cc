#include "offline/ranking/adam.h"

#include <algorithm>
#include <cmath>

namespace fourfold {

void AdamStep::Take(std::span<const float> gradients, std::span<float> values,
                    std::span<float> first, std::span<float> second) const {
  const auto steps = static_cast<double>(step);
  const auto rate = static_cast<float>(learning_rate / (1 - std::pow(kFirstDecay, steps)));
  const auto correction = static_cast<float>(1 / (1 - std::pow(kSecondDecay, steps)));
  const auto scale = static_cast<float>(gradient_scale);
  const auto kept = static_cast<float>(1 - learning_rate * weight_decay);
  constexpr auto kFirst = static_cast<float>(kFirstDecay);
  constexpr auto kSecond = static_cast<float>(kSecondDecay);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float gradient = gradients[i] * scale;
    first[i] = kFirst * first[i] + (1 - kFirst) * gradient;
    second[i] = kSecond * second[i] + (1 - kSecond) * gradient * gradient;
    values[i] =
        kept * values[i] -
        rate * first[i] / (std::sqrt(second[i] * correction) + static_cast<float>(kEpsilon));
  }
}

double WarmUpAndCosine(std::uint64_t step, std::uint64_t warm_up, std::uint64_t steps) {
  if (step < warm_up) return static_cast<double>(step) / static_cast<double>(warm_up);
  const double done =
      static_cast<double>(step - warm_up) /
      static_cast<double>(std::max<std::uint64_t>(1, steps - std::min(steps, warm_up)));
  return 0.5 * (1 + std::cos(3.14159265358979323846 * std::min(1.0, done)));
}

}  // namespace fourfold
