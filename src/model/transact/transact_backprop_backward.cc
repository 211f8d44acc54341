#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "math/flushed_denormals.h"
#include "model/transact/transact_backprop.h"

// Backwards. Gradients by queries are first those by queries that are scaled as Forward does, and
// those by logits are by logits to the base 2.
namespace fourfold {

void TransActBackprop::Backward(const TransActParameters& parameters,
                                std::span<const std::int32_t> types,
                                std::span<const float> output_gradients, TransActTape* tape,
                                TransActParameters* gradients, std::span<float> item_gradients,
                                std::span<float> candidate_gradients) {
  const FlushedDenormals flushed;
  const std::size_t columns = tape->layout.columns, width = shape_.width();
  FOURFOLD_CHECK(output_gradients.size() == tape->candidates * shape_.output_width() &&
                 item_gradients.size() == shape_.actions * shape_.item_dimension &&
                 candidate_gradients.size() == tape->candidates * shape_.item_dimension);
  const auto clear = [](const AlignedFloats& floats, std::size_t size) {
    std::fill_n(floats.data(), size, 0.0F);
  };
  clear(user_gradient_, shape_.user_width() * columns);
  for (const AlignedFloats* rows : {&user_key_gradient_, &user_value_gradient_}) {
    clear(*rows, width * columns);
  }
  clear(user_logit_gradient_, shape_.heads * tape->layout.keys * columns);
  clear(item_query_gradient_, width * tape->candidate_columns);
  clear(item_value_gradient_, width * tape->candidate_columns);
  clear(item_gradient_, shape_.item_dimension * tape->candidate_columns);
  if (shape_.max_pool) PoolBackward(parameters, output_gradients, *tape, gradients);
  for (std::size_t c = 0; c < tape->candidates; ++c) {
    TakeBackward(c, *tape, output_gradients);
    for (std::size_t l = shape_.layers; l-- > 0;) {
      const Saved saved = SavedOf(*tape, c, l);
      FinishBackward(parameters.layers[l], *tape, saved, &gradients->layers[l]);
      if (l == 0) {
        AttendFirstBackward(c, *tape, saved);
      } else {
        const TransActLayer& below = parameters.layers[l - 1];
        gradient_kernels_.scale_rows(SavedOf(*tape, c, l - 1).normalised2, below.norm2.gain.data(),
                                     below.norm2.shift.data(), x_.data(), width, columns);
        AttendBackward(parameters.layers[l], x_.data(), *tape, saved, &gradients->layers[l]);
      }
    }
  }
  UserBackward(parameters, types, *tape, gradients, item_gradients);
  CandidatesBackward(parameters.layers.front(), *tape, &gradients->layers.front(),
                     candidate_gradients);
}

void TransActBackprop::AddWeightGradient(const float* y_gradient, const float* x,
                                         std::size_t outputs, std::size_t inputs,
                                         std::size_t columns, std::size_t weight_stride,
                                         float* weight_gradient) {
  products_.AddTransposed({y_gradient, columns, 1}, x, columns, weight_gradient, weight_stride,
                          outputs, columns, inputs, &transposed_);
}

void TransActBackprop::PoolBackward(const TransActParameters& parameters,
                                    std::span<const float> output_gradients,
                                    const TransActTape& tape, TransActParameters* gradients) {
  const std::size_t width = shape_.width(), stride = tape.candidate_columns;
  float* const by_output = transposed_.data();
  for (std::size_t d = 0; d < width; ++d) {
    for (std::size_t c = 0; c < stride; ++c) {
      by_output[d * stride + c] =
          c < tape.candidates ? output_gradients[c * shape_.output_width() + d] : 0;
    }
  }
  LinearParameters& to = gradients->out_linear;
  gradient_kernels_.add_row_sums(by_output, to.bias.data(), width, stride);
  products_.Add({by_output, stride, 1}, tape.pooled_rows.data(), width, to.weight.data(), width,
                width, stride, width);
  products_.Multiply({parameters.out_linear.weight.data(), 1, width}, by_output, stride, nullptr,
                     pooled_gradient_.data(), stride, width, width, stride);
}

void TransActBackprop::TakeBackward(std::size_t candidate, const TransActTape& tape,
                                    std::span<const float> output_gradients) {
  const std::size_t columns = tape.layout.columns, width = shape_.width();
  const float* own = output_gradients.data() + candidate * shape_.output_width();
  float* const gradient = gradient_.data();
  std::fill_n(gradient, width * columns, 0.0F);
  if (shape_.max_pool) {
    for (std::size_t d = 0; d < width; ++d) {
      gradient[d * columns + tape.pooled_tokens[candidate * width + d]] +=
          pooled_gradient_.data()[d * tape.candidate_columns + candidate];
    }
    own += width;
  }
  for (std::size_t row = 0; row < shape_.latest; ++row) {
    const std::size_t token = tape.layout.token_of_row[row];
    for (std::size_t d = 0; d < width; ++d) gradient[d * columns + token] += own[row * width + d];
  }
}

void TransActBackprop::FinishBackward(const TransActLayer& layer, const TransActTape& tape,
                                      const Saved& saved, TransActLayer* gradients) {
  const std::size_t columns = tape.layout.columns;
  const std::size_t width = shape_.width(), feed_forward = shape_.feed_forward;
  const float scale = DropoutScale(tape.threshold);
  float* const gradient = gradient_.data();
  float* const branch = branch_gradient_.data();
  float* const inner = inner_gradient_.data();
  gradient_kernels_.normalise_gradient(saved.normalised2, saved.scales2, layer.norm2.gain.data(),
                                       gradient, gradients->norm2.gain.data(),
                                       gradients->norm2.shift.data(), width, columns);
  gradient_kernels_.keep(gradient, saved.kept2, scale, branch, width * columns);
  gradient_kernels_.add_row_sums(branch, gradients->linear2.bias.data(), width, columns);
  AddWeightGradient(branch, saved.inner, width, feed_forward, columns, feed_forward,
                    gradients->linear2.weight.data());
  products_.Multiply({layer.linear2.weight.data(), 1, feed_forward}, branch, columns, nullptr,
                     inner, columns, feed_forward, width, columns);
  gradient_kernels_.rectify_gradient(saved.inner, scale, inner, feed_forward * columns);
  gradient_kernels_.add_row_sums(inner, gradients->linear1.bias.data(), feed_forward, columns);
  gradient_kernels_.scale_rows(saved.normalised1, layer.norm1.gain.data(), layer.norm1.shift.data(),
                               y_.data(), width, columns);
  AddWeightGradient(inner, y_.data(), feed_forward, width, columns, width,
                    gradients->linear1.weight.data());
  products_.Add({layer.linear1.weight.data(), 1, width}, inner, columns, gradient, columns, width,
                feed_forward, columns);

  gradient_kernels_.normalise_gradient(saved.normalised1, saved.scales1, layer.norm1.gain.data(),
                                       gradient, gradients->norm1.gain.data(),
                                       gradients->norm1.shift.data(), width, columns);
  gradient_kernels_.keep(gradient, saved.kept1, scale, branch, width * columns);
  gradient_kernels_.add_row_sums(branch, gradients->out_projection.bias.data(), width, columns);
  AddWeightGradient(branch, saved.attended, width, width, columns, width,
                    gradients->out_projection.weight.data());
  products_.Multiply({layer.out_projection.weight.data(), 1, width}, branch, columns, nullptr,
                     attended_gradient_.data(), columns, width, width, columns);
}

void TransActBackprop::MixBackward(std::size_t head, const float* values, const TransActTape& tape,
                                   const Saved& saved) {
  const std::size_t columns = tape.layout.columns, keys = tape.layout.keys;
  const std::size_t width = shape_.width(), head_width = shape_.head_width();
  const float* const probabilities = saved.probabilities + head * keys * columns;
  const std::uint8_t* const kept =
      tape.threshold > 0 ? saved.kept_probabilities + head * keys * columns / 8 : nullptr;
  const float scale = DropoutScale(tape.threshold);
  const float* const by_attended = attended_gradient_.data() + head * head_width * columns;
  float* const by_values = projected_gradient_.data() + (2 * width + head * head_width) * columns;
  const float* mixed = probabilities;
  if (kept != nullptr) {
    gradient_kernels_.keep(probabilities, kept, scale, dropped_.data(), keys * columns);
    mixed = dropped_.data();
  }
  std::fill_n(by_values, head_width * columns, 0.0F);
  products_.AddTransposed({by_attended, columns, 1}, mixed, columns, by_values, columns, head_width,
                          columns, keys, &transposed_);
  products_.Multiply({values, 1, columns}, by_attended, columns, nullptr, logit_gradient_.data(),
                     columns, keys, head_width, columns);
  gradient_kernels_.soften_gradient(probabilities, kept, scale, logit_gradient_.data(), keys,
                                    columns);
}

void TransActBackprop::AttendBackward(const TransActLayer& layer, const float* x,
                                      const TransActTape& tape, const Saved& saved,
                                      TransActLayer* gradients) {
  const std::size_t columns = tape.layout.columns, keys = tape.layout.keys;
  const std::size_t width = shape_.width(), head_width = shape_.head_width();
  float* const by_projected = projected_gradient_.data();
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const float* const queries = saved.projected + head * head_width * columns;
    const float* const key_rows = queries + width * columns;
    MixBackward(head, key_rows + width * columns, tape, saved);
    float* const by_queries = by_projected + head * head_width * columns;
    float* const by_keys = by_queries + width * columns;
    products_.Multiply({key_rows, columns, 1}, logit_gradient_.data(), columns, nullptr, by_queries,
                       columns, head_width, keys, columns);
    std::fill_n(by_keys, head_width * columns, 0.0F);
    products_.AddTransposed({queries, columns, 1}, logit_gradient_.data(), columns, by_keys,
                            columns, head_width, columns, keys, &transposed_);
  }
  gradient_kernels_.keep(by_projected, nullptr, query_scale_, by_projected, width * columns);
  LinearParameters& to = gradients->in_projection;
  gradient_kernels_.add_row_sums(by_projected, to.bias.data(), 3 * width, columns);
  AddWeightGradient(by_projected, x, 3 * width, width, columns, width, to.weight.data());
  products_.Add({layer.in_projection.weight.data(), 1, width}, by_projected, columns,
                gradient_.data(), columns, width, 3 * width, columns);
}

