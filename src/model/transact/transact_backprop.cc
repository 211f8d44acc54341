#include "model/transact/transact_backprop.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "math/flushed_denormals.h"

// Forwards. transact_backprop_backward.cc has the way back.
namespace fourfold {
namespace {

std::size_t RoundUp(std::size_t size, std::size_t to) { return (size + to - 1) / to * to; }

// Floats and bits of dropout that a candidate leaves in one layer.
struct SavedSizes {
  SavedSizes(const TransActShape& shape, const TransActTokens& layout)
      : row_floats(shape.width() * layout.columns),
        probabilities(shape.heads * layout.keys * layout.columns),
        inner(shape.feed_forward * layout.columns),
        scales(layout.columns),
        // The widest part first; bits are drawn 32 at a time.
        probability_bytes(RoundUp(probabilities / 8, 4)),
        inner_bytes(RoundUp(inner / 8, 4)),
        row_bytes(RoundUp(row_floats / 8, 4)) {}
  std::size_t floats() const { return 6 * row_floats + probabilities + inner + 2 * scales; }
  std::size_t bytes() const { return probability_bytes + 2 * row_bytes; }

  std::size_t row_floats, probabilities, inner, scales;
  std::size_t probability_bytes, inner_bytes, row_bytes;
};

}  // namespace

TransActBackprop::TransActBackprop(const TransActShape& shape, const ColumnKernels& kernels,
                                   const GradientKernels& gradient_kernels, Precision precision)
    : shape_(shape),
      kernels_(kernels),
      gradient_kernels_(gradient_kernels),
      products_(kernels, gradient_kernels, precision),
      query_scale_(static_cast<float>(1.4426950408889634 /
                                      std::sqrt(static_cast<double>(shape.head_width())))) {
  FOURFOLD_CHECK(CheckShape(shape).ok());
}

absl::Status TransActBackprop::CheckShape(const TransActShape& shape) {
  FOURFOLD_RETURN_IF_ERROR(shape.Check());
  if (shape.action_dimension % 8 != 0 || shape.item_dimension % 8 != 0 ||
      shape.feed_forward % 8 != 0) {
    return InvalidArgument("to be trained, dimensions must be multiples of 8");
  }
  return absl::OkStatus();
}

TransActTape::Saved TransActBackprop::SavedOf(const TransActTape& tape, std::size_t candidate,
                                              std::size_t layer) const {
  const SavedSizes sizes(shape_, tape.layout);
  const std::size_t place = candidate * shape_.layers + layer;
  float* at = tape.saved.data() + place * sizes.floats();
  const auto take = [&](std::size_t floats) {
    float* const taken = at;
    at += floats;
    return taken;
  };
  Saved saved;
  saved.projected = take(3 * sizes.row_floats);
  saved.attended = take(sizes.row_floats);
  saved.normalised1 = take(sizes.row_floats);
  saved.normalised2 = take(sizes.row_floats);
  saved.probabilities = take(sizes.probabilities);
  saved.inner = take(sizes.inner);
  saved.scales1 = take(sizes.scales);
  saved.scales2 = take(sizes.scales);
  if (tape.threshold > 0) {
    saved.kept_probabilities = const_cast<std::uint8_t*>(tape.bits.data()) + place * sizes.bytes();
    saved.kept1 = saved.kept_probabilities + sizes.probability_bytes;
    saved.kept2 = saved.kept1 + sizes.row_bytes;
  }
  return saved;
}

void TransActBackprop::Reserve(std::size_t candidates, TransActTape* tape) {
  const std::size_t columns = tape->layout.columns, keys = tape->layout.keys;
  const std::size_t width = shape_.width();
  const SavedSizes sizes(shape_, tape->layout);
  tape->candidates = candidates;
  tape->candidate_columns = PaddedColumns(candidates);
  tape->user.Reserve(shape_.user_width() * columns);
  for (AlignedFloats* rows : {&tape->queries, &tape->first_keys, &tape->values}) {
    rows->Reserve(width * columns);
  }
  tape->logits.Reserve(shape_.heads * keys * columns);
  tape->items.Reserve(shape_.item_dimension * tape->candidate_columns);
  tape->item_rows.Reserve(shape_.item_dimension * tape->candidate_columns);
  tape->item_queries.Reserve(width * tape->candidate_columns);
  tape->item_values.Reserve(width * tape->candidate_columns);
  tape->item_logits.Reserve(shape_.heads * candidates * columns);
  tape->pooled_rows.Reserve(width * tape->candidate_columns);
  tape->pooled_tokens.resize(candidates * width);
  tape->saved.Reserve(candidates * shape_.layers * sizes.floats());
  if (tape->threshold > 0) {
    tape->bits.resize(candidates * shape_.layers * sizes.bytes());
    inner_bits_.resize(sizes.inner_bytes);
  }
  for (AlignedFloats* rows :
       {&x_, &y_, &mixed_values_, &gradient_, &branch_gradient_, &attended_gradient_,
        &user_query_gradient_, &user_key_gradient_, &user_value_gradient_}) {
    rows->Reserve(width * columns);
  }
  dropped_.Reserve(keys * columns);
  sums_.Reserve(columns);
  inner_gradient_.Reserve(shape_.feed_forward * columns);
  projected_gradient_.Reserve(3 * width * columns);
  logit_gradient_.Reserve(keys * columns);
  const std::size_t widest = std::max({width, shape_.feed_forward, PaddedColumns(keys)});
  transposed_.Reserve(std::max(columns, tape->candidate_columns) * widest);
  user_gradient_.Reserve(shape_.user_width() * columns);
  user_logit_gradient_.Reserve(shape_.heads * keys * columns);
  for (AlignedFloats* rows : {&item_query_gradient_, &item_value_gradient_, &pooled_gradient_}) {
    rows->Reserve(width * tape->candidate_columns);
  }
  item_gradient_.Reserve(shape_.item_dimension * tape->candidate_columns);
  logit_row_sums_.resize(keys);
}

void TransActBackprop::Forward(const TransActParameters& parameters,
                               const TransActSequence& sequence,
                               std::span<const std::uint8_t> hidden,
                               std::span<const float> candidates, const TransActDropout& dropout,
                               TransActTape* tape, std::span<float> outputs) {
  const FlushedDenormals flushed;
  const std::size_t count = candidates.size() / shape_.item_dimension;
  FOURFOLD_CHECK(sequence.types.size() == shape_.actions && count > 0 &&
                 outputs.size() == count * shape_.output_width());
  tape->threshold = DropoutThreshold(dropout.share);
  tape->layout.LayOut(sequence, hidden, /*merges_equal=*/false);
  Reserve(count, tape);
  tape->layout.FillUser(sequence, shape_, parameters.action_table, tape->user.data());
  const TransActLayer& first = parameters.layers.front();
  ProjectUser(first, tape);
  ProjectCandidates(first, candidates, tape);
  for (std::size_t c = 0; c < count; ++c) {
    DropoutRandom random(dropout.seed, dropout.step, c);
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      const Saved saved = SavedOf(*tape, c, l);
      if (tape->threshold > 0) DrawBits(*tape, &random, saved);
      if (l == 0) {
        AttendFirst(c, *tape, saved);
      } else {
        Attend(parameters.layers[l], *tape, saved);
      }
      Finish(parameters.layers[l], *tape, saved);
    }
    Take(c, tape, outputs.data() + c * shape_.output_width());
  }
  if (shape_.max_pool) Pool(parameters, tape, outputs);
}

