#include "model/transact/ranking_network.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/transact/number_encoding.h"

namespace fourfold {
namespace {

constexpr std::size_t kCandidates = 11;

RankingNetworkShape SmallShape() {
  RankingNetworkShape shape;
  shape.inputs = 16;
  shape.cross_layers = 2;
  shape.hidden = {24, 8};
  shape.heads = 2;
  return shape;
}

std::vector<float> Draw(std::size_t size, std::uint64_t seed, float spread) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> draw(-spread, spread);
  std::vector<float> values(size);
  for (float& value : values) value = draw(random);
  return values;
}

RankingNetworkParameters DrawParameters(const RankingNetworkShape& shape) {
  RankingNetworkParameters parameters = RankingNetworkParameters::Zeros(shape);
  std::uint64_t seed = 1;
  for (auto& [name, values] : TensorsOf(&parameters)) *values = Draw(values->size(), seed++, 0.4f);
  return parameters;
}

// The plain twin: logits of one candidate, in double, without dropout.
std::vector<double> PlainLogits(const RankingNetworkParameters& parameters,
                                const std::vector<double>& input) {
  const auto apply = [](const LinearParameters& linear, const std::vector<double>& x) {
    std::vector<double> y(linear.bias.begin(), linear.bias.end());
    for (std::size_t r = 0; r < y.size(); ++r) {
      for (std::size_t k = 0; k < x.size(); ++k) {
        y[r] += double{linear.weight[r * x.size() + k]} * x[k];
      }
    }
    return y;
  };
  std::vector<double> x = input;
  for (const LinearParameters& layer : parameters.cross) {
    const std::vector<double> factor = apply(layer, x);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += input[i] * factor[i];
  }
  for (const LinearParameters& layer : parameters.hidden) {
    x = apply(layer, x);
    for (double& value : x) value = std::max(value, 0.0);
  }
  return apply(parameters.head, x);
}

TEST(RankingNetworkTest, LogitsAndGradientsAreThoseOfThePlainTwin) {
  const RankingNetworkShape shape = SmallShape();
  RankingNetworkParameters parameters = DrawParameters(shape);
  RankingNetworkTape tape;
  tape.Begin(shape, kCandidates);
  const std::size_t columns = tape.columns();
  std::vector<float> input = Draw(shape.inputs * columns, 20, 1);
  std::copy(input.begin(), input.end(), tape.input());
  const RankingNetwork network;
  network.Forward(parameters, 0, nullptr, &tape);
  const std::vector<float> cotangents = Draw(shape.heads * kCandidates, 21, 1);
  const auto loss = [&] {
    double sum = 0;
    for (std::size_t c = 0; c < kCandidates; ++c) {
      std::vector<double> x;
      for (std::size_t i = 0; i < shape.inputs; ++i) x.push_back(input[i * columns + c]);
      const std::vector<double> logits = PlainLogits(parameters, x);
      for (std::size_t h = 0; h < shape.heads; ++h) {
        sum += logits[h] * double{cotangents[h * kCandidates + c]};
      }
    }
    return sum;
  };
  AlignedFloats by_logits;
  by_logits.Reserve(shape.heads * columns);
  std::fill_n(by_logits.data(), shape.heads * columns, 0.0f);
  double total = 0;
  for (std::size_t h = 0; h < shape.heads; ++h) {
    for (std::size_t c = 0; c < kCandidates; ++c) {
      by_logits.data()[h * columns + c] = cotangents[h * kCandidates + c];
      total += double{tape.logits()[h * columns + c] * cotangents[h * kCandidates + c]};
    }
  }
  EXPECT_NEAR(total, loss(), 1e-3);

  RankingNetworkParameters gradients = RankingNetworkParameters::Zeros(shape);
  const float* const by_input = network.Backward(parameters, by_logits.data(), &tape, &gradients);
  const auto expect_derivative = [&](float* value, float gradient, const std::string& what) {
    const float before = *value;
    // Small, lest a rectified element turns; what float32 makes of it counts.
    const float above = before + 0x1p-14f, below = before - 0x1p-14f;
    *value = above;
    const double up = loss();
    *value = below;
    const double down = loss();
    *value = before;
    EXPECT_NEAR(double{gradient}, (up - down) / (double{above} - double{below}),
                2e-3 * std::max(1.0f, std::fabs(gradient)))
        << what;
  };
  auto tensors = TensorsOf(&parameters);
  const auto by_tensors = TensorsOf(&gradients);
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    for (std::size_t i = 0; i < tensors[t].second->size(); i += 17) {
      expect_derivative(&(*tensors[t].second)[i], (*by_tensors[t].second)[i], tensors[t].first);
    }
  }
  for (std::size_t i = 0; i < input.size(); i += 5) {
    if (i % columns < kCandidates) expect_derivative(&input[i], by_input[i], "input");
  }
}