void TransActBackprop::AttendFirstBackward(std::size_t candidate, const TransActTape& tape,
                                           const Saved& saved) {
  const std::size_t columns = tape.layout.columns, keys = tape.layout.keys;
  const std::size_t width = shape_.width(), head_width = shape_.head_width();
  const std::size_t stride = tape.candidate_columns, user_width = shape_.user_width();
  const float* const values = FirstValues(candidate, tape);
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const std::size_t row = head * head_width;
    MixBackward(head, values + row * columns, tape, saved);
    gradient_kernels_.add(logit_gradient_.data(),
                          user_logit_gradient_.data() + head * keys * columns, keys * columns);
    std::fill(logit_row_sums_.begin(), logit_row_sums_.end(), 0.0F);
    gradient_kernels_.add_row_sums(logit_gradient_.data(), logit_row_sums_.data(), keys, columns);
    // The candidate's query meets each key with what all rows together give it.
    for (std::size_t r = row; r < row + head_width; ++r) {
      const float* const key = tape.first_keys.data() + r * columns;
      float* const by_key = user_key_gradient_.data() + r * columns;
      const float query = tape.item_queries.data()[r * stride + candidate];
      float sum = 0;
      for (std::size_t j = 0; j < keys; ++j) {
        sum += logit_row_sums_[j] * key[j];
        by_key[j] += logit_row_sums_[j] * query;
      }
      item_query_gradient_.data()[r * stride + candidate] = sum;
    }
  }
  const float* const by_values = projected_gradient_.data() + 2 * width * columns;
  gradient_kernels_.add(by_values, user_value_gradient_.data(), width * columns);
  std::vector<float>& sums = column_sums_;
  sums.assign(width, 0.0F);
  gradient_kernels_.add_row_sums(by_values, sums.data(), width, columns);
  for (std::size_t r = 0; r < width; ++r) {
    item_value_gradient_.data()[r * stride + candidate] = sums[r];
  }
  // The residual connection.
  gradient_kernels_.add(gradient_.data(), user_gradient_.data(), user_width * columns);
  sums.assign(shape_.item_dimension, 0.0F);
  gradient_kernels_.add_row_sums(gradient_.data() + user_width * columns, sums.data(),
                                 shape_.item_dimension, columns);
  for (std::size_t d = 0; d < shape_.item_dimension; ++d) {
    item_gradient_.data()[d * stride + candidate] = sums[d];
  }
}

