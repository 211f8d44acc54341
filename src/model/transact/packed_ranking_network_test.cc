#include "model/transact/packed_ranking_network.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace fourfold {
namespace {

// Weights that keep the size of what passes through them.
RankingNetworkParameters DrawParameters(const RankingNetworkShape& shape, std::mt19937_64* random) {
  RankingNetworkParameters parameters = RankingNetworkParameters::Zeros(shape);
  for (auto& [name, values] : TensorsOf(&parameters)) {
    const float spread = name.ends_with("weight") && name.starts_with("cross")
                             ? 1 / std::sqrt(static_cast<float>(shape.inputs))
                             : 0.3F;
    std::uniform_real_distribution<float> draw(-spread, spread);
    for (float& value : *values) value = draw(*random);
  }
  return parameters;
}

TEST(PackedRankingNetworkTest, AgreesWithTheNetworkThatIsTrainedOverShapesAndCounts) {
  std::mt19937_64 random(601);
  RankingStrips strips;  // one for all: nothing of an earlier request shows
  RankingNetworkTape tape;
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    RankingNetworkShape shape;
    shape.inputs = 8 * (1 + random() % 60);
    shape.cross_layers = random() % 5;
    shape.hidden.resize(random() % 4);
    for (std::size_t& width : shape.hidden) width = 8 * (1 + random() % 12);
    shape.heads = 1 + random() % 6;
    ASSERT_TRUE(shape.Check().ok());
    const RankingNetworkParameters parameters = DrawParameters(shape, &random);
    const std::size_t candidates = 1 + random() % 90, shared = random() % shape.inputs;
    tape.Begin(shape, candidates);
    strips.Begin(shape, candidates);
    std::uniform_real_distribution<float> draw(-1, 1);
    for (std::size_t i = 0; i < shape.inputs; ++i) {
      float value = draw(random);
      for (std::size_t c = 0; c < tape.columns(); ++c) {
        if (i >= shared) value = draw(random);
        tape.input()[i * tape.columns() + c] = value;
        if (c < candidates) strips.input(c)[i * kStripColumns] = value;
      }
    }
    RankingNetwork().Forward(parameters, 0, nullptr, &tape);
    for (const StripKernels* kernels : StripKernelSets()) {
      PackedRankingNetwork(parameters, shared, *kernels).Forward(&strips);
      for (std::size_t h = 0; h < shape.heads; ++h) {
        for (std::size_t c = 0; c < candidates; ++c) {
          const float expected = tape.logits()[h * tape.columns() + c];
          ASSERT_NEAR(strips.logit(h, c), expected, 2e-5F * std::max(1.0F, std::fabs(expected)))
              << kernels->name << ", head " << h << ", candidate " << c;
        }
      }
    }
  }
}

TEST(PackedRankingNetworkTest, InBfloat16ItAgreesWithThePlainKernelsAndNearlyWithFloat32) {
  std::mt19937_64 random(603);
  RankingStrips strips;
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    RankingNetworkShape shape;
    shape.inputs = 8 * (1 + random() % 60);
    shape.cross_layers = random() % 4;
    shape.heads = 1 + random() % 6;
    const RankingNetworkParameters parameters = DrawParameters(shape, &random);
    const std::size_t candidates = 1 + random() % 90, shared = random() % shape.inputs;
    strips.Begin(shape, candidates);
    std::uniform_real_distribution<float> draw(-1, 1);
    for (std::size_t i = 0; i < shape.inputs; ++i) {
      const float of_all = draw(random);
      for (std::size_t c = 0; c < candidates; ++c) {
        strips.input(c)[i * kStripColumns] = i < shared ? of_all : draw(random);
      }
    }
    const auto logits = [&](const StripKernels& kernels, Precision precision) {
      PackedRankingNetwork(parameters, shared, kernels, precision).Forward(&strips);
      std::vector<float> all;
      for (std::size_t h = 0; h < shape.heads; ++h) {
        for (std::size_t c = 0; c < candidates; ++c) all.push_back(strips.logit(h, c));
      }
      return all;
    };
    const std::vector<float> exact = logits(PlainStripKernels(), Precision::kFloat32);
    const std::vector<float> plain = logits(PlainStripKernels(), Precision::kBfloat16);
    for (const StripKernels* kernels : StripKernelSets()) {
      const std::vector<float> actual = logits(*kernels, Precision::kBfloat16);
      double off = 0, squares = 0;
      for (std::size_t i = 0; i < exact.size(); ++i) {
        const float size = std::max(1.0F, std::fabs(exact[i]));
        ASSERT_NEAR(actual[i], plain[i], 0.01F * size) << kernels->name;
        off += std::pow(actual[i] - exact[i], 2);
        squares += std::pow(exact[i], 2);
      }
      EXPECT_LT(std::sqrt(off / squares), 0.03) << kernels->name;
    }
  }
}

TEST(PackedRankingNetworkTest, ACandidateHasTheSameLogitsAmongAnyOthers) {
  std::mt19937_64 random(602);
  RankingNetworkShape shape;
  shape.inputs = 320;
  shape.heads = 2;
  const RankingNetworkParameters parameters = DrawParameters(shape, &random);
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    const PackedRankingNetwork network(parameters, 0, FastStripKernels(), precision);
    RankingStrips together, alone;
    constexpr std::size_t kCandidates = 50;
    together.Begin(shape, kCandidates);
    std::uniform_real_distribution<float> draw(-1, 1);
    for (std::size_t c = 0; c < kCandidates; ++c) {
      for (std::size_t i = 0; i < shape.inputs; ++i) {
        together.input(c)[i * kStripColumns] = draw(random);
      }
    }
    network.Forward(&together);
    for (const std::size_t c : {0, 23, 24, 49}) {
      alone.Begin(shape, 1);
      for (std::size_t i = 0; i < shape.inputs; ++i) {
        alone.input(0)[i * kStripColumns] = together.input(c)[i * kStripColumns];
      }
      network.Forward(&alone);
      for (std::size_t h = 0; h < shape.heads; ++h) {
        EXPECT_EQ(alone.logit(h, 0), together.logit(h, c)) << c;
      }
    }
  }
}

}  // namespace
}  // namespace fourfold
