#include "offline/retrieval/embedding/skip_gram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "math/random.h"
#include "offline/retrieval/embedding/random_walk.h"

namespace fourfold {
namespace {

// Two fields; item 0 has two values of the first, item 2 none of the second.
std::vector<SideField> Fields() {
  return {MakeSideField("tags", {{"a", "b"}, {"b"}, {"c"}, {}}),
          MakeSideField("brand", {{"x"}, {"y"}, {}, {"x"}})};
}

SkipGramModel RandomModel(const std::vector<SideField>& fields, bool learns_weights) {
  SkipGramModel model = MakeSkipGramModel(4, 16, learns_weights, fields, 1);
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 0.5);
  for (auto* values : {&model.input, &model.output, &model.weights}) {
    for (float& value : *values) value = normal(random);
  }
  if (!learns_weights) std::fill(model.weights.begin(), model.weights.end(), 0.0F);
  return model;
}

using Targets = std::vector<std::pair<std::uint32_t, bool>>;

// The loss by the equations of the header, in double precision.
double Loss(const SkipGramModel& model, std::uint32_t center, const Targets& targets) {
  std::vector<double> hidden(model.dimension, 0.0);
  double sum = 0;
  for (std::size_t slot = 0; slot <= model.fields.size(); ++slot) {
    std::vector<std::size_t> rows;
    if (slot == 0) {
      rows = {center};
    } else {
      for (const std::uint32_t value : model.fields[slot - 1].ValuesOf(center)) {
        rows.push_back(model.first_row[slot - 1] + value);
      }
    }
    if (rows.empty()) continue;
    const double weight =
        std::exp(static_cast<double>(model.weights[center * (1 + model.fields.size()) + slot]));
    sum += weight;
    for (const std::size_t row : rows) {
      for (std::size_t i = 0; i < model.dimension; ++i) {
        hidden[i] += weight * static_cast<double>(model.input[row * model.dimension + i]) /
                     static_cast<double>(rows.size());
      }
    }
  }
  double loss = 0;
  for (const auto& [target, is_context] : targets) {
    double score = 0;
    for (std::size_t i = 0; i < model.dimension; ++i) {
      score += hidden[i] / sum * static_cast<double>(model.output[target * model.dimension + i]);
    }
    loss += std::log1p(std::exp(is_context ? -score : score));
  }
  return loss;
}

void Step(SkipGramModel* model, const VectorKernels& kernels, std::uint32_t center,
          const Targets& targets, float learning_rate) {
  SkipGramStep step(model, kernels);
  step.Begin(center);
  for (const auto& [target, is_context] : targets) step.Learn(target, is_context, learning_rate);
  step.Finish();
}

// What a step changes, against the slope of the loss by central differences: every parameter.
void ExpectGradient(bool learns_weights, std::uint32_t center) {
  const std::vector<SideField> fields = Fields();
  const SkipGramModel before = RandomModel(fields, learns_weights);
  const Targets targets = {{1, true}, {3, false}, {2, false}};
  SkipGramModel after = before;
  // So small that the step is the learning rate, within the bounds below.
  constexpr float kRate = 0x1p-13F;
  Step(&after, FastVectorKernels(), center, targets, kRate);
  for (const auto member :
       {&SkipGramModel::input, &SkipGramModel::output, &SkipGramModel::weights}) {
    if (member == &SkipGramModel::weights && !learns_weights) {
      EXPECT_EQ(after.weights, before.weights);
      continue;
    }
    for (std::size_t i = 0; i < (before.*member).size(); ++i) {
      constexpr float kStep = 0.0078125F;  // 2^-7: exact in float
      SkipGramModel up = before, down = before;
      (up.*member)[i] += kStep;
      (down.*member)[i] -= kStep;
      const double slope =
          (Loss(up, center, targets) - Loss(down, center, targets)) /
          (static_cast<double>((up.*member)[i]) - static_cast<double>((down.*member)[i]));
      const double change =
          (static_cast<double>((after.*member)[i]) - static_cast<double>((before.*member)[i])) /
          static_cast<double>(kRate);
      EXPECT_NEAR(change, -slope, 2e-3) << "parameter " << i << " of centre " << center;
    }
  }
}

TEST(SkipGramTest, AStepGoesDownTheGradientOfTheLoss) {
  for (std::uint32_t center = 0; center < 4; ++center) ExpectGradient(true, center);
}

TEST(SkipGramTest, WithEqualWeightsOnlyTheVectorsLearn) {
  for (std::uint32_t center = 0; center < 4; ++center) ExpectGradient(false, center);
}

// With the learning rate alone, this loss would rise and the vectors grow without end.
TEST(SkipGramTest, NoLearningRateGoesBeyondTheBottom) {
  const std::vector<SideField> fields = Fields();
  const Targets targets = {{1, true}};
  for (const float learning_rate : {0.1F, 1.0F, 10.0F}) {
    SkipGramModel model = RandomModel(fields, true);
    for (float& value : model.input) value *= 10;
    for (float& value : model.output) value = -value * 10;
    double loss = Loss(model, 0, targets);
    for (int step = 0; step < 20; ++step) {
      SkipGramModel next = model;
      Step(&next, FastVectorKernels(), 0, targets, learning_rate);
      // What is said of the output rows: those of the input move too, and not by this rule.
      model.output = next.output;
      const double now = Loss(model, 0, targets);
      ASSERT_LE(now, loss + 1e-6) << learning_rate << " " << step;
      loss = now;
    }
  }
}

TEST(SkipGramTest, FastKernelsLearnTheBitsOfThePlainTwin) {
  const std::vector<SideField> fields = Fields();
  const ItemGraph graph =
      MakeItemGraph({{0, 1, 2}, {1, 2, 1}, {2, 0, 1}, {2, 3, 1}, {3, 0, 0.5F}}, 4);
  RetrieverSpec spec;
  spec.walks_per_item = 30;
  SkipGramModel plain = MakeSkipGramModel(4, 40, true, fields, 1), fast = plain;
  const auto report = TrainSkipGram(graph, spec, 1, PlainVectorKernels(), {}, &plain);
  TrainSkipGram(graph, spec, 1, FastVectorKernels(), {}, &fast);
  EXPECT_EQ(plain.input, fast.input);
  EXPECT_EQ(plain.output, fast.output);
  EXPECT_EQ(plain.weights, fast.weights);
  EXPECT_EQ(report.walks, 120u);
  EXPECT_EQ(report.ended_early, 0u);
  EXPECT_GT(report.pairs, 120u * 9);
}

// Walk for walk, centre for centre and draw for draw, as the header tells it.
void TrainPlainly(const ItemGraph& graph, const RetrieverSpec& spec, SkipGramModel* model) {
  std::vector<float> weights = ItemStrengths(graph);
  for (float& weight : weights) weight = std::pow(weight, 0.75F);
  const AliasTable negatives(weights);
  const RandomWalker walker(graph);
  const auto seed = static_cast<std::uint64_t>(spec.seed);
  std::vector<std::uint32_t> starts, walk;
  for (std::uint32_t item = 0; item < graph.items(); ++item) {
    if (!graph.TargetsOf(item).empty()) starts.push_back(item);
  }
  const std::size_t pieces = (starts.size() + 255) / 256;
  std::size_t piece = 0;
  for (int pass = 0; pass < spec.walks_per_item; ++pass) {
    Random order(seed, 2, static_cast<std::uint64_t>(pass));
    for (std::size_t i = starts.size(); i > 1; --i) {
      std::swap(starts[i - 1], starts[order.Below(static_cast<std::uint32_t>(i))]);
    }
    for (std::size_t i = 0; i < starts.size(); ++i) {
      piece += i > 0 && i % 256 == 0;
      const double done = static_cast<double>(piece) / static_cast<double>(pieces) /
                          static_cast<double>(spec.walks_per_item);
      Random random(seed ^ 3, static_cast<std::uint64_t>(pass), starts[i]);
      walker.Walk(starts[i], spec.walk_length, &random, &walk);
      const int length = static_cast<int>(walk.size());
      for (int center = 0; center < length; ++center) {
        const std::uint32_t item = walk[static_cast<std::size_t>(center)];
        Targets targets;
        for (int other = std::max(0, center - spec.context_steps);
             other <= std::min(length - 1, center + spec.context_steps); ++other) {
          const std::uint32_t context = walk[static_cast<std::size_t>(other)];
          if (context == item) continue;
          targets.emplace_back(context, true);
          for (int n = 0; n < spec.negatives; ++n) {
            const std::uint32_t negative = negatives.Draw(&random);
            if (negative != context) targets.emplace_back(negative, false);
          }
        }
        Step(model, PlainVectorKernels(), item, targets,
             static_cast<float>(spec.learning_rate * (1 - done)));
      }
    }
    ++piece;
  }
}

TEST(SkipGramTest, WhatIsFetchedAheadIsLearnedInItsOrder) {
  Random random(4);
  std::vector<WeightedEdge> edges;  // one item in five is a dead end
  for (int edge = 0; edge < 2'000; ++edge) {
    const std::uint32_t from = random.Below(600);
    if (from % 5 != 0) edges.push_back({from, random.Below(600), 0.1F + random.Unit()});
  }
  const ItemGraph graph = MakeItemGraph(std::move(edges), 600);
  RetrieverSpec spec;
  spec.walks_per_item = 2;
  spec.negatives = 3;
  spec.learning_rate = 0.5;
  SkipGramModel plain = MakeSkipGramModel(600, 16, true, {}, 1), fast = plain;
  TrainPlainly(graph, spec, &plain);
  TrainSkipGram(graph, spec, 1, FastVectorKernels(), {}, &fast);
  EXPECT_EQ(plain.input, fast.input);
  EXPECT_EQ(plain.output, fast.output);
}

TEST(SkipGramTest, TheSeedDecides) {
  const ItemGraph graph = MakeItemGraph({{0, 1, 1}, {1, 2, 1}, {2, 0, 1}, {2, 1, 1}}, 3);
  RetrieverSpec spec;
  const auto train = [&](int seed) {
    spec.seed = seed;
    SkipGramModel model = MakeSkipGramModel(3, 8, true, {}, static_cast<std::uint64_t>(seed));
    TrainSkipGram(graph, spec, 1, FastVectorKernels(), {}, &model);
    return model.input;
  };
  EXPECT_EQ(train(1), train(1));
  EXPECT_NE(train(1), train(2));
}

// One walk takes minutes here: it is left in the middle, by every thread.
TEST(SkipGramTest, AWalkIsLeftWhenCalledOff) {
  std::vector<WeightedEdge> edges;
  for (std::uint32_t item = 0; item < 600; ++item) edges.push_back({item, (item + 1) % 600, 1});
  const ItemGraph graph = MakeItemGraph(edges, 600);
  RetrieverSpec spec;
  spec.walk_length = spec.context_steps = spec.negatives = 1000;
  for (const int threads : {1, 2}) {
    std::atomic<int> asked{0};
    SkipGramModel model = MakeSkipGramModel(600, 8, true, {}, 1);
    const auto report = TrainSkipGram(graph, spec, threads, FastVectorKernels(), {}, &model,
                                      [&] { return ++asked > 5; });
    EXPECT_TRUE(report.is_cancelled);
  }
}

TEST(SkipGramTest, BeingAskedChangesNothing) {
  const ItemGraph graph = MakeItemGraph({{0, 1, 1}, {1, 2, 1}, {2, 0, 1}, {2, 1, 1}}, 3);
  SkipGramModel alone = MakeSkipGramModel(3, 8, true, {}, 1), asked = alone;
  TrainSkipGram(graph, RetrieverSpec{}, 1, FastVectorKernels(), {}, &alone);
  const auto report = TrainSkipGram(graph, RetrieverSpec{}, 1, FastVectorKernels(), {}, &asked,
                                    [] { return false; });
  EXPECT_FALSE(report.is_cancelled);
  EXPECT_EQ(alone.input, asked.input);
}

TEST(SkipGramTest, DeadEndsAreCounted) {
  const ItemGraph graph = MakeItemGraph({{0, 1, 1}, {2, 1, 1}}, 4);
  RetrieverSpec spec;
  spec.walks_per_item = 3;
  SkipGramModel model = MakeSkipGramModel(4, 8, true, {}, 1);
  const auto report = TrainSkipGram(graph, spec, 2, FastVectorKernels(), {}, &model);
  EXPECT_EQ(report.dead_ends, 1u);
  EXPECT_EQ(report.walks, 6u);
  EXPECT_EQ(report.ended_early, 6u);
  EXPECT_EQ(report.pairs, 12u);  // each walk is two items
}

}  // namespace
}  // namespace fourfold
