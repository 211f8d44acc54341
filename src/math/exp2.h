#pragma once

#include <cmath>
#include <cstdint>

namespace fourfold {

// 2^x with the same bits on every processor, which the C library's does not promise: it picks code
// with fused multiply-adds where the processor has them. Within 2 units in the last place. Zero
// below -1022, infinity above 1023.
inline double Exp2(double x) {
  if (x < -1022) return 0;
  if (x > 1023) return HUGE_VAL;
  const double whole = std::floor(x + 0.5);
  const double y = (x - whole) * 0.693147180559945309417;  // |y| <= 0.347: e^y in 13 terms
  double sum = 1;
  for (int n = 13; n >= 1; --n) sum = 1 + y * sum / n;
  return std::ldexp(sum, static_cast<int>(whole));
}

// 2^(-age / half_life), the weight of something this old; 1 without a half-life (0) or for what is
// not in the past.
inline double HalfLifeDecay(std::int64_t age_ms, std::int64_t half_life_ms) {
  if (half_life_ms <= 0 || age_ms <= 0) return 1;
  return Exp2(-(static_cast<double>(age_ms) / static_cast<double>(half_life_ms)));
}

}  // namespace fourfold
