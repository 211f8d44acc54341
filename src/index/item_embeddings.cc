#include "index/item_embeddings.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/aligned_vector.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/safetensors.h"

namespace fourfold {
namespace {

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

TensorView MakeMatrix(std::string name, std::span<const float> values, std::size_t columns) {
  TensorView tensor = MakeTensor<float>(std::move(name), Dtype::kF32, values);
  tensor.shape = {columns == 0 ? 0 : values.size() / columns, columns};
  return tensor;
}

std::string FieldTensor(std::size_t field, std::string_view part) {
  return StrCat("field", field, ".", part);
}

void Normalise(std::span<float> vector) {
  double square = 0;
  for (const float value : vector)
    square += static_cast<double>(value) * static_cast<double>(value);
  if (!(square > 0)) return;
  const double scale = 1 / std::sqrt(square);
  for (float& value : vector) value = static_cast<float>(static_cast<double>(value) * scale);
}

absl::Status ReadDictionary(const SafetensorsFile& file, std::size_t field,
                            StringMap<std::uint32_t>* numbers) {
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView offsets_tensor,
                            file.Find(FieldTensor(field, "values.offsets"), Dtype::kI64));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView bytes_tensor,
                            file.Find(FieldTensor(field, "values.bytes"), Dtype::kU8));
  const auto offsets = offsets_tensor.As<std::int64_t>();
  const std::string_view bytes = bytes_tensor.bytes;
  if (offsets.empty() || offsets.front() != 0 ||
      offsets.back() != static_cast<std::int64_t>(bytes.size())) {
    return DataLoss("tensor \"", offsets_tensor.name, "\" does not span the values");
  }
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    if (offsets[i + 1] < offsets[i] || offsets[i + 1] > offsets.back()) {
      return DataLoss("tensor \"", offsets_tensor.name, "\" falls at value ", i);
    }
    const std::string_view value =
        bytes.substr(static_cast<std::size_t>(offsets[i]),
                     static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
    if (!numbers->emplace(value, static_cast<std::uint32_t>(i)).second) {
      return DataLoss("tensor \"", bytes_tensor.name, "\" has a value twice");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FindMetadata(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) return DataLoss("the metadata lacks \"", key, "\"");
  return found->second;
}

}  // namespace

void Softmax(std::span<float> values) {
  float most = -HUGE_VALF, sum = 0;
  for (const float value : values) most = std::max(most, value);
  for (float& value : values) sum += value = std::exp(value - most);
  for (float& value : values) value /= sum;
}

struct ItemEmbeddings::Storage {
  // What is large lies in the file or, for embeddings made in memory, in the vectors.
  std::optional<SafetensorsFile> file;
  Parts owned;
  AlignedVector<float> owned_vectors;

  struct FieldView {
    std::string name;
    StringMap<std::uint32_t> numbers;  // of the values
    std::span<const std::int64_t> begin;
    std::span<const std::uint32_t> value;
    std::span<const float> vectors;
    std::vector<std::uint8_t> is_trained;  // of each value: whether a trained item had it
  };
  std::size_t dimension = 0;
  std::span<const std::uint8_t> trained;
  std::span<const float> rows;
  std::span<const float> weights;
  std::span<const float> vectors;
  std::vector<FieldView> fields;

  std::size_t items() const { return trained.size(); }

