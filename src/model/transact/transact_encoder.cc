#include "model/transact/transact_encoder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "math/flushed_denormals.h"

namespace fourfold {
namespace {

constexpr std::size_t kBlock = 32;  // candidates whose projections are made together

// Sums of products that fall below this may have lost what counts to underflow: terms below 2^-126
// are gone, so from here on less than 1e-12 of the sum is.
constexpr float kLeastSum = 1e-25f;

std::atomic<std::size_t> exact_heads = 0;

// c += a b for [m, k] times [k, n]; rows of b are b_step apart.
void AddProduct(StridedMatrix a, const float* b, std::size_t b_step, float* c, std::size_t m,
                std::size_t k, std::size_t n) {
  for (std::size_t r = 0; r < m; ++r) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = double{c[r * n + j]};
      for (std::size_t i = 0; i < k; ++i) {
        sum += double{a.data[r * a.row_step + i * a.column_step]} * double{b[i * b_step + j]};
      }
      c[r * n + j] = static_cast<float>(sum);
    }
  }
}

}  // namespace

TransActEncoder::TransActEncoder(TransActParameters parameters, const ColumnKernels& kernels,
                                 Precision precision)
    : shape_(parameters.shape),
      kernels_(kernels),
      multiply_(precision == Precision::kBfloat16 ? kernels.multiply_bfloat16 : kernels.multiply),
      action_table_(std::move(parameters.action_table)),
      out_linear_(std::move(parameters.out_linear)) {
  const std::size_t width = shape_.width();
  // Softmax to the base 2.
  const auto scale =
      static_cast<float>(1.4426950408889634 / std::sqrt(static_cast<double>(shape_.head_width())));
  for (TransActLayer& from : parameters.layers) {
    Layer& layer = layers_.emplace_back();
    layer.in_weight = std::move(from.in_projection.weight);
    layer.in_bias.assign(3 * width, 0);
    for (std::size_t i = 0; i < width * width; ++i) layer.in_weight[i] *= scale;
    for (std::size_t r = 0; r < width; ++r) layer.in_bias[r] = from.in_projection.bias[r] * scale;
    layer.out_weight = std::move(from.out_projection.weight);
    layer.out_bias = std::move(from.out_projection.bias);
    AddProduct({layer.out_weight.data(), width, 1}, from.in_projection.bias.data() + 2 * width, 1,
               layer.out_bias.data(), width, width, 1);
    layer.norm1 = std::move(from.norm1);
    layer.linear1 = std::move(from.linear1);
    layer.linear2 = std::move(from.linear2);
    layer.norm2 = std::move(from.norm2);
    const bool is_first = layers_.size() == 1;
    if (is_first) {
      candidate_out_weight_.assign(width * shape_.item_dimension, 0);
      AddProduct({layer.out_weight.data(), width, 1},
                 layer.in_weight.data() + 2 * width * width + shape_.user_width(), width,
                 candidate_out_weight_.data(), width, width, shape_.item_dimension);
    }
    if (shape_.heads == 1) MergeProjections(is_first, &layer);
  }
}

void TransActEncoder::MergeProjections(bool is_first, Layer* layer) const {
  const std::size_t width = shape_.width(), square = width * width;
  const float* const queries = layer->in_weight.data();
  const StridedMatrix transposed_keys = {queries + square, 1, width};
  std::vector<float> values(square);
  AddProduct({layer->out_weight.data(), width, 1}, queries + 2 * square, width, values.data(),
             width, width, width);
  layer->out_weight.clear();
  if (is_first) {
    std::copy(values.begin(), values.end(), layer->in_weight.data() + 2 * square);
    return;
  }
  std::vector<float> weight(square), bias(2 * width);
  AddProduct(transposed_keys, queries, width, weight.data(), width, width, width);
  AddProduct(transposed_keys, layer->in_bias.data(), 1, bias.data(), width, width, 1);
  weight.insert(weight.end(), values.begin(), values.end());
  layer->in_weight = std::move(weight);
  layer->in_bias = std::move(bias);
}

std::size_t TransActEncoder::exact_heads_for_testing() { return exact_heads.load(); }