// The user's part of the first layer's projections, and of its logits.
void TransActBackprop::ProjectUser(const TransActLayer& first, TransActTape* tape) {
  const std::size_t columns = tape->layout.columns, keys = tape->layout.keys;
  const std::size_t width = shape_.width(), head_rows = shape_.head_width() * columns;
  const float* const weight = first.in_projection.weight.data();
  const auto project = [&](std::size_t part, const AlignedFloats& to) {
    products_.Multiply({weight + part * width * width, width, 1}, tape->user.data(), columns,
                       nullptr, to.data(), columns, width, shape_.user_width(), columns);
  };
  project(0, tape->queries);
  project(1, tape->first_keys);
  project(2, tape->values);
  gradient_kernels_.keep(tape->queries.data(), nullptr, query_scale_, tape->queries.data(),
                         width * columns);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    products_.Multiply({tape->first_keys.data() + head * head_rows, 1, columns},
                       tape->queries.data() + head * head_rows, columns, nullptr,
                       tape->logits.data() + head * keys * columns, columns, keys,
                       shape_.head_width(), columns);
  }
}

// The candidates' part of queries and values, with the biases, and what it adds to the logits.
void TransActBackprop::ProjectCandidates(const TransActLayer& first,
                                         std::span<const float> candidates, TransActTape* tape) {
  const std::size_t width = shape_.width(), dimension = shape_.item_dimension;
  const std::size_t stride = tape->candidate_columns, columns = tape->layout.columns;
  std::copy(candidates.begin(), candidates.end(), tape->item_rows.data());
  std::fill(tape->item_rows.data() + candidates.size(), tape->item_rows.data() + stride * dimension,
            0.0F);
  gradient_kernels_.transpose(tape->item_rows.data(), dimension, tape->items.data(), stride, stride,
                              dimension);
  const float* const weight = first.in_projection.weight.data() + shape_.user_width();
  const float* const bias = first.in_projection.bias.data();
  products_.Multiply({weight, width, 1}, tape->items.data(), stride, bias,
                     tape->item_queries.data(), stride, width, dimension, stride);
  gradient_kernels_.keep(tape->item_queries.data(), nullptr, query_scale_,
                         tape->item_queries.data(), width * stride);
  products_.Multiply({weight + 2 * width * width, width, 1}, tape->items.data(), stride,
                     bias + 2 * width, tape->item_values.data(), stride, width, dimension, stride);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const std::size_t row = head * shape_.head_width();
    products_.Multiply({tape->item_queries.data() + row * stride, 1, stride},
                       tape->first_keys.data() + row * columns, columns, nullptr,
                       tape->item_logits.data() + head * tape->candidates * columns, columns,
                       tape->candidates, shape_.head_width(), columns);
  }
}

