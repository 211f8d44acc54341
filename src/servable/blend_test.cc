#include "servable/blend.h"

#include <gtest/gtest.h>

namespace fourfold {
namespace {

BlendSpec Spec(BlendSpec::Method method) {
  BlendSpec spec;
  spec.method = method;
  spec.rank_constant = 60;
  return spec;
}

TEST(BlendTest, ReciprocalRankLooksAtTheRankAlone) {
  const BlendSpec spec = Spec(BlendSpec::Method::kReciprocalRank);
  EXPECT_DOUBLE_EQ(BlendContribution(spec, 2, 1, 0.1, 5), 2.0 / 61);
  EXPECT_DOUBLE_EQ(BlendContribution(spec, 2, 40, 0, 0), 0.02);
}

TEST(BlendTest, NormalisedScoresAreSharesOfTheLargest) {
  const BlendSpec spec = Spec(BlendSpec::Method::kNormalisedScores);
  EXPECT_DOUBLE_EQ(BlendContribution(spec, 0.5, 3, 2, 8), 0.125);
  EXPECT_EQ(BlendContribution(spec, 0.5, 3, -2, 8), 0);
  EXPECT_EQ(BlendContribution(spec, 0.5, 1, 0, 0), 0);
  EXPECT_EQ(BlendContribution(spec, 0.5, 1, -1, -1), 0);
}

TEST(BlendTest, HeadsOfListsOfEqualWeightAreExactlyEqual) {
  const BlendSpec spec = Spec(BlendSpec::Method::kNormalisedScores);
  for (const double largest : {0.1, 0.3, 7.0 / 11, 12345.678, 1e-300}) {
    EXPECT_EQ(BlendContribution(spec, 0.7, 1, largest, largest), 0.7);
  }
}

TEST(BlendTest, WholeListIsTheSumOfItsParts) {
  const double scores[] = {8, 4, 4, -1};
  double contributions[4];
  BlendContributions(Spec(BlendSpec::Method::kNormalisedScores), 3, scores, contributions);
  EXPECT_EQ(std::vector<double>(contributions, contributions + 4),
            (std::vector<double>{3, 1.5, 1.5, 0}));
  BlendContributions(Spec(BlendSpec::Method::kReciprocalRank), 3, scores, contributions);
  for (int i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(contributions[i], 3.0 / (61 + i));
  BlendContributions(Spec(BlendSpec::Method::kReciprocalRank), 3, {}, {});
}

}  // namespace
}  // namespace fourfold
