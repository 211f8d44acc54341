#pragma once

#include <cmath>

namespace fourfold {

// The binary logarithm of a positive, finite, normal number with the same bits on every processor,
// as Exp2 (math/exp2.h). Within 3 units in the last place of the larger of the result and 1.
inline double Log2(double x) {
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);  // [0.5, 1)
  if (mantissa < 0.70710678118654752440) {
    mantissa *= 2;
    --exponent;
  }
  // ln m = 2 atanh((m - 1) / (m + 1)), and |y| <= 0.172: y^23 is below 1e-17.
  const double y = (mantissa - 1) / (mantissa + 1);
  double sum = 0;
  for (int n = 21; n >= 1; n -= 2) sum = sum * (y * y) + 1.0 / n;
  return exponent + 2 * y * sum * 1.44269504088896340736;
}

}  // namespace fourfold
