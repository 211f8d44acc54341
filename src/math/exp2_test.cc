#include "math/exp2.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"

namespace fourfold {
namespace {

TEST(Exp2Test, WholeNumbersAreExact) {
  for (int n = -1022; n <= 1023; ++n) EXPECT_EQ(Exp2(n), std::ldexp(1.0, n)) << n;
}

TEST(Exp2Test, AgreesWithTheLibrary) {
  std::mt19937_64 random(301);
  std::uniform_real_distribution<double> exponents(-40, 40);
  for (int i = 0; i < 100'000; ++i) {
    const double x = exponents(random);
    EXPECT_NEAR(Exp2(x) / std::exp2(x), 1, 5e-16) << x;
  }
}

TEST(Exp2Test, FarExponentsUnderAndOverflow) {
  EXPECT_EQ(Exp2(-5000), 0);
  EXPECT_TRUE(std::isinf(Exp2(5000)));
}

TEST(Exp2Test, HalfLifeHalves) {
  EXPECT_EQ(HalfLifeDecay(1000, 1000), 0.5);
  EXPECT_EQ(HalfLifeDecay(3000, 1000), 0.125);
  EXPECT_EQ(HalfLifeDecay(0, 1000), 1);
  EXPECT_EQ(HalfLifeDecay(-5, 1000), 1);
  EXPECT_EQ(HalfLifeDecay(1000, 0), 1);
}

}  // namespace
}  // namespace fourfold
