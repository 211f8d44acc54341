#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "model/transact/transact_sequence.h"

// What tests and benchmarks of TransAct share.
namespace fourfold {

// Parameters as training begins with, times `sharpness` for the queries and keys.
inline TransActParameters RandomTransAct(const TransActShape& shape, std::uint64_t seed,
                                         float sharpness = 1) {
  std::mt19937_64 random(seed);
  const auto draw = [&](std::size_t size, float spread) {
    std::uniform_real_distribution<float> uniform(-spread, spread);
    std::vector<float> values(size);
    for (float& value : values) value = uniform(random);
    return values;
  };
  const std::size_t width = shape.width();
  const auto linear = [&](std::size_t outputs, std::size_t inputs) {
    return LinearParameters{draw(outputs * inputs, 0.15f), draw(outputs, 0.1f)};
  };
  const auto norm = [&] {
    NormParameters made{draw(width, 0.3f), draw(width, 0.3f)};
    for (float& gain : made.gain) gain += 1;
    return made;
  };
  TransActParameters parameters;
  parameters.shape = shape;
  parameters.action_table = draw(shape.action_types * shape.action_dimension, 1);
  for (std::size_t l = 0; l < shape.layers; ++l) {
    TransActLayer& layer = parameters.layers.emplace_back();
    layer.in_projection = linear(3 * width, width);
    for (std::size_t i = 0; i < 2 * width * width; ++i) {
      layer.in_projection.weight[i] *= sharpness;
    }
    layer.out_projection = linear(width, width);
    layer.norm1 = norm();
    layer.linear1 = linear(shape.feed_forward, width);
    layer.linear2 = linear(width, shape.feed_forward);
    layer.norm2 = norm();
  }
  if (shape.max_pool) parameters.out_linear = linear(width, width);
  return parameters;
}

// A user with `length` actions a minute apart, the newest a minute before kRequestTimeMs.
struct TransActUser {
  static constexpr std::int64_t kRequestTimeMs = 1'700'000'000'000;

  TransActUser(const TransActShape& shape, std::size_t length, std::uint64_t seed)
      : types(shape.actions), items(shape.actions * shape.item_dimension), times_ms(shape.actions) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal(0, 0.5f);
    for (std::size_t row = 0; row < length; ++row) {
      types[row] = static_cast<std::int32_t>(1 + random() % (shape.action_types - 1));
      times_ms[row] = kRequestTimeMs - 60'000 * static_cast<std::int64_t>(row + 1);
      for (std::size_t d = 0; d < shape.item_dimension; ++d) {
        items[row * shape.item_dimension + d] = normal(random);
      }
    }
  }
  TransActSequence sequence() const { return {types, items, times_ms}; }

  std::vector<std::int32_t> types;
  std::vector<float> items;
  std::vector<std::int64_t> times_ms;
};

inline std::vector<float> RandomCandidates(const TransActShape& shape, std::size_t count,
                                           std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.5f);
  std::vector<float> candidates(count * shape.item_dimension);
  for (float& value : candidates) value = normal(random);
  return candidates;
}

}  // namespace fourfold
