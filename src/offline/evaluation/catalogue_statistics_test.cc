#include "offline/evaluation/catalogue_statistics.h"

#include <gtest/gtest.h>

namespace fourfold {
namespace {

using Counts = std::vector<std::uint64_t>;

TEST(CatalogueStatisticsTest, CountsWhatIsShownOverTheWholeCatalogue) {
  const CatalogueStatistics statistics =
      ComputeCatalogueStatistics(Counts{0, 3, 1, 0}, std::vector<float>{9, 10, 2, 1});
  EXPECT_DOUBLE_EQ(statistics.coverage, 0.5);
  EXPECT_DOUBLE_EQ(statistics.mean_popularity, (3 * 10 + 1 * 2) / 4.0);
  // Sum of |x_i - x_j| over all ordered pairs is 20; over 2 * n^2 * mean = 2 * 16 * 1.
  EXPECT_DOUBLE_EQ(statistics.gini, 20.0 / 32);
}

TEST(CatalogueStatisticsTest, GiniIsZeroWhereAllAreShownAlikeAndNearOneWhereOneIs) {
  const std::vector<float> popularity(100, 1);
  EXPECT_DOUBLE_EQ(ComputeCatalogueStatistics(Counts(100, 7), popularity).gini, 0);
  Counts one(100, 0);
  one[42] = 1000;
  EXPECT_DOUBLE_EQ(ComputeCatalogueStatistics(one, popularity).gini, 0.99);
}

TEST(CatalogueStatisticsTest, ImpressionsOutsideTheCatalogueHaveNoPopularityAndCoverNothing) {
  const CatalogueStatistics statistics =
      ComputeCatalogueStatistics(Counts{2, 0}, std::vector<float>{6, 1}, 2);
  EXPECT_DOUBLE_EQ(statistics.coverage, 0.5);
  EXPECT_DOUBLE_EQ(statistics.mean_popularity, 3);
}

TEST(CatalogueStatisticsTest, NothingShownIsAllZero) {
  const CatalogueStatistics statistics =
      ComputeCatalogueStatistics(Counts{0, 0}, std::vector<float>{6, 1});
  EXPECT_EQ(statistics.coverage, 0);
  EXPECT_EQ(statistics.mean_popularity, 0);
  EXPECT_EQ(statistics.gini, 0);
}

}  // namespace
}  // namespace fourfold
