#include "offline/ranking/transact_step.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/strings.h"
#include "math/flushed_denormals.h"
#include "math/random.h"
#include "model/transact/transact_ranker.h"
#include "offline/ranking/ranking_loss.h"

namespace fourfold {
namespace {

// Streams of random numbers apart from the candidates' own.
constexpr std::uint64_t kNetworkStream = 0x6e6574;
constexpr std::uint64_t kWindowStream = 0x77696e;

void Clear(std::vector<float>* values) { std::fill(values->begin(), values->end(), 0.0F); }

}  // namespace

TransActStep::TransActStep(TransActRankerModel* model, const TransActRows& rows,
                           const TransActSpec& spec)
    : model_(*model),
      rows_(rows),
      spec_(spec),
      nothing_(model->encoder.shape.item_dimension),
      backprop_(model->encoder.shape),
      encoder_gradients_(model->encoder),
      network_gradients_(RankingNetworkParameters::Zeros(model->network.shape)),
      item_gradients_(model->item_table.size()),
      is_touched_(model->items.size()),
      item_first_(model->item_table.size()),
      item_second_(model->item_table.size()) {
  const std::size_t dimension = model_.encoder.shape.item_dimension;
  StringMap<std::int32_t> places;
  for (std::size_t i = 0; i < model_.items.size(); ++i) {
    places.emplace(model_.items[i], static_cast<std::int32_t>(i));
  }
  drawn_.resize(rows.items().size() * dimension);
  for (std::size_t i = 0; i < rows.items().size(); ++i) {
    const auto place = places.find(rows.items()[i]);
    row_of_item_.push_back(place == places.end() ? -1 : place->second);
    DrawItemVector(rows.items()[i], std::span(drawn_).subspan(i * dimension, dimension));
  }
  const auto learn = [&](auto* values, auto* gradients) {
    auto gradient = TensorsOf(gradients);
    auto at = gradient.begin();
    for (auto& [name, tensor] : TensorsOf(values)) {
      Learned& one = learned_.emplace_back();
      one.values = tensor;
      one.gradients = (at++)->second;
      Clear(one.gradients);
      one.decays = name.ends_with("weight") && name.find("norm") == std::string::npos;
      one.first.resize(tensor->size());
      one.second.resize(tensor->size());
    }
  };
  learn(&model_.encoder, &encoder_gradients_);
  learn(&model_.network, &network_gradients_);
}

const float* TransActStep::VectorOf(std::uint32_t item) const {
  if (item == kNoTrainingId) return nothing_.data();
  const std::int32_t row = row_of_item_[item];
  const std::size_t dimension = nothing_.size();
  return row < 0 ? drawn_.data() + item * dimension
                 : model_.item_table.data() + static_cast<std::size_t>(row) * dimension;
}

void TransActStep::FillSequence(const TransActRows::View& view, Held* held) const {
  const TransActShape& shape = model_.encoder.shape;
  held->types.assign(shape.actions, 0);
  held->times_ms.assign(shape.actions, 0);
  held->items.assign(shape.actions * shape.item_dimension, 0);
  held->ids.assign(shape.actions, kNoTrainingId);
  const std::size_t length = std::min(shape.actions, view.action_items.size());
  for (std::size_t row = 0; row < length; ++row) {
    held->types[row] = static_cast<std::int32_t>(view.action_types[row] + kFirstActionType);
    held->times_ms[row] = view.action_times_ms[row];
    held->ids[row] = view.action_items[row];
    std::copy_n(VectorOf(view.action_items[row]), shape.item_dimension,
                held->items.data() + row * shape.item_dimension);
  }
}

void TransActStep::Forward(std::span<const Request> requests, bool is_training,
                           std::uint64_t step) {
  const FlushedDenormals flushed;
  const TransActShape& shape = model_.encoder.shape;
  const std::size_t dimension = shape.item_dimension, width = shape.output_width();
  const std::size_t count = count_ = rows_.RowsOf(requests);
  const auto seed = static_cast<std::uint64_t>(spec_.seed);
  tape_.Begin(model_.network.shape, count);
  vectors_.Reserve(tape_.columns() * dimension);
  outputs_.Reserve(tape_.columns() * width);
  if (held_.size() < requests.size()) held_.resize(requests.size());
  std::int64_t window_ms = 0;
  if (is_training && spec_.window_ms > 0) {
    window_ms = static_cast<std::int64_t>(double{Random(seed, kWindowStream, step).Unit()} *
                                          static_cast<double>(spec_.window_ms));
  }
  std::size_t row = 0;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const TransActRows::View view = rows_.ViewOf(requests[r]);
    Held& held = held_[r];
    FillSequence(view, &held);
    const TransActSequence sequence{held.types, held.items, held.times_ms};
    FillHiddenRows(sequence, view.event_time_ms, window_ms, &hidden_);
    const std::size_t rows = view.items.size(), numbers = model_.candidate_numbers.size();
    for (std::size_t c = 0; c < rows; ++c) {
      std::copy_n(VectorOf(view.items[c]), dimension, vectors_.data() + (row + c) * dimension);
      FillNumbers(model_, view.request_numbers,
                  view.candidate_numbers.subspan(c * numbers, numbers), tape_.columns(),
                  tape_.input() + row + c);
    }
    const TransActDropout dropout{is_training ? spec_.dropout : 0, seed + r, step};
    backprop_.Forward(model_.encoder, sequence, hidden_,
                      {vectors_.data() + row * dimension, rows * dimension}, dropout, &held.tape,
                      {outputs_.data() + row * width, rows * width});
    row += rows;
  }
  FillVectors(model_, vectors_.data(), outputs_.data(), count, tape_.columns(), tape_.input());
  DropoutRandom random(seed, kNetworkStream, step);
  network_.Forward(model_.network, spec_.dropout, is_training ? &random : nullptr, &tape_);
}

