#include "offline/ranking/transact_rows.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

// Columns of every sequence (TrainingSchemaOf).
constexpr std::size_t kItem = 0, kType = 1, kTime = 2;

bool HasInfinity(const std::vector<float>& values) {
  return std::any_of(values.begin(), values.end(), [](float x) { return std::isinf(x); });
}

}  // namespace

absl::StatusOr<TransActRows> TransActRows::Read(TrainingRowsReader* rows, const TransActSpec& spec,
                                                std::size_t item_codes,
                                                std::optional<std::int64_t> validation_from_ms,
                                                std::optional<std::int64_t> end_ms) {
  using Kind = TrainingSchema::SequenceColumn::Kind;
  TransActRows read;
  read.schema_ = rows->schema();
  const std::vector<TrainingSchema::Sequence>& sequences = read.schema_.sequences;
  const auto found =
      std::find_if(sequences.begin(), sequences.end(), [&](const TrainingSchema::Sequence& one) {
        return spec.sequence.empty() || one.name == spec.sequence;
      });
  if (found == sequences.end()) {
    return InvalidArgument("transact needs a feature of kind sequence",
                           spec.sequence.empty() ? "" : StrCat(" with the name ", spec.sequence));
  }
  read.sequence_ = static_cast<std::size_t>(found - sequences.begin());
  const auto& columns = found->columns;
  if (columns.size() <= kTime || columns[kItem].kind != Kind::kId ||
      columns[kItem].dictionary != kItemDictionary || columns[kType].kind != Kind::kId ||
      columns[kTime].kind != Kind::kTime) {
    return InvalidArgument("sequence ", found->name, " has no item, type and time");
  }
  read.item_codes_ = item_codes;
  if (columns.size() < kTime + 1 + item_codes ||
      !std::all_of(columns.end() - static_cast<std::ptrdiff_t>(item_codes), columns.end(),
                   [](const auto& column) { return column.kind == Kind::kNumber; })) {
    return InvalidArgument("sequence ", found->name, " has no ", item_codes, " item codes");
  }
  const auto ids_of = [&](std::string_view dictionary) {
    const auto& names = read.schema_.dictionaries;
    const auto place = std::find(names.begin(), names.end(), dictionary) - names.begin();
    return rows->ids(static_cast<std::size_t>(place));
  };
  read.items_ = ids_of(kItemDictionary);
  read.action_types_ = ids_of(columns[kType].dictionary);
  FOURFOLD_RETURN_IF_ERROR(read.CheckSpec(spec));
  FOURFOLD_RETURN_IF_ERROR(rows->Rewind());
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  while (true) {
    TrainingBlock block = MakeTrainingBlock(read.schema_);
    FOURFOLD_ASSIGN_OR_RETURN(const bool more, rows->Next(&block));
    if (!more) break;
    FOURFOLD_RETURN_IF_ERROR(read.Check(block, spec));
    const std::size_t before = read.training_.size() + read.validation_.size();
    read.Note(block, spec, validation_from_ms.value_or(kNever), end_ms.value_or(kNever));
    if (read.training_.size() + read.validation_.size() == before) continue;
    read.WeighUsers(spec, &block);
    read.blocks_.push_back(std::move(block));
  }
  const char* const which =
      spec.objective == TransActSpec::Objective::kListwise ? " with different labels" : "";
  if (read.training_.empty()) return InvalidArgument("there is no training request", which);
  if (validation_from_ms.has_value() && read.validation_.empty()) {
    return InvalidArgument("there is no validation request", which);
  }
  return read;
}

absl::Status TransActRows::CheckSpec(const TransActSpec& spec) const {
  const std::size_t heads = schema_.heads.size();
  if (heads > 0 && spec.objective != TransActSpec::Objective::kLogistic) {
    return InvalidArgument("heads need the logistic objective");
  }
  if (spec.head_values.size() != heads ||
      (!spec.label_weights.empty() && spec.label_weights.size() != heads * heads)) {
    return InvalidArgument("values or label weights of other heads than the rows have");
  }
  for (const TransActSpec::UserWeight& one : spec.user_weights) {
    const auto& features = schema_.request_features;
    if (std::find(features.begin(), features.end(), one.feature) == features.end()) {
      return InvalidArgument("no feature of the request has the name ", one.feature);
    }
    if (one.from.size() != one.weights.size()) {
      return InvalidArgument("user weights by ", one.feature, ": not one weight for each value");
    }
  }
  return absl::OkStatus();
}

