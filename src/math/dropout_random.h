#pragma once

#include <cmath>
#include <cstdint>

#include "math/random.h"

namespace fourfold {

// Eight independent streams of xoshiro128++ (Blackman and Vigna, 2019), side by side as a vector
// register holds them. Not for secrets.
struct DropoutRandom {
  static constexpr int kStreams = 8;

  // Another state for each (seed, a, b).
  DropoutRandom(std::uint64_t seed, std::uint64_t a, std::uint64_t b) {
    Random random(seed, a, b);
    for (auto& words : state) {
      for (std::uint32_t& word : words) word = static_cast<std::uint32_t>(random.Next() >> 32) | 1;
    }
  }

  std::uint32_t state[4][kStreams];
};

// The threshold of GradientKernels::draw that drops this share, to the nearest 65536th.
inline std::uint16_t DropoutThreshold(double share) {
  return static_cast<std::uint16_t>(std::lround(share * 65536));
}

// By what kept values are multiplied so that their expectation stays.
constexpr float DropoutScale(std::uint16_t threshold) {
  return 65536.0F / static_cast<float>(65536 - threshold);
}

}  // namespace fourfold