double TransActStep::Backward(std::span<const Request> requests) {
  const FlushedDenormals flushed;
  const TransActShape& shape = model_.encoder.shape;
  const std::size_t dimension = shape.item_dimension, width = shape.output_width();
  const std::size_t columns = tape_.columns(), count = rows_.RowsOf(requests);
  const std::size_t heads = model_.heads.size();
  logit_gradients_.Reserve(heads * columns);
  std::fill_n(logit_gradients_.data(), heads * columns, 0.0F);
  const bool is_listwise = spec_.objective == TransActSpec::Objective::kListwise;
  double loss = 0;
  std::size_t row = 0;
  for (const Request request : requests) {
    const TransActRows::View view = rows_.ViewOf(request);
    const std::size_t rows = view.items.size();
    float* const gradients = logit_gradients_.data() + row;
    if (!view.outcomes.empty()) {
      loss += HeadsLoss(heads, columns, tape_.logits() + row, view.outcomes, view.weights,
                        spec_.label_weights, gradients);
    } else {
      loss += (is_listwise ? ListwiseLoss : LogisticLoss)({tape_.logits() + row, rows}, view.labels,
                                                          view.weights, {gradients, rows});
    }
    row += rows;
  }
  FOURFOLD_CHECK(row == count);
  const float* const by_input =
      network_.Backward(model_.network, logit_gradients_.data(), &tape_, &network_gradients_);
  vector_gradients_.Reserve(columns * dimension);
  output_gradients_.Reserve(columns * width);
  const GradientKernels& kernels = FastGradientKernels();
  kernels.transpose(by_input + model_.vector_row() * columns, columns, vector_gradients_.data(),
                    dimension, dimension, columns);
  kernels.transpose(by_input + model_.encoder_row() * columns, columns, output_gradients_.data(),
                    width, width, columns);
  row = 0;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const TransActRows::View view = rows_.ViewOf(requests[r]);
    const std::size_t rows = view.items.size();
    Held& held = held_[r];
    action_gradients_.assign(held.items.size(), 0);
    backprop_.Backward(model_.encoder, held.types,
                       {output_gradients_.data() + row * width, rows * width}, &held.tape,
                       &encoder_gradients_, action_gradients_,
                       {vector_gradients_.data() + row * dimension, rows * dimension});
    for (std::size_t c = 0; c < rows; ++c) {
      AddItemGradient(view.items[c], vector_gradients_.data() + (row + c) * dimension);
    }
    for (std::size_t a = 0; a < shape.actions; ++a) {
      AddItemGradient(held.ids[a], action_gradients_.data() + a * dimension);
    }
    row += rows;
  }
  return loss;
}

void TransActStep::AddItemGradient(std::uint32_t item, const float* gradient) {
  if (item == kNoTrainingId || row_of_item_[item] < 0) return;
  const auto row = static_cast<std::uint32_t>(row_of_item_[item]);
  if (!is_touched_[row]) {
    is_touched_[row] = 1;
    touched_.push_back(row);
  }
  const std::size_t dimension = nothing_.size();
  for (std::size_t d = 0; d < dimension; ++d) item_gradients_[row * dimension + d] += gradient[d];
}

void TransActStep::Apply(double learning_rate, std::uint64_t step, double count) {
  const std::size_t dimension = nothing_.size();
  const auto item_gradient = [&](std::uint32_t row) {
    return std::span(item_gradients_).subspan(row * dimension, dimension);
  };
  double squares = 0;
  const auto add = [&](std::span<const float> gradients) {
    for (const float gradient : gradients) squares += double{gradient} * double{gradient};
  };
  for (const Learned& one : learned_) add(*one.gradients);
  for (const std::uint32_t row : touched_) add(item_gradient(row));
  const double norm = std::sqrt(squares) / count;
  AdamStep adam;
  adam.step = step;
  adam.learning_rate = learning_rate;
  adam.gradient_scale = (norm > kNormMax ? kNormMax / norm : 1) / count;
  for (Learned& one : learned_) {
    adam.weight_decay = one.decays ? spec_.weight_decay : 0;
    adam.Take(*one.gradients, *one.values, one.first, one.second);
    Clear(one.gradients);
  }
  // Rows that no request of the step has stay as they are, moments included.
  adam.weight_decay = spec_.weight_decay;
  for (const std::uint32_t row : touched_) {
    const std::size_t at = row * dimension;
    adam.Take(item_gradient(row), std::span(model_.item_table).subspan(at, dimension),
              std::span(item_first_).subspan(at, dimension),
              std::span(item_second_).subspan(at, dimension));
    std::fill_n(item_gradients_.data() + at, dimension, 0.0F);
    is_touched_[row] = 0;
  }
  touched_.clear();
}

std::vector<std::pair<std::string, std::vector<float>*>> TransActStep::Moments() {
  std::vector<std::pair<std::string, std::vector<float>*>> moments;
  for (std::size_t i = 0; i < learned_.size(); ++i) {
    moments.emplace_back(StrCat("first.", i), &learned_[i].first);
    moments.emplace_back(StrCat("second.", i), &learned_[i].second);
  }
  moments.emplace_back("first.items", &item_first_);
  moments.emplace_back("second.items", &item_second_);
  return moments;
}

}  // namespace fourfold
