#pragma once

#include <bit>
#include <cstdint>

namespace fourfold {

// What the factors of matrix products are rounded to. Sums are float32 in both.
enum class Precision : std::uint8_t { kFloat32, kBfloat16 };

// bfloat16 is the upper half of float32: 8 bits of mantissa. To nearest, ties to even; what is not
// a number stays one.
inline std::uint16_t ToBfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  return static_cast<std::uint16_t>((value == value ? rounded : bits | 0x400000) >> 16);
}

inline float FromBfloat16(std::uint16_t value) {
  return std::bit_cast<float>(std::uint32_t{value} << 16);
}

inline float RoundToBfloat16(float value) { return FromBfloat16(ToBfloat16(value)); }

}  // namespace fourfold
