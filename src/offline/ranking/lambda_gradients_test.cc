#include "offline/ranking/lambda_gradients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace fourfold {
namespace {

using ::testing::Each;
using ::testing::FloatEq;

struct Derivatives {
  std::vector<float> first;
  std::vector<float> second;
};

Derivatives DerivativesOf(const std::vector<float>& margins, const std::vector<float>& labels,
                          const std::vector<std::uint32_t>& ends, const std::vector<float>& weights,
                          int cutoff) {
  Derivatives derivatives{std::vector<float>(margins.size()), std::vector<float>(margins.size())};
  LambdaGradients(margins, labels, ends, weights, cutoff, std::span(derivatives.first),
                  std::span(derivatives.second));
  return derivatives;
}

// The order of one request, best first.
std::vector<std::size_t> OrderOf(const std::vector<float>& margins) {
  std::vector<std::size_t> order(margins.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return margins[a] > margins[b]; });
  return order;
}

double DiscountedGain(const std::vector<float>& labels, const std::vector<std::size_t>& order,
                      std::size_t places) {
  double sum = 0;
  for (std::size_t i = 0; i < std::min(places, order.size()); ++i) {
    sum += (std::exp2(double{labels[order[i]]}) - 1) / std::log2(static_cast<double>(i) + 2);
  }
  return sum;
}

// By its words: every pair is really swapped, and what that does to the whole list's gain measured.
Derivatives Plainly(const std::vector<float>& margins, const std::vector<float>& labels,
                    float weight, std::size_t cutoff) {
  const std::vector<std::size_t> order = OrderOf(margins);
  const double ideal = DiscountedGain(labels, OrderOf(labels), cutoff);
  std::vector<double> first(margins.size());
  std::vector<double> second(margins.size());
  for (std::size_t a = 0; a < order.size(); ++a) {
    for (std::size_t b = 0; b < order.size(); ++b) {
      const std::size_t better = order[a];
      const std::size_t worse = order[b];
      if (labels[better] <= labels[worse] || std::min(a, b) >= cutoff) continue;
      std::vector<std::size_t> swapped = order;
      std::swap(swapped[a], swapped[b]);
      const double change = std::abs(DiscountedGain(labels, swapped, labels.size()) -
                                     DiscountedGain(labels, order, labels.size())) /
                            ideal * double{weight};
      const double chance = 1 / (1 + std::exp(double{margins[better]} - double{margins[worse]}));
      first[better] -= change * chance;
      first[worse] += change * chance;
      second[better] += change * chance * (1 - chance);
      second[worse] += change * chance * (1 - chance);
    }
  }
  return {{first.begin(), first.end()}, {second.begin(), second.end()}};
}

TEST(LambdaGradientsTest, AreThoseOfSwappingEveryPairInRandomLists) {
  std::mt19937_64 random(4);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<float> margins;
    std::vector<float> labels;
    std::vector<std::uint32_t> ends;
    std::vector<float> weights;
    Derivatives expected;
    const int cutoff = static_cast<int>(random() % 12) + 1;
    for (int request = 0; request < 4; ++request) {
      std::vector<float> own_margins;
      std::vector<float> own_labels;
      const std::size_t rows = random() % 20 + 1;
      for (std::size_t row = 0; row < rows; ++row) {
        own_margins.push_back(static_cast<float>(random() % 40) / 10 - 2);  // with equal ones
        own_labels.push_back(static_cast<float>(random() % 3));
      }
      weights.push_back(static_cast<float>(random() % 4) / 2);
      const Derivatives own =
          Plainly(own_margins, own_labels, weights.back(), static_cast<std::size_t>(cutoff));
      margins.insert(margins.end(), own_margins.begin(), own_margins.end());
      labels.insert(labels.end(), own_labels.begin(), own_labels.end());
      expected.first.insert(expected.first.end(), own.first.begin(), own.first.end());
      expected.second.insert(expected.second.end(), own.second.begin(), own.second.end());
      ends.push_back(static_cast<std::uint32_t>(margins.size()));
    }
    const Derivatives actual = DerivativesOf(margins, labels, ends, weights, cutoff);
    for (std::size_t i = 0; i < margins.size(); ++i) {
      ASSERT_NEAR(actual.first[i], expected.first[i], 1e-5);
      ASSERT_NEAR(actual.second[i], expected.second[i], 1e-5);
    }
  }
}

TEST(LambdaGradientsTest, PairsBelowTheCutoffSayNothing) {
  const Derivatives derivatives = DerivativesOf({4, 3, 2, 1}, {1, 0, 0, 1}, {4}, {1}, /*cutoff=*/1);
  // The first one against the two that are worth less; the last two are below with each other.
  EXPECT_LT(derivatives.first[0], 0);
  EXPECT_GT(derivatives.first[1], 0);
  EXPECT_GT(derivatives.first[2], 0);
  EXPECT_EQ(derivatives.first[3], 0);
  EXPECT_GT(derivatives.second[3], 0);  // XGBoost divides by it
}

TEST(LambdaGradientsTest, EqualLabelsSayNothing) {
  for (const float label : {0.0F, 1.0F}) {
    EXPECT_THAT(DerivativesOf({2, 1, 3}, {label, label, label}, {3}, {1}, 2).first,
                Each(FloatEq(0)));
  }
}

}  // namespace
}  // namespace fourfold
