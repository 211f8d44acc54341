#include "simulation/draws.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "simulation/alias_table.h"
#include "simulation/sigmoid.h"

namespace fourfold::simulation {
namespace {

// The first outputs of SplitMix64 for this seed as published with other implementations
// (rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64).
TEST(DrawsTest, AreSplitMix64) {
  Draws draws(1234567);
  for (const std::uint64_t wanted :
       {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u}) {
    EXPECT_EQ(draws.Bits(), wanted);
  }
}

TEST(DrawsTest, KeysOfDifferentUseOrNumberDiffer) {
  std::set<std::uint64_t> keys;
  for (std::uint64_t key = 0; key < 10; ++key) {
    for (int purpose = 1; purpose <= static_cast<int>(Purpose::kDelivery); ++purpose) {
      for (std::uint64_t number = 0; number < 100; ++number) {
        keys.insert(DeriveKey(key, static_cast<Purpose>(purpose), number));
      }
    }
  }
  EXPECT_EQ(keys.size(), 10u * 12 * 100);
}

TEST(DrawsTest, MomentsAreThoseStated) {
  constexpr int kCount = 200'000;
  Draws draws(7);
  double unit = 0, normal = 0, squares = 0, largest = 0;
  std::vector<int> below(7);
  for (int i = 0; i < kCount; ++i) {
    unit += draws.Unit();
    const double z = draws.Normal();
    normal += z;
    squares += z * z;
    largest = std::max(largest, std::abs(z));
    ++below[draws.Below(7)];
  }
  EXPECT_NEAR(unit / kCount, 0.5, 4 * 0.289 / std::sqrt(kCount));
  EXPECT_NEAR(normal / kCount, 0, 4 / std::sqrt(kCount));
  EXPECT_NEAR(squares / kCount, 1, 4 * 1.2 / std::sqrt(kCount));
  EXPECT_LT(largest, 3.47);
  for (const int count : below) EXPECT_NEAR(count, kCount / 7.0, 4 * std::sqrt(kCount * 6 / 49.0));
}

TEST(AliasTableTest, DrawsInProportion) {
  const std::vector<double> weights = {5, 0, 1, 0.25, 3, 0.75};
  const AliasTable table(weights);
  Draws draws(11);
  constexpr int kCount = 200'000;
  std::vector<int> drawn(weights.size());
  for (int i = 0; i < kCount; ++i) ++drawn[table.Draw(&draws)];
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double share = weights[i] / 10;
    EXPECT_NEAR(drawn[i], kCount * share, 4 * std::sqrt(kCount * share * (1 - share))) << i;
  }
}

TEST(AliasTableTest, OneWeightIsAlwaysDrawn) {
  const AliasTable table(std::vector<double>{0.1});
  Draws draws(3);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(table.Draw(&draws), 0u);
}

TEST(SigmoidTest, IsWithinItsErrorOfTheCurve) {
  const Sigmoid sigmoid;
  for (double x = -20; x <= 20; x += 0.0037) {
    EXPECT_NEAR(sigmoid(x), 1 / (1 + std::exp(-x)), 3e-6) << x;
  }
  EXPECT_EQ(sigmoid(0), 0.5);
  EXPECT_EQ(sigmoid(-1e9), sigmoid(-16));
  EXPECT_EQ(sigmoid(1e9), sigmoid(16));
}

}  // namespace
}  // namespace fourfold::simulation