  absl::Status Check() const;
  absl::Status CheckField(const FieldView& field) const;
  std::span<const std::uint32_t> ValuesOf(const FieldView& field, std::uint32_t item) const {
    const auto begin = static_cast<std::size_t>(field.begin[item]);
    return field.value.subspan(begin, static_cast<std::size_t>(field.begin[item + 1]) - begin);
  }
  // The numbers of the trained values by each field.
  using Numbers = std::vector<std::vector<std::uint32_t>>;
  void MarkTrainedValues();
  Numbers NumbersOf(const SideValues& values) const;
  Numbers TrainedNumbersOf(std::uint32_t item) const;
  // False when nothing is known.
  bool Compose(std::uint32_t item, const Numbers& numbers, std::span<float> vector) const;
};

absl::Status ItemEmbeddings::Storage::CheckField(const FieldView& field) const {
  const std::size_t values = field.numbers.size();
  if (field.begin.size() != items() + 1 || field.begin.front() != 0 ||
      field.begin.back() != static_cast<std::int64_t>(field.value.size())) {
    return DataLoss("its offsets do not span the items' values");
  }
  if (field.vectors.size() != values * dimension) return DataLoss("not one vector a value");
  if (!AllFinite(field.vectors)) return DataLoss("a vector is not finite");
  for (std::size_t item = 0; item < items(); ++item) {
    if (field.begin[item] > field.begin[item + 1]) return DataLoss("offsets fall at item ", item);
  }
  for (std::uint32_t item = 0; item < items(); ++item) {
    const auto of_item = ValuesOf(field, item);
    for (std::size_t i = 0; i < of_item.size(); ++i) {
      if (of_item[i] >= values || (i > 0 && of_item[i] <= of_item[i - 1])) {
        return DataLoss("item ", item, " has a value past the end or out of order");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ItemEmbeddings::Storage::Check() const {
  if (dimension == 0 || dimension % 8 != 0) return DataLoss("dimension: no multiple of 8");
  if (items() > 0xfffffffeu) return DataLoss("too many items");
  if (rows.size() != items() * dimension || vectors.size() != rows.size()) {
    return DataLoss("rows, vectors: not one an item");
  }
  if (weights.size() != items() * (1 + fields.size())) {
    return DataLoss("weights: not one an item and slot");
  }
  if (!AllFinite(rows) || !AllFinite(vectors) || !AllFinite(weights)) {
    return DataLoss("rows, vectors, weights: a number is not finite");
  }
  for (const FieldView& field : fields) {
    FOURFOLD_RETURN_IF_ERROR(Annotate(CheckField(field), StrCat("field ", field.name)));
  }
  return absl::OkStatus();
}

void ItemEmbeddings::Storage::MarkTrainedValues() {
  for (FieldView& field : fields) {
    field.is_trained.assign(field.numbers.size(), 0);
    for (std::uint32_t item = 0; item < items(); ++item) {
      if (trained[item] == 0) continue;
      for (const std::uint32_t value : ValuesOf(field, item)) field.is_trained[value] = 1;
    }
  }
}

ItemEmbeddings::Storage::Numbers ItemEmbeddings::Storage::NumbersOf(
    const SideValues& values) const {
  FOURFOLD_CHECK(values.size() == fields.size());
  Numbers numbers(fields.size());
  for (std::size_t field = 0; field < fields.size(); ++field) {
    for (const std::string& value : values[field]) {
      const auto found = fields[field].numbers.find(value);
      if (found == fields[field].numbers.end()) continue;
      if (fields[field].is_trained[found->second] != 0) numbers[field].push_back(found->second);
    }
    std::sort(numbers[field].begin(), numbers[field].end());
    const auto end = std::unique(numbers[field].begin(), numbers[field].end());
    numbers[field].erase(end, numbers[field].end());
  }
  return numbers;
}

ItemEmbeddings::Storage::Numbers ItemEmbeddings::Storage::TrainedNumbersOf(
    std::uint32_t item) const {
  Numbers numbers;
  for (const FieldView& field : fields) {
    std::vector<std::uint32_t>& of_field = numbers.emplace_back();
    for (const std::uint32_t value : ValuesOf(field, item)) {
      if (field.is_trained[value] != 0) of_field.push_back(value);
    }
  }
  return numbers;
}

bool ItemEmbeddings::Storage::Compose(std::uint32_t item, const Numbers& numbers,
                                      std::span<float> vector) const {
  const bool is_trained = item != kNoItemRow && trained[item] != 0;
  // The slots that the item has, and their weights.
  std::vector<std::size_t> slots;
  if (is_trained) slots.push_back(0);
  for (std::size_t field = 0; field < fields.size(); ++field) {
    if (!numbers[field].empty()) slots.push_back(1 + field);
  }
  if (slots.empty()) return false;
  std::vector<float> shares(slots.size(), 1.0F / static_cast<float>(slots.size()));
  if (is_trained) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      shares[i] = weights[item * (1 + fields.size()) + slots[i]];
    }
    Softmax(shares);
  }
  std::fill(vector.begin(), vector.end(), 0.0F);
  const auto add = [&](float share, std::span<const float> table, std::size_t row) {
    for (std::size_t i = 0; i < dimension; ++i) vector[i] += share * table[row * dimension + i];
  };
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i] == 0) {
      add(shares[i], rows, item);
      continue;
    }
    const auto& values = numbers[slots[i] - 1];
    const float share = shares[i] / static_cast<float>(values.size());
    for (const std::uint32_t value : values) add(share, fields[slots[i] - 1].vectors, value);
  }
  Normalise(vector);
  return true;
}

