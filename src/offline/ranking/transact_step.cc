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
constexpr std::uint64_t kItemStream = 0x6974656d;

void Clear(std::vector<float>* values) { std::fill(values->begin(), values->end(), 0.0F); }

}  // namespace

TransActStep::TransActStep(TransActRankerModel* model, const TransActRows& rows,
                           const TransActSpec& spec)
    : model_(*model),
      rows_(rows),
      spec_(spec),
      item_code_begin_(model->item_code_begin()),
      item_codes_(model->item_codes()),
      backprop_(model->encoder.shape, FastColumnKernels(), FastGradientKernels(),
                spec.training_precision),
      network_(FastColumnKernels(), FastGradientKernels(), spec.training_precision),
      encoder_gradients_(model->encoder),
      network_gradients_(RankingNetworkParameters::Zeros(model->network.shape)),
      items_(&model->item_table, model->encoder.shape.item_dimension) {
  if (item_codes_ > 0 && model_.frozen == nullptr)
    side_.emplace(&model_.side.vectors, model_.side.dimension);
  for (std::size_t place = 0; place < model_.row_size(); ++place) {
    if (model_.column(place) != TransActRankerModel::Column::kCategory) continue;
    categories_.push_back({place, model_.InputsOf(0, place)});
  }
  if (!categories_.empty()) {
    category_rows_.emplace(&model_.categories.vectors, model_.categories.dimension);
  }
  const std::size_t dimension = model_.encoder.shape.item_dimension;
  StringMap<std::int32_t> places;
  for (std::size_t i = 0; i < model_.items.size(); ++i) {
    places.emplace(model_.items[i], static_cast<std::int32_t>(i));
  }
  if (model_.frozen == nullptr) drawn_.resize(rows.items().size() * dimension);
  for (std::size_t i = 0; i < rows.items().size(); ++i) {
    if (model_.frozen != nullptr) {
      const std::optional<std::size_t> row = model_.frozen->RowOf(rows.items()[i]);
      row_of_item_.push_back(row.has_value() ? static_cast<std::int32_t>(*row) : -1);
      continue;
    }
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

void TransActStep::ChooseLeftOut(bool is_training, std::uint64_t step) {
  is_left_out_.assign(model_.items.size(), 0);
  if (!is_training || item_codes_ == 0 || spec_.item_dropout <= 0) return;
  Random random(static_cast<std::uint64_t>(spec_.seed), kItemStream, step);
  for (std::uint8_t& is_left_out : is_left_out_) {
    is_left_out = double{random.Unit()} < spec_.item_dropout ? 1 : 0;
  }
}

std::optional<std::size_t> TransActStep::OwnRow(std::uint32_t item, std::size_t codes) const {
  if (item == kNoTrainingId || row_of_item_[item] < 0) return std::nullopt;
  const auto row = static_cast<std::size_t>(row_of_item_[item]);
  if (codes > 0 && is_left_out_[row] != 0) return std::nullopt;
  return row;
}

void TransActStep::FillItemVector(std::uint32_t item, std::span<const float> codes,
                                  float* vector) const {
  const std::size_t dimension = model_.encoder.shape.item_dimension;
  if (model_.frozen != nullptr) {
    std::optional<std::size_t> row;
    if (item != kNoTrainingId && row_of_item_[item] >= 0) {
      row = static_cast<std::size_t>(row_of_item_[item]);
    }
    model_.frozen->Fill(row, codes, {vector, dimension});
    return;
  }
  const std::size_t count = model_.side.FillMean(codes, {vector, dimension});
  if (const std::optional<std::size_t> row = OwnRow(item, count); row.has_value()) {
    const float* const own = model_.item_table.data() + *row * dimension;
    for (std::size_t d = 0; d < dimension; ++d) vector[d] += own[d];
  } else if (count == 0 && item != kNoTrainingId) {
    std::copy_n(drawn_.data() + item * dimension, dimension, vector);
  }
}

void TransActStep::AddItemGradient(std::uint32_t item, std::span<const float> codes,
                                   const float* gradient) {
  if (model_.frozen != nullptr) return;
  const auto count = static_cast<std::size_t>(std::count_if(
      codes.begin(), codes.end(), [&](float code) { return model_.side.RowOf(code).has_value(); }));
  for (const float code : codes) {
    const std::optional<std::size_t> row = model_.side.RowOf(code);
    if (row.has_value()) side_->Add(*row, gradient, 1 / static_cast<float>(count));
  }
  if (const std::optional<std::size_t> row = OwnRow(item, count); row.has_value()) {
    items_.Add(*row, gradient);
  }
}

void TransActStep::AddCategoryGradients(const TransActRows::View& view, const float* by_input,
                                        std::size_t row) {
  const std::size_t of_request = view.request_columns.size();
  std::vector<float> gradient(model_.categories.dimension);
  for (std::size_t c = 0; c < view.items.size(); ++c) {
    for (const Category& category : categories_) {
      const bool is_of_request = category.place < of_request;
      const float code = is_of_request
                             ? view.request_columns[category.place]
                             : view.candidate_columns[c * model_.candidate_columns.size() +
                                                      category.place - of_request];
      const std::optional<std::size_t> place = model_.categories.RowOf(code);
      if (!place.has_value()) continue;
      for (std::size_t d = 0; d < gradient.size(); ++d) {
        gradient[d] = by_input[(category.input + d) * tape_.columns() + row + c];
      }
      category_rows_->Add(*place, gradient.data());
    }
  }
}

void TransActStep::FillSequence(const TransActRows::View& view, Held* held) const {
  const TransActShape& shape = model_.encoder.shape;
  held->types.assign(shape.actions, 0);
  held->times_ms.assign(shape.actions, 0);
  held->items.assign(shape.actions * shape.item_dimension, 0);
  held->codes.clear();
  const std::size_t length = std::min(shape.actions, view.action_items.size());
  for (std::size_t row = 0; row < length; ++row) {
    held->types[row] = static_cast<std::int32_t>(view.action_types[row] + kFirstActionType);
    held->times_ms[row] = view.action_times_ms[row];
    view.AppendItemCodes(row, &held->codes);
    FillItemVector(view.action_items[row], std::span<const float>(held->codes).last(item_codes_),
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
  ChooseLeftOut(is_training, step);
  std::size_t row = 0;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const TransActRows::View view = rows_.ViewOf(requests[r]);
    Held& held = held_[r];
    FillSequence(view, &held);
    const TransActSequence sequence{held.types, held.items, held.times_ms};
    FillHiddenRows(sequence, view.event_time_ms, window_ms, &hidden_);
    const std::size_t rows = view.items.size(), columns = model_.candidate_columns.size();
    for (std::size_t c = 0; c < rows; ++c) {
      FillItemVector(view.items[c], ItemCodesOf(view, c), vectors_.data() + (row + c) * dimension);
      FillColumns(model_, view.request_columns,
                  view.candidate_columns.subspan(c * columns, columns), tape_.columns(),
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
    AddCategoryGradients(view, by_input, row);
    for (std::size_t c = 0; c < rows; ++c) {
      AddItemGradient(view.items[c], ItemCodesOf(view, c),
                      vector_gradients_.data() + (row + c) * dimension);
    }
    const std::span<const float> codes(held.codes);
    const std::size_t length = std::min(shape.actions, view.action_items.size());
    for (std::size_t a = 0; a < length; ++a) {
      AddItemGradient(view.action_items[a], codes.subspan(a * item_codes_, item_codes_),
                      action_gradients_.data() + a * dimension);
    }
    row += rows;
  }
  return loss;
}

void TransActStep::Apply(double learning_rate, std::uint64_t step, double count) {
  double squares = items_.SumOfSquares();
  for (const auto* table : {&side_, &category_rows_}) {
    if (table->has_value()) squares += (*table)->SumOfSquares();
  }
  for (const Learned& one : learned_) {
    for (const float gradient : *one.gradients) squares += double{gradient} * double{gradient};
  }
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
  adam.weight_decay = spec_.weight_decay;
  items_.Take(adam);
  for (auto* table : {&side_, &category_rows_}) {
    if (table->has_value()) (*table)->Take(adam);
  }
}

std::vector<std::pair<std::string, std::vector<float>*>> TransActStep::Moments() {
  std::vector<std::pair<std::string, std::vector<float>*>> moments;
  for (std::size_t i = 0; i < learned_.size(); ++i) {
    moments.emplace_back(StrCat("first.", i), &learned_[i].first);
    moments.emplace_back(StrCat("second.", i), &learned_[i].second);
  }
  const auto add = [&](std::string_view name, SparseRows& rows) {
    moments.emplace_back(StrCat("first.", name), &rows.first());
    moments.emplace_back(StrCat("second.", name), &rows.second());
  };
  add("items", items_);
  if (side_.has_value()) add("side", *side_);
  if (category_rows_.has_value()) add("categories", *category_rows_);
  return moments;
}

}  // namespace fourfold