void TransActBackprop::UserBackward(const TransActParameters& parameters,
                                    std::span<const std::int32_t> types, const TransActTape& tape,
                                    TransActParameters* gradients,
                                    std::span<float> item_gradients) {
  const std::size_t columns = tape.layout.columns, keys = tape.layout.keys;
  const std::size_t width = shape_.width(), head_width = shape_.head_width();
  const std::size_t user_width = shape_.user_width();
  for (std::size_t head = 0; head < shape_.heads; ++head) {
    const std::size_t place = head * head_width * columns;
    const float* const by_logits = user_logit_gradient_.data() + head * keys * columns;
    products_.Multiply({tape.first_keys.data() + place, columns, 1}, by_logits, columns, nullptr,
                       user_query_gradient_.data() + place, columns, head_width, keys, columns);
    products_.AddTransposed({tape.queries.data() + place, columns, 1}, by_logits, columns,
                            user_key_gradient_.data() + place, columns, head_width, columns, keys,
                            &transposed_);
  }
  gradient_kernels_.keep(user_query_gradient_.data(), nullptr, query_scale_,
                         user_query_gradient_.data(), width * columns);
  const AlignedFloats* const parts[] = {&user_query_gradient_, &user_key_gradient_,
                                        &user_value_gradient_};
  for (std::size_t part = 0; part < 3; ++part) {
    const float* const by_part = parts[part]->data();
    const std::size_t at = part * width * width;
    AddWeightGradient(by_part, tape.user.data(), width, user_width, columns, width,
                      gradients->layers.front().in_projection.weight.data() + at);
    products_.Add({parameters.layers.front().in_projection.weight.data() + at, 1, width}, by_part,
                  columns, user_gradient_.data(), columns, user_width, width, columns);
  }
  const std::size_t actions = shape_.action_dimension;
  for (std::size_t token = 0; token < tape.layout.tokens; ++token) {
    const std::size_t row = tape.layout.row_of_token[token];
    const auto type = static_cast<std::size_t>(types[row]);
    const float* const by_user = user_gradient_.data() + token;
    for (std::size_t d = 0; d < actions; ++d) {
      // Row 0 is padding, which is not learned.
      if (type != 0) gradients->action_table[type * actions + d] += by_user[d * columns];
    }
    for (std::size_t d = 0; d < shape_.item_dimension; ++d) {
      item_gradients[row * shape_.item_dimension + d] += by_user[(actions + d) * columns];
    }
  }
}

