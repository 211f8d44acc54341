#pragma once

#include <cstdint>

// Randomness that is a pure function of a key: what happens to one user does not depend on what
// was drawn for another, so two runs that differ in what they show still draw the same luck for
// everything else. Integers and exactly rounded operations only: the same on every machine (the
// standard library's distributions are not).
namespace fourfold::simulation {

// What a key is derived for, so that no two uses share their numbers.
enum class Purpose : std::uint64_t {
  kWorld = 1,
  kUser,
  kItem,
  kTrend,
  kTurnover,
  kSession,
  kGap,
  kSlate,
  kPolicy,
  kAction,
  kTiming,
  kDelivery,
};

// SplitMix64's finaliser (Steele, Lea and Flood, 2014).
inline std::uint64_t Scramble(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

inline constexpr std::uint64_t kGoldenGamma = 0x9e3779b97f4a7c15;

inline std::uint64_t DeriveKey(std::uint64_t key, Purpose purpose, std::uint64_t number = 0) {
  const std::uint64_t mixed =
      Scramble(key + kGoldenGamma * (static_cast<std::uint64_t>(purpose) + 1));
  return Scramble((mixed ^ number) + kGoldenGamma);
}

// The numbers of one key, in order: SplitMix64 started at the key.
class Draws {
 public:
  explicit Draws(std::uint64_t key) : counter_(key) {}

  std::uint64_t Bits() { return Scramble(counter_ += kGoldenGamma); }
  // [0, 1), 53 bits.
  double Unit() { return static_cast<double>(Bits() >> 11) * 0x1p-53; }
  // 0 .. n - 1, n > 0; even to within n / 2^32.
  std::uint32_t Below(std::uint32_t n) {
    return static_cast<std::uint32_t>(((Bits() >> 32) * n) >> 32);
  }
  bool Chance(double probability) { return Unit() < probability; }
  // Nearly normal, mean 0 and standard deviation 1: four uniform numbers of 16 bits added up, so
  // never beyond 3.47.
  double Normal() {
    const std::uint64_t bits = Bits();
    const auto sum = static_cast<double>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                         (bits >> 32 & 0xffff) + (bits >> 48));
    constexpr double kMean = 2 * 65535.0;
    constexpr double kDeviation = 37837.22723720648;  // sqrt(4 * (65536^2 - 1) / 12)
    return (sum - kMean) / kDeviation;
  }

 private:
  std::uint64_t counter_;
};

}  // namespace fourfold::simulation