void TransActBackprop::DrawBits(const TransActTape& tape, DropoutRandom* random,
                                const Saved& saved) {
  const SavedSizes sizes(shape_, tape.layout);
  const auto draw = [&](std::uint8_t* kept, std::size_t bytes) {
    gradient_kernels_.draw(random, tape.threshold, kept, bytes);
  };
  draw(saved.kept_probabilities, sizes.probability_bytes);
  draw(saved.kept1, sizes.row_bytes);
  draw(inner_bits_.data(), sizes.inner_bytes);
  draw(saved.kept2, sizes.row_bytes);
}

const float* TransActBackprop::FirstValues(std::size_t candidate, const TransActTape& tape) {
  const std::size_t columns = tape.layout.columns;
  float* const values = mixed_values_.data();
  for (std::size_t r = 0; r < shape_.width(); ++r) {
    const float own = tape.item_values.data()[r * tape.candidate_columns + candidate];
    const float* const users = tape.values.data() + r * columns;
    for (std::size_t j = 0; j < columns; ++j) values[r * columns + j] = users[j] + own;
  }
  return values;
}

void TransActBackprop::AttendFirst(std::size_t candidate, const TransActTape& tape,
                                   const Saved& saved) {
  const std::size_t columns = tape.layout.columns, keys = tape.layout.keys;
  const std::size_t stride = tape.candidate_columns;
  const float* const values = FirstValues(candidate, tape);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    Mix(head, tape.logits.data() + head * keys * columns,
        tape.item_logits.data() + (head * tape.candidates + candidate) * columns,
        values + head * shape_.head_width() * columns, tape, saved);
  }
  // The layer's own input, for the residual connection.
  const std::size_t user_elements = shape_.user_width() * columns;
  std::copy_n(tape.user.data(), user_elements, x_.data());
  for (std::size_t d = 0; d < shape_.item_dimension; ++d) {
    std::fill_n(x_.data() + user_elements + d * columns, columns,
                tape.items.data()[d * stride + candidate]);
  }
}

void TransActBackprop::Attend(const TransActLayer& layer, const TransActTape& tape,
                              const Saved& saved) {
  const std::size_t columns = tape.layout.columns, keys = tape.layout.keys;
  const std::size_t width = shape_.width(), head_width = shape_.head_width();
  float* const projected = saved.projected;
  products_.Multiply({layer.in_projection.weight.data(), width, 1}, x_.data(), columns,
                     layer.in_projection.bias.data(), projected, columns, 3 * width, width,
                     columns);
  gradient_kernels_.keep(projected, nullptr, query_scale_, projected, width * columns);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const float* const queries = projected + head * head_width * columns;
    float* const probabilities = saved.probabilities + head * keys * columns;
    products_.Multiply({queries + width * columns, 1, columns}, queries, columns, nullptr,
                       probabilities, columns, keys, head_width, columns);
    Mix(head, probabilities, nullptr, queries + 2 * width * columns, tape, saved);
  }
}

void TransActBackprop::Mix(std::size_t head, const float* logits, const float* addends,
                           const float* values, const TransActTape& tape, const Saved& saved) {
  const std::size_t columns = tape.layout.columns, keys = tape.layout.keys;
  float* const probabilities = saved.probabilities + head * keys * columns;
  kernels_.soften(logits, addends, probabilities, sums_.data(), columns, keys, columns);
  kernels_.divide_columns(probabilities, sums_.data(), columns, keys, columns);
  const float* mixed = probabilities;
  if (tape.threshold > 0) {
    gradient_kernels_.keep(probabilities, saved.kept_probabilities + head * keys * columns / 8,
                           DropoutScale(tape.threshold), dropped_.data(), keys * columns);
    mixed = dropped_.data();
  }
  products_.Multiply({values, columns, 1}, mixed, columns, nullptr,
                     saved.attended + head * shape_.head_width() * columns, columns,
                     shape_.head_width(), keys, columns);
}

