#include "offline/ranking/training_rows_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/coding.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

using Kind = TrainingSchema::SequenceColumn::Kind;

static_assert(std::endian::native == std::endian::little, "arrays are written as they lie");

template <typename T>
void AppendArray(const std::vector<T>& values, std::string* out) {
  static_assert(std::is_trivially_copyable_v<T>);
  out->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

void AppendCount(std::size_t count, std::string* out) {
  AppendArray(std::vector<std::uint32_t>{static_cast<std::uint32_t>(count)}, out);
}

// Takes arrays off the front of a payload.
class ArrayReader {
 public:
  explicit ArrayReader(std::string_view rest) : rest_(rest) {}

  template <typename T>
  void Read(std::size_t rows, std::size_t columns, std::vector<T>* values) {
    const std::size_t row_bytes = columns * sizeof(T);
    if (!ok_ || (row_bytes > 0 && rows > rest_.size() / row_bytes)) {
      ok_ = false;
      return;
    }
    values->resize(rows * columns);
    if (values->empty()) return;
    std::memcpy(values->data(), rest_.data(), rows * row_bytes);
    rest_.remove_prefix(rows * row_bytes);
  }
  std::size_t Count() {
    std::vector<std::uint32_t> count;
    Read(1, 1, &count);
    return ok_ ? count[0] : 0;
  }
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

bool RisesTo(const std::vector<std::uint32_t>& ends, std::size_t last, bool strictly) {
  std::uint32_t before = 0;
  for (const std::uint32_t end : ends) {
    if (end < before || (strictly && end == before)) return false;
    before = end;
  }
  return before == last;
}

bool AllBelow(const std::vector<std::uint32_t>& ids, std::size_t size, bool may_be_none) {
  return std::all_of(ids.begin(), ids.end(), [=](std::uint32_t id) {
    return id < size || (may_be_none && id == kNoTrainingId);
  });
}

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

// Checks that names are there and stand once.
absl::Status CheckNames(std::vector<std::string> names, std::string_view of) {
  std::sort(names.begin(), names.end());
  if (!names.empty() && names.front().empty()) return InvalidArgument(of, ": a name is empty");
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return InvalidArgument(of, ": ", *twice, " stands twice");
  return absl::OkStatus();
}

void AppendNames(const std::vector<std::string>& names, std::string* out) {
  AppendVarint(out, names.size());
  for (const std::string& name : names) AppendBytes(out, name);
}

std::vector<std::string> ReadNames(Decoder* decoder) {
  std::vector<std::string> names;
  for (std::uint64_t left = decoder->Varint(); left > 0 && decoder->ok(); --left) {
    names.emplace_back(decoder->Bytes());
  }
  return names;
}

TrainingSchema ReadSchema(Decoder* decoder) {
  TrainingSchema schema;
  schema.request_features = ReadNames(decoder);
  schema.candidate_features = ReadNames(decoder);
  schema.dictionaries = ReadNames(decoder);
  for (std::uint64_t left = decoder->Varint(); left > 0 && decoder->ok(); --left) {
    TrainingSchema::Sequence& sequence = schema.sequences.emplace_back();
    sequence.name = decoder->Bytes();
    for (std::uint64_t columns = decoder->Varint(); columns > 0 && decoder->ok(); --columns) {
      TrainingSchema::SequenceColumn& column = sequence.columns.emplace_back();
      column.name = decoder->Bytes();
      column.kind = static_cast<Kind>(std::min<std::uint64_t>(decoder->Varint(), 255));
      column.dictionary = decoder->Bytes();
    }
  }
  schema.heads = ReadNames(decoder);
  return schema;
}

}  // namespace

std::size_t DictionaryPlace(const TrainingSchema& schema, std::string_view name) {
  return static_cast<std::size_t>(
      std::find(schema.dictionaries.begin(), schema.dictionaries.end(), name) -
      schema.dictionaries.begin());
}

absl::Status CheckTrainingSchema(const TrainingSchema& schema) {
  FOURFOLD_RETURN_IF_ERROR(CheckNames(schema.request_features, "request features"));
  FOURFOLD_RETURN_IF_ERROR(CheckNames(schema.candidate_features, "candidate features"));
  FOURFOLD_RETURN_IF_ERROR(CheckNames(schema.dictionaries, "dictionaries"));
  for (const std::string_view needed : {kItemDictionary, kUserDictionary}) {
    if (DictionaryPlace(schema, needed) == schema.dictionaries.size()) {
      return InvalidArgument("dictionaries: ", needed, " is missing");
    }
  }
  std::vector<std::string> sequences;
  for (const TrainingSchema::Sequence& sequence : schema.sequences) {
    sequences.push_back(sequence.name);
    std::vector<std::string> columns;
    for (const TrainingSchema::SequenceColumn& column : sequence.columns) {
      columns.push_back(column.name);
      const bool is_id = column.kind == Kind::kId;
      if (!is_id && column.kind != Kind::kNumber && column.kind != Kind::kTime) {
        return InvalidArgument("sequence ", sequence.name, ": column ", column.name,
                               " is of an unknown kind");
      }
      const bool has_dictionary =
          DictionaryPlace(schema, column.dictionary) < schema.dictionaries.size();
      if (is_id ? !has_dictionary : !column.dictionary.empty()) {
        return InvalidArgument("sequence ", sequence.name, ": column ", column.name,
                               ": no such dictionary: \"", column.dictionary, "\"");
      }
    }
    if (columns.empty()) return InvalidArgument("sequence ", sequence.name, " has no columns");
    FOURFOLD_RETURN_IF_ERROR(CheckNames(std::move(columns), StrCat("sequence ", sequence.name)));
  }
  if (schema.heads.size() > kTrainingHeadsMax) {
    return InvalidArgument("heads: more than ", kTrainingHeadsMax);
  }
  FOURFOLD_RETURN_IF_ERROR(CheckNames(schema.heads, "heads"));
  return CheckNames(std::move(sequences), "sequences");
}

bool AreOutcomes(std::span<const std::uint32_t> outcomes, std::size_t heads) {
  return std::all_of(outcomes.begin(), outcomes.end(), [=](std::uint32_t outcome) {
    return std::uint64_t{outcome} < std::uint64_t{1} << heads;
  });
}

void EncodeTrainingBlock(const TrainingBlock& block, std::string* out) {
  AppendCount(block.requests(), out);
  AppendCount(block.rows(), out);
  AppendArray(block.event_time_ms, out);
  AppendArray(block.position, out);
  AppendArray(block.user, out);
  AppendArray(block.row_end, out);
  AppendArray(block.request_features, out);
  AppendArray(block.item, out);
  AppendArray(block.candidate_features, out);
  AppendArray(block.label, out);
  AppendArray(block.weight, out);
  AppendArray(block.outcome, out);
  for (const TrainingBlock::Sequence& sequence : block.sequences) {
    AppendCount(sequence.step_end.empty() ? 0 : sequence.step_end.back(), out);
    AppendArray(sequence.step_end, out);
    for (const TrainingBlock::SequenceColumn& column : sequence.columns) {
      AppendArray(column.ids, out);
      AppendArray(column.numbers, out);
      AppendArray(column.times_ms, out);
    }
  }
}

absl::Status DecodeTrainingBlock(std::string_view payload, const TrainingSchema& schema,
                                 std::span<const std::size_t> dictionary_sizes,
                                 TrainingBlock* block) {
  const auto size_of = [&](std::string_view dictionary) {
    return dictionary_sizes[DictionaryPlace(schema, dictionary)];
  };
  *block = MakeTrainingBlock(schema);
  ArrayReader reader(payload);
  const std::size_t requests = reader.Count();
  const std::size_t rows = reader.Count();
  reader.Read(requests, 1, &block->event_time_ms);
  reader.Read(requests, 1, &block->position);
  reader.Read(requests, 1, &block->user);
  reader.Read(requests, 1, &block->row_end);
  reader.Read(requests, schema.request_features.size(), &block->request_features);
  reader.Read(rows, 1, &block->item);
  reader.Read(rows, schema.candidate_features.size(), &block->candidate_features);
  reader.Read(rows, 1, &block->label);
  reader.Read(rows, 1, &block->weight);
  reader.Read(rows, schema.heads.empty() ? 0 : 1, &block->outcome);
  bool good = reader.ok() && RisesTo(block->row_end, rows, true) &&
              AllBelow(block->user, size_of(kUserDictionary), true) &&
              AllBelow(block->item, size_of(kItemDictionary), false) && AllFinite(block->label) &&
              AllFinite(block->weight) && AreOutcomes(block->outcome, schema.heads.size()) &&
              std::all_of(block->weight.begin(), block->weight.end(),
                          [](float weight) { return weight >= 0; });
  for (std::size_t s = 0; good && s < schema.sequences.size(); ++s) {
    TrainingBlock::Sequence& sequence = block->sequences[s];
    const std::size_t steps = reader.Count();
    reader.Read(requests, 1, &sequence.step_end);
    good = reader.ok() && RisesTo(sequence.step_end, steps, false);
    for (std::size_t c = 0; good && c < sequence.columns.size(); ++c) {
      const TrainingSchema::SequenceColumn& column = schema.sequences[s].columns[c];
      TrainingBlock::SequenceColumn& values = sequence.columns[c];
      if (column.kind == Kind::kNumber) {
        reader.Read(steps, 1, &values.numbers);
      } else if (column.kind == Kind::kTime) {
        reader.Read(steps, 1, &values.times_ms);
      } else {
        reader.Read(steps, 1, &values.ids);
        good = AllBelow(values.ids, size_of(column.dictionary), true);
      }
    }
  }
  if (!good || !reader.AtEnd()) return DataLoss("a block does not hold what it says");
  return absl::OkStatus();
}

void EncodeTrainingFooter(const TrainingFooter& footer, std::string* out) {
  AppendNames(footer.schema.request_features, out);
  AppendNames(footer.schema.candidate_features, out);
  AppendNames(footer.schema.dictionaries, out);
  AppendVarint(out, footer.schema.sequences.size());
  for (const TrainingSchema::Sequence& sequence : footer.schema.sequences) {
    AppendBytes(out, sequence.name);
    AppendVarint(out, sequence.columns.size());
    for (const TrainingSchema::SequenceColumn& column : sequence.columns) {
      AppendBytes(out, column.name);
      AppendVarint(out, static_cast<std::uint64_t>(column.kind));
      AppendBytes(out, column.dictionary);
    }
  }
  AppendNames(footer.schema.heads, out);
  AppendVarint(out, footer.counts.requests);
  AppendVarint(out, footer.counts.rows);
  AppendVarint(out, footer.counts.flat_bytes);
  AppendVarint(out, footer.counts.padded_flat_bytes);
  out->append(reinterpret_cast<const char*>(footer.blocks.data()), footer.blocks.size());
  for (const std::vector<std::string_view>& ids : footer.dictionaries) {
    AppendVarint(out, ids.size());
    for (const std::string_view id : ids) AppendBytes(out, id);
  }
}

absl::StatusOr<TrainingFooter> DecodeTrainingFooter(std::string_view payload) {
  Decoder decoder(payload);
  TrainingFooter footer;
  footer.schema = ReadSchema(&decoder);
  footer.counts.requests = decoder.Varint();
  footer.counts.rows = decoder.Varint();
  footer.counts.flat_bytes = decoder.Varint();
  footer.counts.padded_flat_bytes = decoder.Varint();
  const std::string_view digest = decoder.Raw(footer.blocks.size());
  std::copy(digest.begin(), digest.end(), footer.blocks.begin());
  for (std::size_t d = 0; decoder.ok() && d < footer.schema.dictionaries.size(); ++d) {
    std::vector<std::string_view>& ids = footer.dictionaries.emplace_back();
    for (std::uint64_t left = decoder.Varint(); left > 0 && decoder.ok(); --left) {
      ids.push_back(decoder.Bytes());
    }
  }
  if (!decoder.ok() || !decoder.AtEnd()) return DataLoss("the footer does not hold what it says");
  FOURFOLD_RETURN_IF_ERROR(CheckTrainingSchema(footer.schema));
  return footer;
}

}  // namespace fourfold
