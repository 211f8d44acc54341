#pragma once

#include <cstdint>

namespace fourfold {

// value / by, rounded down; by > 0.
inline std::int64_t FloorDivide(std::int64_t value, std::int64_t by) {
  const std::int64_t quotient = value / by;
  return value % by < 0 ? quotient - 1 : quotient;
}

// The same for many values and one divisor, several times faster where |value| < 2^51.
class FastFloorDivide {
 public:
  explicit FastFloorDivide(std::int64_t by) : by_(by), inverse_(1 / static_cast<double>(by)) {}

  std::int64_t operator()(std::int64_t value) const {
    if (value >= kMagnitudeMax || value <= -kMagnitudeMax) return FloorDivide(value, by_);
    // The product is off by less than 1 / by, so that no whole number lies between it and the
    // quotient: it is the result, or next to it.
    const auto guess = static_cast<std::int64_t>(static_cast<double>(value) * inverse_);
    const std::int64_t left = value - guess * by_;
    return guess - (left < 0 ? 1 : 0) + (left >= by_ ? 1 : 0);
  }

 private:
  static constexpr std::int64_t kMagnitudeMax = std::int64_t{1} << 51;
  std::int64_t by_;
  double inverse_;
};

}  // namespace fourfold
