#include "math/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace fourfold {
namespace {

Interval MeanOf(const std::vector<double>& values, const BootstrapOptions& options = {}) {
  return BootstrapMeans(values, 1, {}, options).front();
}

TEST(BootstrapTest, IntervalOfHalfHitsIsThatOfTheBinomial) {
  std::vector<double> values(400, 0);
  for (std::size_t i = 0; i < 200; ++i) values[i] = 1;
  const Interval interval = MeanOf(values, {.resamples = 20000});
  // The standard error is sqrt(.5 * .5 / 400) = .025; 1.96 of it either side.
  EXPECT_DOUBLE_EQ(interval.mean, 0.5);
  EXPECT_NEAR(interval.low, 0.5 - 0.049, 0.003);
  EXPECT_NEAR(interval.high, 0.5 + 0.049, 0.003);
}

TEST(BootstrapTest, IntervalOfEvenlySpreadValuesIsThatOfTheNormalLimit) {
  std::vector<double> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  // The variance of 0 .. n - 1 is (n^2 - 1) / 12; the 5 % and 95 % points lie 1.645 errors away.
  const double error = std::sqrt((1e6 - 1) / 12 / 1000);
  const Interval interval = MeanOf(values, {.resamples = 20000, .confidence = 0.9});
  EXPECT_NEAR(interval.low, 499.5 - 1.645 * error, 0.06 * error);
  EXPECT_NEAR(interval.high, 499.5 + 1.645 * error, 0.06 * error);
}

TEST(BootstrapTest, NinetyFivePercentIntervalsHoldTheTruthThatOften) {
  std::mt19937 random(5);
  std::exponential_distribution<double> waiting(1);  // mean 1
  int held = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<double> values(100);
    for (double& value : values) value = waiting(random);
    const Interval interval =
        MeanOf(values, {.resamples = 400, .seed = static_cast<std::uint64_t>(round) * 1000});
    held += interval.low <= 1 && 1 <= interval.high;
  }
  EXPECT_GE(held, 400 * 0.90);
  EXPECT_LE(held, 400 * 0.98);
}

TEST(BootstrapTest, TwoRowsHaveThreeResampledMeans) {
  // Means 0, .5 and 1 have probabilities 1/4, 1/2 and 1/4.
  const Interval wide = MeanOf({0, 1}, {.confidence = 0.95});
  EXPECT_EQ(wide, (Interval{0.5, 0, 1}));
  const Interval narrow = MeanOf({0, 1}, {.confidence = 0.4});
  EXPECT_EQ(narrow, (Interval{0.5, 0.5, 0.5}));
}

TEST(BootstrapTest, QuantilesAreInterpolatedLinearly) {
  // With two resamples of one column the 5 % and 95 % points lie 1/20 inside the two means.
  const std::vector<double> values = {0, 1, 2, 3, 4, 5, 6, 7};
  const Interval all = MeanOf(values, {.resamples = 2, .confidence = 1});
  const Interval inner = MeanOf(values, {.resamples = 2, .confidence = 0.9});
  ASSERT_LT(all.low, all.high);
  EXPECT_NEAR(inner.low, all.low + 0.05 * (all.high - all.low), 1e-12);
  EXPECT_NEAR(inner.high, all.high - 0.05 * (all.high - all.low), 1e-12);
}

TEST(BootstrapTest, SameResultOnAnyNumberOfThreads) {
  std::mt19937 random(9);
  std::vector<double> values(3 * 501);
  for (double& value : values) value = static_cast<double>(random() % 1000) / 999;
  const auto one = BootstrapMeans(values, 3, {}, {.threads = 1});
  EXPECT_EQ(one, BootstrapMeans(values, 3, {}, {.threads = 2}));
  EXPECT_EQ(one, BootstrapMeans(values, 3, {}, {.threads = 7}));
  EXPECT_NE(one, BootstrapMeans(values, 3, {}, {.seed = 2000}));
}

TEST(BootstrapTest, ColumnsShareTheirDraws) {
  std::mt19937 random(2);
  std::vector<double> values;
  for (int row = 0; row < 300; ++row) {
    const auto value = static_cast<double>(random() % 8);
    values.insert(values.end(), {value, 2 * value, 4 - value});
  }
  const auto intervals = BootstrapMeans(values, 3, {}, {});
  EXPECT_NEAR(intervals[1].low, 2 * intervals[0].low, 1e-12);
  EXPECT_NEAR(intervals[1].high, 2 * intervals[0].high, 1e-12);
  EXPECT_NEAR(intervals[2].low, 4 - intervals[0].high, 1e-12);
  EXPECT_NEAR(intervals[2].high, 4 - intervals[0].low, 1e-12);
}