ItemEmbeddings::ItemEmbeddings(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}
ItemEmbeddings::ItemEmbeddings(ItemEmbeddings&&) noexcept = default;
ItemEmbeddings& ItemEmbeddings::operator=(ItemEmbeddings&&) noexcept = default;
ItemEmbeddings::~ItemEmbeddings() = default;

ItemEmbeddings ItemEmbeddings::FromParts(Parts parts) {
  auto storage = std::make_unique<Storage>();
  Parts& owned = storage->owned = std::move(parts);
  storage->dimension = static_cast<std::size_t>(owned.dimension);
  storage->trained = owned.trained;
  storage->rows = owned.rows;
  storage->weights = owned.weights;
  for (const Field& field : owned.fields) {
    Storage::FieldView& view = storage->fields.emplace_back();
    view.name = field.name;
    for (const std::string& value : field.values) {
      view.numbers.emplace(value, static_cast<std::uint32_t>(view.numbers.size()));
    }
    view.begin = field.begin;
    view.value = field.value;
    view.vectors = field.vectors;
  }
  storage->owned_vectors.assign(owned.rows.size(), 0.0F);
  storage->vectors = storage->owned_vectors;
  const absl::Status sound = storage->Check();
  FOURFOLD_CHECK(sound.ok());
  storage->MarkTrainedValues();
  for (std::uint32_t item = 0; item < storage->items(); ++item) {
    storage->Compose(
        item, storage->TrainedNumbersOf(item),
        std::span(storage->owned_vectors).subspan(item * storage->dimension, storage->dimension));
  }
  return ItemEmbeddings(std::move(storage));
}

std::uint32_t ItemEmbeddings::items() const {
  return static_cast<std::uint32_t>(storage_->items());
}
std::size_t ItemEmbeddings::dimension() const { return storage_->dimension; }
std::span<const float> ItemEmbeddings::vectors() const { return storage_->vectors; }
bool ItemEmbeddings::IsTrained(std::uint32_t item) const { return storage_->trained[item] != 0; }

std::span<const float> ItemEmbeddings::VectorOf(std::uint32_t item) const {
  const auto vector = storage_->vectors.subspan(item * dimension(), dimension());
  const bool none = std::all_of(vector.begin(), vector.end(), [](float x) { return x == 0; });
  return none ? std::span<const float>() : vector;
}

std::size_t ItemEmbeddings::fields() const { return storage_->fields.size(); }
const std::string& ItemEmbeddings::FieldName(std::size_t field) const {
  return storage_->fields[field].name;
}

void ItemEmbeddings::VisitValues(
    std::size_t field,
    absl::FunctionRef<void(std::string_view value, std::span<const float> vector)> visit) const {
  const Storage::FieldView& view = storage_->fields[field];
  std::vector<std::pair<std::string_view, std::uint32_t>> values(view.numbers.begin(),
                                                                 view.numbers.end());
  std::sort(values.begin(), values.end());
  for (const auto& [value, number] : values) {
    if (view.is_trained[number] == 0) continue;
    visit(value, view.vectors.subspan(number * dimension(), dimension()));
  }
}

bool ItemEmbeddings::AreThoseOf(std::uint32_t item, const SideValues& values) const {
  return storage_->NumbersOf(values) == storage_->TrainedNumbersOf(item);
}

std::vector<float> ItemEmbeddings::Compose(std::uint32_t item, const SideValues& values) const {
  std::vector<float> vector(dimension());
  if (!storage_->Compose(item, storage_->NumbersOf(values), vector)) return {};
  return vector;
}