void TransActBackprop::Finish(const TransActLayer& layer, const TransActTape& tape,
                              const Saved& saved) {
  const std::size_t columns = tape.layout.columns;
  const std::size_t width = shape_.width(), feed_forward = shape_.feed_forward;
  const float scale = DropoutScale(tape.threshold);
  products_.Multiply({layer.out_projection.weight.data(), width, 1}, saved.attended, columns,
                     nullptr, y_.data(), columns, width, width, columns);
  gradient_kernels_.add_and_normalise(y_.data(), layer.out_projection.bias.data(), saved.kept1,
                                      scale, layer.norm1.gain.data(), layer.norm1.shift.data(),
                                      x_.data(), saved.normalised1, saved.scales1, width, columns);
  products_.Multiply({layer.linear1.weight.data(), width, 1}, x_.data(), columns,
                     layer.linear1.bias.data(), saved.inner, columns, feed_forward, width, columns);
  kernels_.rectify(saved.inner, columns, feed_forward, columns);
  if (tape.threshold > 0) {
    gradient_kernels_.keep(saved.inner, inner_bits_.data(), scale, saved.inner,
                           feed_forward * columns);
  }
  products_.Multiply({layer.linear2.weight.data(), feed_forward, 1}, saved.inner, columns, nullptr,
                     y_.data(), columns, width, feed_forward, columns);
  gradient_kernels_.add_and_normalise(y_.data(), layer.linear2.bias.data(), saved.kept2, scale,
                                      layer.norm2.gain.data(), layer.norm2.shift.data(), x_.data(),
                                      saved.normalised2, saved.scales2, width, columns);
}

// The rows that are passed on, and the maxima for Pool.
void TransActBackprop::Take(std::size_t candidate, TransActTape* tape, float* output) {
  const TransActTokens& layout = tape->layout;
  const std::size_t columns = layout.columns, width = shape_.width();
  if (shape_.max_pool) {
    float* const maxima = tape->pooled_rows.data() + candidate * width;
    // Copies of the first token have dropout of their own and must not win.
    for (std::size_t d = 0; d < width; ++d) {
      float* const row = x_.data() + d * columns;
      std::fill(row + layout.tokens, row + columns, row[0]);
    }
    kernels_.row_maxima(x_.data(), maxima, columns, width, columns);
    for (std::size_t d = 0; d < width; ++d) {
      const float* const row = x_.data() + d * columns;
      const auto token =
          static_cast<std::size_t>(std::find(row, row + layout.tokens, maxima[d]) - row);
      tape->pooled_tokens[candidate * width + d] = token < layout.tokens ? token : 0;
    }
    output += width;
  }
  for (std::size_t row = 0; row < shape_.latest; ++row) {
    const float* const token = x_.data() + layout.token_of_row[row];
    for (std::size_t d = 0; d < width; ++d) output[row * width + d] = token[d * columns];
  }
}

void TransActBackprop::Pool(const TransActParameters& parameters, TransActTape* tape,
                            std::span<float> outputs) {
  const std::size_t width = shape_.width(), stride = tape->candidate_columns;
  float* const rows = tape->pooled_rows.data();
  std::fill(rows + tape->candidates * width, rows + stride * width, 0.0F);
  gradient_kernels_.transpose(rows, width, transposed_.data(), stride, stride, width);
  const float* const pooled = pooled_gradient_.data();
  products_.Multiply({parameters.out_linear.weight.data(), width, 1}, transposed_.data(), stride,
                     parameters.out_linear.bias.data(), pooled_gradient_.data(), stride, width,
                     width, stride);
  for (std::size_t c = 0; c < tape->candidates; ++c) {
    for (std::size_t d = 0; d < width; ++d) {
      outputs[c * shape_.output_width() + d] = pooled[d * stride + c];
    }
  }
}

std::vector<float> TransActBackprop::LastAttention(const TransActTape& tape,
                                                   std::size_t candidate) const {
  const TransActTokens& layout = tape.layout;
  const float* const probabilities = SavedOf(tape, candidate, shape_.layers - 1).probabilities;
  std::vector<float> shares(shape_.actions);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    for (std::size_t j = 0; j < layout.keys; ++j) {
      const float* const row = probabilities + (head * layout.keys + j) * layout.columns;
      for (std::size_t t = 0; t < layout.tokens; ++t) shares[layout.row_of_token[j]] += row[t];
    }
  }
  for (float& share : shares) share /= static_cast<float>(shape_.heads * layout.tokens);
  return shares;
}

}  // namespace fourfold