void TransActBackprop::CandidatesBackward(const TransActLayer& first, const TransActTape& tape,
                                          TransActLayer* gradients,
                                          std::span<float> candidate_gradients) {
  const std::size_t width = shape_.width(), dimension = shape_.item_dimension;
  const std::size_t stride = tape.candidate_columns;
  gradient_kernels_.keep(item_query_gradient_.data(), nullptr, query_scale_,
                         item_query_gradient_.data(), width * stride);
  LinearParameters& to = gradients->in_projection;
  for (const std::size_t part : {0, 2}) {
    const float* const by_part =
        part == 0 ? item_query_gradient_.data() : item_value_gradient_.data();
    const std::size_t at = part * width * width + shape_.user_width();
    gradient_kernels_.add_row_sums(by_part, to.bias.data() + part * width, width, stride);
    products_.Add({by_part, stride, 1}, tape.item_rows.data(), dimension, to.weight.data() + at,
                  width, width, stride, dimension);
    products_.Add({first.in_projection.weight.data() + at, 1, width}, by_part, stride,
                  item_gradient_.data(), stride, dimension, width, stride);
  }
  for (std::size_t c = 0; c < tape.candidates; ++c) {
    for (std::size_t d = 0; d < dimension; ++d) {
      candidate_gradients[c * dimension + d] += item_gradient_.data()[d * stride + c];
    }
  }
}

}  // namespace fourfold