absl::Status ItemEmbeddings::Save(const std::string& path) const {
  const Storage& storage = *storage_;
  std::vector<TensorView> tensors = {
      MakeTensor<std::uint8_t>("trained", Dtype::kU8, storage.trained),
      MakeMatrix("rows", storage.rows, storage.dimension),
      MakeMatrix("vectors", storage.vectors, storage.dimension),
      MakeMatrix("weights", storage.weights, 1 + storage.fields.size())};
  std::map<std::string, std::string> metadata;
  // The dictionaries, which the tensors point into, live until the file is written.
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> dictionaries(
      storage.fields.size());
  for (std::size_t number = 0; number < storage.fields.size(); ++number) {
    const Storage::FieldView& field = storage.fields[number];
    metadata[FieldTensor(number, "name")] = field.name;
    auto& [bytes, offsets] = dictionaries[number];
    std::vector<std::string_view> values(field.numbers.size());
    for (const auto& [value, index] : field.numbers) values[index] = value;
    offsets.push_back(0);
    for (const std::string_view value : values) {
      bytes += value;
      offsets.push_back(static_cast<std::int64_t>(bytes.size()));
    }
    tensors.push_back(MakeTensor<std::uint8_t>(
        FieldTensor(number, "values.bytes"), Dtype::kU8,
        {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}));
    tensors.push_back(
        MakeTensor<std::int64_t>(FieldTensor(number, "values.offsets"), Dtype::kI64, offsets));
    tensors.push_back(
        MakeTensor<std::int64_t>(FieldTensor(number, "begin"), Dtype::kI64, field.begin));
    tensors.push_back(
        MakeTensor<std::uint32_t>(FieldTensor(number, "value"), Dtype::kI32, field.value));
    tensors.push_back(MakeMatrix(FieldTensor(number, "vectors"), field.vectors, storage.dimension));
  }
  return WriteSafetensors(path, tensors, metadata);
}

absl::StatusOr<ItemEmbeddings> ItemEmbeddings::Open(const std::string& path) {
  auto opened = OpenUnnamed(path);
  if (!opened.ok()) return Annotate(opened.status(), path);
  return opened;
}

absl::StatusOr<ItemEmbeddings> ItemEmbeddings::OpenUnnamed(const std::string& path) {
  FOURFOLD_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(path));
  auto storage = std::make_unique<Storage>();
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView trained, file.Find("trained", Dtype::kU8));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView rows, file.Find("rows", Dtype::kF32, 2));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView vectors, file.Find("vectors", Dtype::kF32, 2));
  FOURFOLD_ASSIGN_OR_RETURN(const TensorView weights, file.Find("weights", Dtype::kF32, 2));
  storage->dimension = rows.shape[1];
  storage->trained = trained.As<std::uint8_t>();
  storage->rows = rows.As<float>();
  storage->vectors = vectors.As<float>();
  storage->weights = weights.As<float>();
  // Each item has a weight for its own row and one for each field.
  const std::size_t fields = weights.shape[1] == 0 ? 0 : weights.shape[1] - 1;
  for (std::size_t number = 0; number < fields; ++number) {
    Storage::FieldView field;
    FOURFOLD_ASSIGN_OR_RETURN(field.name, FindMetadata(file, FieldTensor(number, "name")));
    FOURFOLD_RETURN_IF_ERROR(ReadDictionary(file, number, &field.numbers));
    FOURFOLD_ASSIGN_OR_RETURN(const TensorView begin,
                              file.Find(FieldTensor(number, "begin"), Dtype::kI64));
    FOURFOLD_ASSIGN_OR_RETURN(const TensorView value,
                              file.Find(FieldTensor(number, "value"), Dtype::kI32));
    FOURFOLD_ASSIGN_OR_RETURN(const TensorView field_vectors,
                              file.Find(FieldTensor(number, "vectors"), Dtype::kF32, 2));
    field.begin = begin.As<std::int64_t>();
    field.value = value.As<std::uint32_t>();
    field.vectors = field_vectors.As<float>();
    storage->fields.push_back(std::move(field));
  }
  FOURFOLD_RETURN_IF_ERROR(storage->Check());
  storage->MarkTrainedValues();
  storage->file = std::move(file);
  return ItemEmbeddings(std::move(storage));
}

}  // namespace fourfold