void TransActEncoder::Reserve(TransActRequest* request) const {
  const std::size_t width = shape_.width(), columns = request->layout.columns;
  // A short sequence may have fewer tokens than rows are passed on.
  const std::size_t columns_max = std::max(columns, request->out_columns);
  request->user.Reserve(shape_.user_width() * columns);
  for (AlignedFloats* rows :
       {&request->queries, &request->first_keys, &request->values, &request->x}) {
    rows->Reserve(width * columns);
  }
  // There are no more keys than columns; few requests have as many as the one before.
  request->logits.Reserve(shape_.heads * columns * columns);
  request->powers.Reserve(shape_.heads * columns * columns);
  request->candidates.Reserve(shape_.item_dimension * kBlock);
  request->candidate_queries.Reserve(width * kBlock);
  request->candidate_biases.Reserve(width * kBlock);
  request->candidate_logits.Reserve(shape_.heads * kBlock * columns);
  request->pooled.Reserve(width * kBlock);
  request->pooled_out.Reserve(width * kBlock);
  request->projected.Reserve(3 * width * columns);
  request->weights.Reserve(columns);
  request->weighted_values.Reserve(std::max(shape_.head_width() * columns, width));
  request->latest.Reserve(width * request->out_columns);
  request->latest_queries.Reserve(width * request->out_columns);
  for (AlignedFloats* rows : {&request->y, &request->attended}) rows->Reserve(width * columns_max);
  request->inner.Reserve(shape_.feed_forward * columns_max);
  request->attention.Reserve(columns * columns_max);
  request->sums.Reserve(columns_max);
}

void TransActEncoder::Begin(const TransActSequence& sequence, std::span<const std::uint8_t> hidden,
                            TransActRequest* request) const {
  const FlushedDenormals flushed;
  FOURFOLD_CHECK(sequence.types.size() == shape_.actions);
  request->layout.LayOut(sequence, hidden, /*merges_equal=*/true);
  request->out_columns = LatestAlone() ? PaddedColumns(shape_.latest) : request->layout.columns;
  Reserve(request);
  const std::size_t columns = request->layout.columns, width = shape_.width();
  const std::size_t user_width = shape_.user_width();
  float* const user = request->user.data();
  request->layout.FillUser(sequence, shape_, action_table_, user);
  const float* const weight = layers_.front().in_weight.data();
  const auto project = [&](std::size_t part, const AlignedFloats& to) {
    multiply_({weight + part * width * width, width, 1}, user, columns, nullptr, to.data(), columns,
              width, user_width, columns);
  };
  project(0, request->queries);
  project(1, request->first_keys);
  project(2, request->values);

  const std::size_t head_rows = shape_.head_width() * columns;
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const std::size_t at = head * request->layout.keys * columns;
    multiply_({request->first_keys.data() + head * head_rows, 1, columns},
              request->queries.data() + head * head_rows, columns, nullptr,
              request->logits.data() + at, columns, request->layout.keys, shape_.head_width(),
              columns);
    for (std::size_t key = 0; request->layout.has_merged && key < request->layout.keys; ++key) {
      const float addend = request->layout.log_counts[key];
      float* const logits = request->logits.data() + at + key * columns;
      for (std::size_t j = 0; j < columns; ++j) logits[j] += addend;
    }
    kernels_.soften(request->logits.data() + at, nullptr, request->powers.data() + at,
                    request->sums.data(), columns, request->layout.keys, columns);
  }
}

void TransActEncoder::Encode(std::span<const float> candidates, std::span<float> outputs,
                             TransActRequest* request) const {
  const FlushedDenormals flushed;
  const std::size_t count = candidates.size() / shape_.item_dimension;
  FOURFOLD_CHECK(request->layout.keys > 0 && candidates.size() == count * shape_.item_dimension &&
                 outputs.size() == count * shape_.output_width());
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t size = std::min(kBlock, count - begin);
    float* const block = outputs.data() + begin * shape_.output_width();
    ProjectCandidates(
        candidates.subspan(begin * shape_.item_dimension, size * shape_.item_dimension), request);
    for (std::size_t c = 0; c < size; ++c) {
      AttendFirst(c, request);
      for (std::size_t l = 1; l < layers_.size(); ++l) {
        const bool is_last = l + 1 == layers_.size();
        if (is_last && LatestAlone()) {
          AttendLatest(layers_[l], request);
        } else {
          Attend(layers_[l], request);
        }
      }
      Take(c, block + c * shape_.output_width(), request);
    }
    if (shape_.max_pool) Pool(size, block, request);
  }
}

