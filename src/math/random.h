#pragma once

#include <cstdint>

namespace fourfold {

// SplitMix64 (Steele, Lea and Flood, 2014): small, quick, the same numbers everywhere. Not for
// secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  // A stream of its own for each (seed, a, b).
  Random(std::uint64_t seed, std::uint64_t a, std::uint64_t b) : state_(seed) {
    state_ = Next() ^ a;
    state_ = Next() ^ b;
    Next();
  }

  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // Uniform on 0 .. bound - 1; bound is above 0. The bias is below bound / 2^32.
  std::uint32_t Below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(((Next() >> 32) * bound) >> 32);
  }
  // Uniform on [0, 1).
  float Unit() { return static_cast<float>(Next() >> 40) * 0x1p-24F; }

 private:
  std::uint64_t state_;
};

}  // namespace fourfold
