#include "model/transact/transact_ranker.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "math/flushed_denormals.h"
#include "model/transact/transact_backprop.h"

namespace fourfold {

TransActRanker::TransActRanker(TransActRankerModel model)
    : model_(std::move(model)),
      encoder_(model_.encoder),
      network_(model_.network, model_.request_numbers.size() * NumberEncoding::kRows) {
  for (std::size_t row = 0; row < model_.items.size(); ++row) rows_.emplace(model_.items[row], row);
  for (std::size_t i = 0; i < model_.action_types.size(); ++i) {
    types_.emplace(model_.action_types[i], static_cast<std::int32_t>(i + kFirstActionType));
  }
}

void TransActRanker::CopyItemVector(std::string_view id, float* vector) const {
  const std::size_t dimension = model_.encoder.shape.item_dimension;
  const auto found = rows_.find(id);
  if (found == rows_.end()) {
    DrawItemVector(id, {vector, dimension});
  } else {
    std::copy_n(model_.item_table.data() + found->second * dimension, dimension, vector);
  }
}

void TransActRanker::FillSequence(const TransActHistory& history, TransActScratch* scratch) const {
  const TransActShape& shape = model_.encoder.shape;
  scratch->types.assign(shape.actions, 0);
  scratch->items.assign(shape.actions * shape.item_dimension, 0);
  scratch->times_ms.assign(shape.actions, 0);
  const std::size_t length = std::min(shape.actions, history.items.size());
  for (std::size_t row = 0; row < length; ++row) {
    const auto type = types_.find(history.types[row]);
    scratch->types[row] = type == types_.end() ? 1 : type->second;
    scratch->times_ms[row] = history.times_ms[row];
    CopyItemVector(history.items[row], scratch->items.data() + row * shape.item_dimension);
  }
}

void TransActRanker::Score(const TransActQuery& query, TransActScratch* scratch,
                           std::span<float> logits) const {
  const FlushedDenormals flushed;
  const TransActShape& shape = model_.encoder.shape;
  const std::size_t count = query.candidates.size();
  const std::size_t numbers = model_.encoding.numbers();
  const std::size_t request_numbers = model_.request_numbers.size();
  FOURFOLD_CHECK(query.rows.size() == count * numbers &&
                 logits.size() == count * model_.heads.size());
  if (count == 0) return;
  FillSequence(query.history, scratch);
  FillHiddenRows(scratch->sequence(), query.request_time_ms, 0, &scratch->hidden);
  const std::size_t columns = PaddedColumns(count);
  scratch->vectors.Reserve(columns * shape.item_dimension);
  scratch->outputs.Reserve(columns * shape.output_width());
  for (std::size_t c = 0; c < count; ++c) {
    CopyItemVector(query.candidates[c], scratch->vectors.data() + c * shape.item_dimension);
  }
  encoder_.Begin(scratch->sequence(), scratch->hidden, &scratch->request);
  encoder_.Encode({scratch->vectors.data(), count * shape.item_dimension},
                  {scratch->outputs.data(), count * shape.output_width()}, &scratch->request);
  scratch->network.Begin(model_.network.shape, count);
  for (std::size_t c = 0; c < count; ++c) {
    const std::span<const float> row = query.rows.subspan(c * numbers, numbers);
    FillNumbers(model_, row.first(request_numbers), row.subspan(request_numbers), kStripColumns,
                scratch->network.input(c));
  }
  for (std::size_t c = 0; c < count; c += kStripColumns) {
    FillVectors(model_, scratch->vectors.data() + c * shape.item_dimension,
                scratch->outputs.data() + c * shape.output_width(),
                std::min(kStripColumns, count - c), kStripColumns, scratch->network.input(c));
  }
  network_.Forward(&scratch->network);
  for (std::size_t head = 0; head < model_.heads.size(); ++head) {
    for (std::size_t c = 0; c < count; ++c) {
      logits[head * count + c] = scratch->network.logit(head, c);
    }
  }
}

std::vector<float> TransActRanker::Attention(const TransActQuery& query,
                                             std::size_t candidate) const {
  const TransActShape& shape = model_.encoder.shape;
  TransActScratch scratch;
  FillSequence(query.history, &scratch);
  FillHiddenRows(scratch.sequence(), query.request_time_ms, 0, &scratch.hidden);
  std::vector<float> vector(shape.item_dimension), outputs(shape.output_width());
  CopyItemVector(query.candidates[candidate], vector.data());
  TransActBackprop backprop(shape);
  TransActTape tape;
  backprop.Forward(model_.encoder, scratch.sequence(), scratch.hidden, vector, {}, &tape, outputs);
  std::vector<float> shares = backprop.LastAttention(tape, 0);
  shares.resize(std::min(shape.actions, query.history.items.size()));
  return shares;
}

void FillNumbers(const TransActRankerModel& model, std::span<const float> request_numbers,
                 std::span<const float> candidate_numbers, std::size_t columns, float* column) {
  std::size_t number = 0;
  for (const std::span<const float> values : {request_numbers, candidate_numbers}) {
    for (const float value : values) {
      model.encoding.Encode(number++, value, column, columns);
      column += NumberEncoding::kRows * columns;
    }
  }
}

void FillVectors(const TransActRankerModel& model, const float* vectors, const float* outputs,
                 std::size_t candidates, std::size_t columns, float* input) {
  const TransActShape& shape = model.encoder.shape;
  const GradientKernels& kernels = FastGradientKernels();
  const std::size_t numbers = model.encoding.numbers() * NumberEncoding::kRows;
  std::fill(input + numbers * columns, input + model.number_rows() * columns, 0.0F);
  kernels.transpose(vectors, shape.item_dimension, input + model.vector_row() * columns, columns,
                    candidates, shape.item_dimension);
  kernels.transpose(outputs, shape.output_width(), input + model.encoder_row() * columns, columns,
                    candidates, shape.output_width());
  // Columns past the last candidate count for nothing, but must hold numbers.
  for (std::size_t row = 0; row < numbers; ++row) {
    std::fill(input + row * columns + candidates, input + (row + 1) * columns, 0.0F);
  }
}

}  // namespace fourfold