TEST(RankingNetworkTest, InBfloat16KernelsAgreeWithThePlainOnesAndNearlyWithFloat32) {
  RankingNetworkShape shape;
  shape.inputs = 408;  // past a block of the depth
  shape.hidden = {48, 24};
  shape.heads = 2;
  RankingNetworkParameters parameters = RankingNetworkParameters::Zeros(shape);
  std::uint64_t seed = 30;
  for (auto& [name, values] : TensorsOf(&parameters)) *values = Draw(values->size(), seed++, 0.07f);
  const std::vector<float> input = Draw(shape.inputs * PaddedColumns(kCandidates), seed, 1);
  const auto run = [&](const ColumnKernels& kernels, const GradientKernels& gradient_kernels,
                       Precision precision) {
    const RankingNetwork network(kernels, gradient_kernels, precision);
    RankingNetworkTape tape;
    tape.Begin(shape, kCandidates);
    std::copy(input.begin(), input.end(), tape.input());
    DropoutRandom random(1, 2, 3);
    network.Forward(parameters, 0.1, &random, &tape);
    AlignedFloats by_logits;
    by_logits.Reserve(shape.heads * tape.columns());
    std::copy_n(Draw(shape.heads * tape.columns(), 29, 1).data(), shape.heads * tape.columns(),
                by_logits.data());
    RankingNetworkParameters gradients = RankingNetworkParameters::Zeros(shape);
    const float* const by_input = network.Backward(parameters, by_logits.data(), &tape, &gradients);
    std::vector<std::vector<float>> all = {
        {tape.logits(), tape.logits() + shape.heads * tape.columns()},
        {by_input, by_input + input.size()}};
    for (const auto& [name, values] : TensorsOf(&gradients)) all.push_back(*values);
    return all;
  };
  // |b - a| / |a|.
  const auto difference = [](const std::vector<float>& a, const std::vector<float>& b) {
    double differences = 0, squares = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      differences += std::pow(double{b[i]} - double{a[i]}, 2);
      squares += std::pow(double{a[i]}, 2);
    }
    return std::sqrt(differences / squares);
  };
  const auto exact = run(FastColumnKernels(), FastGradientKernels(), Precision::kFloat32);
  const auto plain = run(PlainColumnKernels(), PlainGradientKernels(), Precision::kBfloat16);
  const KernelSets<ColumnKernels> columns = ColumnKernelSets();
  const KernelSets<GradientKernels> others = GradientKernelSets();
  for (std::size_t set = 1; set < columns.size(); ++set) {
    SCOPED_TRACE(columns[set]->name);
    const auto actual = run(*columns[set], *others[set], Precision::kBfloat16);
    for (std::size_t t = 0; t < actual.size(); ++t) {
      // A sum that another order rounds otherwise may become another bfloat16, by 2^-8 of it.
      EXPECT_LE(difference(plain[t], actual[t]), 2e-3) << "tensor " << t;
      EXPECT_LE(difference(exact[t], actual[t]), 0.03) << "tensor " << t;
    }
    EXPECT_GE(difference(exact[1], actual[1]), 1e-4);
  }
}

TEST(RankingNetworkTest, DropoutKeepsTheMeanAndIsTheSameForTheSameRandom) {
  RankingNetworkShape shape = SmallShape();
  const RankingNetworkParameters parameters = DrawParameters(shape);
  RankingNetworkTape tape;
  const RankingNetwork network;
  const auto run = [&](DropoutRandom* random) {
    tape.Begin(shape, 8);
    const std::vector<float> input = Draw(shape.inputs * 8, 22, 1);
    std::copy(input.begin(), input.end(), tape.input());
    network.Forward(parameters, 0.5, random, &tape);
    return std::vector<float>(tape.logits(), tape.logits() + 8);
  };
  DropoutRandom first(1, 2, 3), again(1, 2, 3), other(1, 2, 4);
  const std::vector<float> whole = run(nullptr), dropped = run(&first);
  EXPECT_NE(whole, dropped);
  EXPECT_EQ(dropped, run(&again));
  EXPECT_NE(dropped, run(&other));
}

TEST(NumberEncodingTest, TellsNullsScaleAndPlaceAmongQuantiles) {
  constexpr float kNull = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> values;
  for (int i = 0; i <= 80; ++i) values.push_back(static_cast<float>(i));
  values.push_back(kNull);
  const NumberEncoding encoding = NumberEncoding::Fit({values, {kNull}, {7, 7, 7}});
  ASSERT_EQ(encoding.numbers(), 3u);
  float out[NumberEncoding::kRows];
  encoding.Encode(0, kNull, out, 1);
  for (std::size_t row = 0; row < NumberEncoding::kRows; ++row)
    EXPECT_EQ(out[row], row == 1 ? 1 : 0);
  // Octiles of 0..80 are 0, 10, ..., 80: 25 lies half way between the third and the fourth.
  encoding.Encode(0, 25, out, 1);
  EXPECT_EQ(out[1], 0);
  EXPECT_THAT(std::vector<float>(out + 2, out + NumberEncoding::kRows),
              testing::ElementsAre(1, 1, 0.5f, 0, 0, 0, 0, 0));
  encoding.Encode(0, 1e30f, out, 1);
  EXPECT_EQ(out[0], 5);
  EXPECT_THAT(std::vector<float>(out + 2, out + NumberEncoding::kRows), testing::Each(1.0f));
  // A number that is always the same, or never there, says nothing but whether it is above.
  encoding.Encode(2, 7, out, 1);
  EXPECT_THAT(std::vector<float>(out, out + NumberEncoding::kRows), testing::Each(0.0f));
  encoding.Encode(1, 3, out, 1);
  for (const float value : out) EXPECT_TRUE(std::isfinite(value));
}

}  // namespace
}  // namespace fourfold
