#include "math/log2.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"

namespace fourfold {
namespace {

TEST(Log2Test, PowersOfTwoAreExact) {
  for (int n = -1022; n <= 1023; ++n) EXPECT_EQ(Log2(std::ldexp(1.0, n)), n) << n;
}

TEST(Log2Test, AgreesWithTheLibrary) {
  std::mt19937_64 random(302);
  std::uniform_real_distribution<double> exponents(-60, 60);
  for (int i = 0; i < 100'000; ++i) {
    const double x = std::exp2(exponents(random));
    const double wanted = std::log2(x);
    EXPECT_NEAR(Log2(x), wanted, 7e-16 * std::max(1.0, std::abs(wanted))) << x;
  }
}

}  // namespace
}  // namespace fourfold
