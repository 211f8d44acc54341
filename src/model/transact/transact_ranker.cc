#include "model/transact/transact_ranker.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "math/flushed_denormals.h"
#include "model/transact/transact_backprop.h"

namespace fourfold {

TransActRanker::TransActRanker(TransActRankerModel model)
    : model_(std::move(model)),
      item_code_begin_(model_.request_columns.size() + model_.item_code_begin()),
      item_codes_(model_.item_codes()),
      encoder_(model_.encoder, FastColumnKernels(), model_.precision),
      network_(model_.network, model_.request_inputs(), FastStripKernels(), model_.precision) {
  for (std::size_t row = 0; row < model_.items.size(); ++row) rows_.emplace(model_.items[row], row);
  for (std::size_t i = 0; i < model_.action_types.size(); ++i) {
    types_.emplace(model_.action_types[i], static_cast<std::int32_t>(i + kFirstActionType));
  }
}

void TransActRanker::FillItemVector(std::string_view id, std::span<const float> codes,
                                    float* vector) const {
  const std::size_t dimension = model_.encoder.shape.item_dimension;
  if (model_.frozen != nullptr) {
    model_.frozen->Fill(model_.frozen->RowOf(id), codes, {vector, dimension});
    return;
  }
  const bool has_side = model_.side.FillMean(codes, {vector, dimension}) > 0;
  const auto found = rows_.find(id);
  if (found != rows_.end()) {
    const float* const own = model_.item_table.data() + found->second * dimension;
    for (std::size_t d = 0; d < dimension; ++d) vector[d] += own[d];
  } else if (!has_side) {
    DrawItemVector(id, {vector, dimension});
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
    scratch->codes.clear();
    for (const std::vector<float>& column : history.item_codes) {
      scratch->codes.push_back(column[row]);
    }
    FillItemVector(history.items[row], scratch->codes,
                   scratch->items.data() + row * shape.item_dimension);
  }
}

void TransActRanker::Score(const TransActQuery& query, TransActScratch* scratch,
                           std::span<float> logits) const {
  const FlushedDenormals flushed;
  const TransActShape& shape = model_.encoder.shape;
  const std::size_t count = query.candidates.size();
  const std::size_t row_size = model_.row_size();
  const std::size_t request_columns = model_.request_columns.size();
  FOURFOLD_CHECK(query.rows.size() == count * row_size &&
                 query.history.item_codes.size() == item_codes_ &&
                 logits.size() == count * model_.heads.size());
  if (count == 0) return;
  FillSequence(query.history, scratch);
  FillHiddenRows(scratch->sequence(), query.request_time_ms, 0, &scratch->hidden);
  const std::size_t columns = PaddedColumns(count);
  scratch->vectors.Reserve(columns * shape.item_dimension);
  scratch->outputs.Reserve(columns * shape.output_width());
  for (std::size_t c = 0; c < count; ++c) {
    FillItemVector(query.candidates[c], ItemCodesOf(query, c),
                   scratch->vectors.data() + c * shape.item_dimension);
  }
  encoder_.Begin(scratch->sequence(), scratch->hidden, &scratch->request);
  encoder_.Encode({scratch->vectors.data(), count * shape.item_dimension},
                  {scratch->outputs.data(), count * shape.output_width()}, &scratch->request);
  scratch->network.Begin(model_.network.shape, count);
  for (std::size_t c = 0; c < count; ++c) {
    const std::span<const float> row = query.rows.subspan(c * row_size, row_size);
    FillColumns(model_, row.first(request_columns), row.subspan(request_columns), kStripColumns,
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
  FillItemVector(query.candidates[candidate], ItemCodesOf(query, candidate), vector.data());
  TransActBackprop backprop(shape);
  TransActTape tape;
  backprop.Forward(model_.encoder, scratch.sequence(), scratch.hidden, vector, {}, &tape, outputs);
  std::vector<float> shares = backprop.LastAttention(tape, 0);
  shares.resize(std::min(shape.actions, query.history.items.size()));
  return shares;
}

void FillColumns(const TransActRankerModel& model, std::span<const float> request_columns,
                 std::span<const float> candidate_columns, std::size_t stride, float* input) {
  using Column = TransActRankerModel::Column;
  std::size_t place = 0, number = 0;
  for (const std::span<const float> values : {request_columns, candidate_columns}) {
    for (const float value : values) {
      const Column column = model.column(place++);
      if (column == Column::kNumber) {
        model.encoding.Encode(number++, value, input, stride);
        input += NumberEncoding::kRows * stride;
      } else if (column == Column::kCategory) {
        const std::optional<std::size_t> row = model.categories.RowOf(value);
        for (std::size_t d = 0; d < model.categories.dimension; ++d, input += stride) {
          *input = row.has_value() ? model.categories.VectorOf(*row)[d] : 0;
        }
      }
    }
  }
}

void FillVectors(const TransActRankerModel& model, const float* vectors, const float* outputs,
                 std::size_t candidates, std::size_t columns, float* input) {
  const TransActShape& shape = model.encoder.shape;
  const GradientKernels& kernels = FastGradientKernels();
  const std::size_t filled = model.column_inputs();
  std::fill(input + filled * columns, input + model.vector_row() * columns, 0.0F);
  kernels.transpose(vectors, shape.item_dimension, input + model.vector_row() * columns, columns,
                    candidates, shape.item_dimension);
  kernels.transpose(outputs, shape.output_width(), input + model.encoder_row() * columns, columns,
                    candidates, shape.output_width());
  // Columns past the last candidate count for nothing, but must hold numbers.
  for (std::size_t row = 0; row < filled; ++row) {
    std::fill(input + row * columns + candidates, input + (row + 1) * columns, 0.0F);
  }
}

}  // namespace fourfold