void TransActRows::WeighUsers(const TransActSpec& spec, TrainingBlock* block) const {
  const auto& features = schema_.request_features;
  for (const TransActSpec::UserWeight& one : spec.user_weights) {
    const auto feature = static_cast<std::size_t>(
        std::find(features.begin(), features.end(), one.feature) - features.begin());
    for (std::size_t i = 0; i < block->requests(); ++i) {
      const double value = block->request_features[i * features.size() + feature];
      // None for NaN.
      const auto reached = std::count_if(one.from.begin(), one.from.end(),
                                         [value](double from) { return value >= from; });
      if (reached == 0) continue;
      const double weight = one.weights[static_cast<std::size_t>(reached) - 1];
      for (std::size_t row = block->row_begin(i); row < block->row_end[i]; ++row) {
        block->weight[row] = static_cast<float>(double{block->weight[row]} * weight);
      }
    }
  }
}

absl::Status TransActRows::Check(const TrainingBlock& block, const TransActSpec& spec) const {
  if (HasInfinity(block.request_features) || HasInfinity(block.candidate_features)) {
    return InvalidArgument("a feature of a training row is infinite");
  }
  for (const float label : block.label) {
    const bool is_learned = schema_.heads.empty();
    if (label < 0 ||
        (label > 1 && is_learned && spec.objective == TransActSpec::Objective::kLogistic)) {
      return InvalidArgument("a label of ", label, ": logistic needs labels from 0 to 1, listwise ",
                             "from 0");
    }
  }
  return absl::OkStatus();
}

void TransActRows::Note(const TrainingBlock& block, const TransActSpec& spec,
                        std::int64_t validation_from_ms, std::int64_t end_ms) {
  for (std::size_t i = 0; i < block.requests(); ++i) {
    const std::int64_t time_ms = block.event_time_ms[i];
    if (time_ms >= end_ms) continue;
    if (spec.objective == TransActSpec::Objective::kListwise) {
      const auto begin = block.label.begin() + static_cast<std::ptrdiff_t>(block.row_begin(i));
      const auto end = block.label.begin() + block.row_end[i];
      if (std::all_of(begin, end, [&](float label) { return label == *begin; })) continue;
    }
    (time_ms >= validation_from_ms ? validation_ : training_)
        .push_back({static_cast<std::uint32_t>(blocks_.size()), static_cast<std::uint32_t>(i)});
  }
}

TransActRows::View TransActRows::ViewOf(Request request) const {
  const TrainingBlock& block = blocks_[request.block];
  const std::size_t i = request.number, begin = block.row_begin(i);
  const std::size_t rows = block.row_end[i] - begin;
  const std::size_t request_columns = schema_.request_features.size();
  const std::size_t candidate_columns = schema_.candidate_features.size();
  const TrainingBlock::Sequence& sequence = block.sequences[sequence_];
  const std::size_t step_begin = i == 0 ? 0 : sequence.step_end[i - 1];
  const std::size_t steps = sequence.step_end[i] - step_begin;
  View view;
  view.event_time_ms = block.event_time_ms[i];
  view.request_columns =
      std::span(block.request_features).subspan(i * request_columns, request_columns);
  view.candidate_columns = std::span(block.candidate_features)
                               .subspan(begin * candidate_columns, rows * candidate_columns);
  view.labels = std::span(block.label).subspan(begin, rows);
  view.weights = std::span(block.weight).subspan(begin, rows);
  view.items = std::span(block.item).subspan(begin, rows);
  if (!block.outcome.empty()) view.outcomes = std::span(block.outcome).subspan(begin, rows);
  view.action_items = std::span(sequence.columns[kItem].ids).subspan(step_begin, steps);
  view.action_types = std::span(sequence.columns[kType].ids).subspan(step_begin, steps);
  view.action_times_ms = std::span(sequence.columns[kTime].times_ms).subspan(step_begin, steps);
  view.code_columns = std::span(sequence.columns).last(item_codes_);
  view.step_begin = step_begin;
  return view;
}

std::size_t TransActRows::RowsOf(std::span<const Request> requests) const {
  std::size_t rows = 0;
  for (const Request request : requests) {
    const TrainingBlock& block = blocks_[request.block];
    rows += block.row_end[request.number] - block.row_begin(request.number);
  }
  return rows;
}

}  // namespace fourfold