TEST(BootstrapTest, PairedDifferenceIsAsNarrowAsTheDifferenceIsSteady) {
  std::mt19937 random(4);
  std::vector<double> a, b;
  for (int query = 0; query < 500; ++query) {
    b.push_back(static_cast<double>(random() % 100));
    a.push_back(b.back() + 0.25);
  }
  const Interval difference = PairedDifferences(a, b, 1, {}, {}).front();
  EXPECT_DOUBLE_EQ(difference.low, 0.25);
  EXPECT_DOUBLE_EQ(difference.high, 0.25);
  EXPECT_GT(MeanOf(a).high - MeanOf(a).low, 4);
}

TEST(BootstrapTest, RepeatingAQueryOfAUserAddsNoCertainty) {
  std::mt19937 random(6);
  std::vector<double> once, thrice;
  std::vector<std::uint32_t> users;
  for (std::uint32_t user = 0; user < 200; ++user) {
    once.push_back(static_cast<double>(random() % 2));
    for (int i = 0; i < 3; ++i) {
      thrice.push_back(once.back());
      users.push_back(user);
    }
  }
  const Interval by_user = BootstrapMeans(thrice, 1, users, {}).front();
  const Interval single = MeanOf(once);
  EXPECT_NEAR(by_user.low, single.low, 1e-12);
  EXPECT_NEAR(by_user.high, single.high, 1e-12);
  EXPECT_LT(MeanOf(thrice).high - MeanOf(thrice).low, 0.7 * (single.high - single.low));
}

TEST(BootstrapTest, MeanIsOverQueriesWhereUsersHaveDifferentlyMany) {
  // User 0 has one query worth 1, user 1 three worth 0: resamples hold 0, 1 or 2 times user 0, so
  // the means are 0, 1/4 and 1.
  const std::vector<double> values = {1, 0, 0, 0};
  const std::vector<std::uint32_t> users = {0, 1, 1, 1};
  EXPECT_EQ(BootstrapMeans(values, 1, users, {}).front(), (Interval{0.25, 0, 1}));
  EXPECT_EQ(BootstrapMeans(values, 1, users, {.confidence = 0.2}).front(),
            (Interval{0.25, 0.25, 0.25}));
}

TEST(BootstrapTest, NoRowsAndOneRowHaveNoWidth) {
  EXPECT_EQ(MeanOf({}), Interval{});
  EXPECT_EQ(MeanOf({0.75}), (Interval{0.75, 0.75, 0.75}));
}

// Of one column the function is the mean, of two it may be their quotient.
TEST(BootstrapTest, AFunctionOfTheMeansIsResampledWithThem) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  std::vector<double> values;
  for (int i = 0; i < 3000; ++i) {
    values.push_back(1 + normal(random));
    values.push_back(4 + normal(random));
  }
  const std::vector<Interval> means = BootstrapMeans(values, 2, {}, {});
  EXPECT_EQ(BootstrapOfMeans(values, 2, {}, [](auto m) { return m[1]; }, {}), means[1]);
  const Interval share = BootstrapOfMeans(values, 2, {}, [](auto m) { return m[0] / m[1]; }, {});
  EXPECT_NEAR(share.mean, 0.25, 0.02);
  // By the delta method: sqrt(1 + 1 / 16) / 4 / sqrt(3000) is the standard error.
  EXPECT_NEAR(share.high - share.low, 2 * 1.96 * 0.0047, 0.0015);
  EXPECT_EQ(BootstrapOfMeans({}, 2, {}, [](auto m) { return m[0]; }, {}), Interval{});
}

TEST(BootstrapTest, AnyStatisticOfClustersHasTheDrawsOfTheMeans) {
  const std::vector<double> values = {1, 2, 4, 8, 16, 3};
  BootstrapOptions options;
  options.resamples = 200;
  const auto mean = [&](std::span<const std::uint32_t> counts, std::span<double> columns) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += counts[i] * values[i];
    columns[0] = sum / static_cast<double>(values.size());
    columns[1] = counts[0] == 0 ? 1 / 0.0 : 7;  // not finite in some resamples
  };
  const std::vector<Interval> of_clusters = BootstrapOfClusters(values.size(), 2, mean, options);
  const std::vector<Interval> means = BootstrapMeans(values, 1, {}, options);
  EXPECT_DOUBLE_EQ(of_clusters[0].mean, means[0].mean);
  EXPECT_DOUBLE_EQ(of_clusters[0].low, means[0].low);
  EXPECT_DOUBLE_EQ(of_clusters[0].high, means[0].high);
  EXPECT_EQ(of_clusters[1], (Interval{7, 7, 7}));
}

}  // namespace
}  // namespace fourfold