// What the first layer makes of the candidates alone: queries and their products with the user's
// keys, and output biases.
void TransActEncoder::ProjectCandidates(std::span<const float> candidates,
                                        TransActRequest* request) const {
  const std::size_t width = shape_.width(), columns = request->layout.columns;
  const std::size_t dimension = shape_.item_dimension, size = candidates.size() / dimension;
  float* const transposed = request->candidates.data();
  for (std::size_t d = 0; d < dimension; ++d) {
    for (std::size_t c = 0; c < kBlock; ++c) {
      transposed[d * kBlock + c] = c < size ? candidates[c * dimension + d] : 0;
    }
  }
  const Layer& first = layers_.front();
  multiply_({first.in_weight.data() + shape_.user_width(), width, 1}, transposed, kBlock,
            first.in_bias.data(), request->candidate_queries.data(), kBlock, width, dimension,
            kBlock);
  multiply_({candidate_out_weight_.data(), dimension, 1}, transposed, kBlock, first.out_bias.data(),
            request->candidate_biases.data(), kBlock, width, dimension, kBlock);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const std::size_t at = head * shape_.head_width();
    multiply_({request->candidate_queries.data() + at * kBlock, 1, kBlock},
              request->first_keys.data() + at * columns, columns, nullptr,
              request->candidate_logits.data() + head * kBlock * columns, columns, size,
              shape_.head_width(), columns);
  }
}

void TransActEncoder::AttendFirst(std::size_t candidate, TransActRequest* request) const {
  const std::size_t columns = request->layout.columns, keys = request->layout.keys;
  const std::size_t head_width = shape_.head_width();
  float* const sums = request->sums.data();
  float* const weights = request->weights.data();
  float* const factors = request->weighted_values.data();
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const float* const logits =
        request->candidate_logits.data() + (head * kBlock + candidate) * columns;
    const float* const values = request->values.data() + head * head_width * columns;
    float* const attended = request->attended.data() + head * head_width * columns;
    const float* powers = request->powers.data() + head * keys * columns;

    const float largest = *std::max_element(logits, logits + keys);
    kernels_.exp2(logits, largest, weights, columns);
    multiply_({weights, 0, 1}, powers, columns, nullptr, sums, columns, 1, keys, columns);
    const bool is_safe = std::all_of(sums, sums + request->layout.tokens,
                                     [](float sum) { return sum >= kLeastSum; });
    if (!is_safe) {
      exact_heads.fetch_add(1, std::memory_order_relaxed);
      kernels_.soften(request->logits.data() + head * keys * columns, logits,
                      request->attention.data(), sums, columns, keys, columns);
      std::fill(weights, weights + columns, 1.0f);
      powers = request->attention.data();
    }
    kernels_.scale_columns(values, weights, factors, columns, head_width, columns);
    multiply_({factors, columns, 1}, powers, columns, nullptr, attended, columns, head_width, keys,
              columns);
    kernels_.divide_columns(attended, sums, columns, head_width, columns);
  }
  // The layer's own input, for the residual connection, and the candidate's output bias.
  const std::size_t user_elements = shape_.user_width() * columns;
  float* const x = request->x.data();
  std::copy_n(request->user.data(), user_elements, x);
  for (std::size_t d = 0; d < shape_.item_dimension; ++d) {
    std::fill_n(x + user_elements + d * columns, columns,
                request->candidates.data()[d * kBlock + candidate]);
  }
  for (std::size_t r = 0; r < shape_.width(); ++r) {
    factors[r] = request->candidate_biases.data()[r * kBlock + candidate];
  }
  Finish(layers_.front(), factors, x, columns, request);
}

void TransActEncoder::Attend(const Layer& layer, TransActRequest* request) const {
  const std::size_t columns = request->layout.columns, width = shape_.width();
  multiply_({layer.in_weight.data(), width, 1}, request->x.data(), columns, layer.in_bias.data(),
            request->projected.data(), columns, layer.in_bias.size(), width, columns);
  AttendTo(request->projected.data(), columns, request);
  Finish(layer, layer.out_bias.data(), request->x.data(), columns, request);
}

void TransActEncoder::AttendLatest(const Layer& layer, TransActRequest* request) const {
  const std::size_t columns = request->layout.columns, width = shape_.width();
  const std::size_t out_columns = request->out_columns;
  float* const latest = request->latest.data();
  for (std::size_t d = 0; d < width; ++d) {
    const float* const from = request->x.data() + d * columns;
    for (std::size_t c = 0; c < out_columns; ++c) {
      latest[d * out_columns + c] = from[request->layout.token_of_row[c < shape_.latest ? c : 0]];
    }
  }
  multiply_({layer.in_weight.data() + width * width, width, 1}, request->x.data(), columns,
            layer.in_bias.data() + width, request->projected.data() + width * columns, columns,
            layer.in_bias.size() - width, width, columns);
  multiply_({layer.in_weight.data(), width, 1}, latest, out_columns, layer.in_bias.data(),
            request->latest_queries.data(), out_columns, width, width, out_columns);
  AttendTo(request->latest_queries.data(), out_columns, request);
  Finish(layer, layer.out_bias.data(), latest, out_columns, request);
}

