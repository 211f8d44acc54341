#include "model/transact/transact_plain.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fourfold {
namespace {

// One row a token.
using Matrix = std::vector<std::vector<float>>;

constexpr float kNormEpsilon = 1e-5f;

std::vector<float> Apply(const LinearParameters& linear, std::span<const float> x) {
  std::vector<float> y(linear.bias);
  for (std::size_t r = 0; r < y.size(); ++r) {
    for (std::size_t k = 0; k < x.size(); ++k) y[r] += linear.weight[r * x.size() + k] * x[k];
  }
  return y;
}

void AddAndNormalise(const NormParameters& norm, std::span<const float> added,
                     std::vector<float>* x) {
  float mean = 0, variance = 0;
  const auto width = static_cast<float>(x->size());
  for (std::size_t d = 0; d < x->size(); ++d) mean += ((*x)[d] += added[d]) / width;
  for (const float value : *x) variance += (value - mean) * (value - mean) / width;
  for (std::size_t d = 0; d < x->size(); ++d) {
    (*x)[d] = ((*x)[d] - mean) / std::sqrt(variance + kNormEpsilon) * norm.gain[d] + norm.shift[d];
  }
}

// softmax(q k' / sqrt(head_width)) over the tokens that are not hidden.
std::vector<float> Attention(std::span<const float> query, const Matrix& projected,
                             std::size_t key_at, std::span<const std::uint8_t> hidden) {
  std::vector<float> weights(projected.size(), -std::numeric_limits<float>::infinity());
  for (std::size_t j = 0; j < projected.size(); ++j) {
    if (hidden[j]) continue;
    float dot = 0;
    for (std::size_t d = 0; d < query.size(); ++d) dot += query[d] * projected[j][key_at + d];
    weights[j] = dot / std::sqrt(static_cast<float>(query.size()));
  }
  const float largest = *std::max_element(weights.begin(), weights.end());
  float sum = 0;
  for (float& weight : weights) sum += weight = std::exp(weight - largest);
  for (float& weight : weights) weight /= sum;
  return weights;
}

void RunLayer(const TransActLayer& layer, const TransActShape& shape,
              std::span<const std::uint8_t> hidden, Matrix* tokens) {
  const std::size_t width = shape.width(), head_width = shape.head_width();
  Matrix projected;
  for (const auto& token : *tokens) projected.push_back(Apply(layer.in_projection, token));
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    std::vector<float> attended(width);
    for (std::size_t head = 0; head < shape.heads; ++head) {
      const std::size_t at = head * head_width;
      const std::vector<float> weights =
          Attention({projected[i].data() + at, head_width}, projected, width + at, hidden);
      for (std::size_t j = 0; j < weights.size(); ++j) {
        for (std::size_t d = at; d < at + head_width; ++d) {
          attended[d] += weights[j] * projected[j][2 * width + d];
        }
      }
    }
    std::vector<float>& token = (*tokens)[i];
    AddAndNormalise(layer.norm1, Apply(layer.out_projection, attended), &token);
    std::vector<float> inner = Apply(layer.linear1, token);
    for (float& value : inner) value = value < 0 ? 0 : value;
    AddAndNormalise(layer.norm2, Apply(layer.linear2, inner), &token);
  }
}

}  // namespace

std::vector<float> EncodePlainly(const TransActParameters& parameters,
                                 const TransActSequence& sequence,
                                 std::span<const std::uint8_t> hidden,
                                 std::span<const float> candidate) {
  const TransActShape& shape = parameters.shape;
  Matrix tokens;
  for (std::size_t row = 0; row < shape.actions; ++row) {
    const auto type = static_cast<std::size_t>(sequence.types[row]);
    const auto action = parameters.action_table.begin() +
                        static_cast<std::ptrdiff_t>(type * shape.action_dimension);
    const auto item = sequence.items.subspan(row * shape.item_dimension, shape.item_dimension);
    auto& token =
        tokens.emplace_back(action, action + static_cast<std::ptrdiff_t>(shape.action_dimension));
    token.insert(token.end(), item.begin(), item.end());
    token.insert(token.end(), candidate.begin(), candidate.end());
  }
  for (const TransActLayer& layer : parameters.layers) RunLayer(layer, shape, hidden, &tokens);

  std::vector<float> output;
  if (shape.max_pool) {
    std::vector<float> pooled = tokens[0];
    for (const auto& token : tokens) {
      for (std::size_t d = 0; d < pooled.size(); ++d) pooled[d] = std::max(pooled[d], token[d]);
    }
    output = Apply(parameters.out_linear, pooled);
  }
  for (std::size_t row = 0; row < shape.latest; ++row) {
    output.insert(output.end(), tokens[row].begin(), tokens[row].end());
  }
  return output;
}

}  // namespace fourfold