void TransActEncoder::AttendTo(const float* queries, std::size_t columns,
                               TransActRequest* request) const {
  const std::size_t keys = request->layout.keys, width = shape_.width();
  const std::size_t key_columns = request->layout.columns, head_width = shape_.head_width();
  float* const attention = request->attention.data();
  float* const sums = request->sums.data();
  const TransActTokens& layout = request->layout;
  const float* const addends = layout.has_merged ? layout.log_counts.data() : nullptr;
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const std::size_t row = head * head_width;
    const float* const key = shape_.heads == 1
                                 ? request->x.data()
                                 : request->projected.data() + (width + row) * key_columns;
    const float* const value = request->projected.data() + (ValueRow() + row) * key_columns;
    float* const attended = request->attended.data() + row * columns;
    multiply_({key, 1, key_columns}, queries + row * columns, columns, nullptr, attention, columns,
              keys, head_width, columns);
    kernels_.soften(attention, addends, attention, sums, columns, keys, columns);
    multiply_({value, key_columns, 1}, attention, columns, nullptr, attended, columns, head_width,
              keys, columns);
    kernels_.divide_columns(attended, sums, columns, head_width, columns);
  }
}

void TransActEncoder::Finish(const Layer& layer, const float* out_bias, float* x,
                             std::size_t columns, TransActRequest* request) const {
  const std::size_t width = shape_.width(), feed_forward = shape_.feed_forward;
  float* const y = request->y.data();
  float* const inner = request->inner.data();
  const float* branch = request->attended.data();
  if (!layer.out_weight.empty()) {
    multiply_({layer.out_weight.data(), width, 1}, branch, columns, nullptr, y, columns, width,
              width, columns);
    branch = y;
  }
  kernels_.add_and_normalise(branch, out_bias, layer.norm1.gain.data(), layer.norm1.shift.data(), x,
                             columns, width, columns);
  multiply_({layer.linear1.weight.data(), width, 1}, x, columns, layer.linear1.bias.data(), inner,
            columns, feed_forward, width, columns);
  kernels_.rectify(inner, columns, feed_forward, columns);
  multiply_({layer.linear2.weight.data(), feed_forward, 1}, inner, columns, nullptr, y, columns,
            width, feed_forward, columns);
  kernels_.add_and_normalise(y, layer.linear2.bias.data(), layer.norm2.gain.data(),
                             layer.norm2.shift.data(), x, columns, width, columns);
}

// The rows that are passed on, and the maxima for Pool.
void TransActEncoder::Take(std::size_t candidate, float* output, TransActRequest* request) const {
  const std::size_t columns = request->out_columns, width = shape_.width();
  const float* const x = LatestAlone() ? request->latest.data() : request->x.data();
  if (shape_.max_pool) {
    float* const maxima = request->y.data();
    kernels_.row_maxima(x, maxima, columns, width, columns);
    for (std::size_t d = 0; d < width; ++d) {
      request->pooled.data()[d * kBlock + candidate] = maxima[d];
    }
    output += width;
  }
  for (std::size_t row = 0; row < shape_.latest; ++row) {
    const float* const token = x + (LatestAlone() ? row : request->layout.token_of_row[row]);
    for (std::size_t d = 0; d < width; ++d) output[row * width + d] = token[d * columns];
  }
}

void TransActEncoder::Pool(std::size_t candidates, float* outputs, TransActRequest* request) const {
  const std::size_t width = shape_.width();
  const float* const pooled = request->pooled_out.data();
  multiply_({out_linear_.weight.data(), width, 1}, request->pooled.data(), kBlock,
            out_linear_.bias.data(), request->pooled_out.data(), kBlock, width, width, kBlock);
  for (std::size_t c = 0; c < candidates; ++c) {
    for (std::size_t d = 0; d < width; ++d) {
      outputs[c * shape_.output_width() + d] = pooled[d * kBlock + c];
    }
  }
}

}  // namespace fourfold
