#include "model/transact/transact_ranker_model.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "math/random.h"

namespace fourfold {
namespace {

using Json = nlohmann::json;

constexpr char kDescription[] = "fourfold.transact_ranker";
constexpr int kFormat = 3;         // 1 had no columns but numbers
constexpr int kLearnedFormat = 2;  // what has no frozen items is written so

constexpr char kFloat32Name[] = "f32";
constexpr char kBfloat16Name[] = "bf16";

const char* NameOf(Precision precision) {
  return precision == Precision::kBfloat16 ? kBfloat16Name : kFloat32Name;
}

using Column = TransActRankerModel::Column;
constexpr std::size_t kCodeDimensionMax = 4096;
constexpr std::pair<std::string_view, Column> kColumnNames[] = {{"number", Column::kNumber},
                                                                {"item_code", Column::kItemCode},
                                                                {"category", Column::kCategory},
                                                                {"unused", Column::kUnused}};

Json NamesOf(const std::vector<Column>& columns) {
  Json names = Json::array();
  for (const Column column : columns) {
    for (const auto& [name, one] : kColumnNames) {
      if (one == column) names.push_back(name);
    }
  }
  return names;
}

// Throws Json's exceptions, and leaves out names that are none.
std::vector<Column> ColumnsOf(const Json& names) {
  std::vector<Column> columns;
  for (const Json& element : names) {
    for (const auto& [name, column] : kColumnNames) {
      if (name == element.get<std::string>()) columns.push_back(column);
    }
  }
  return columns;
}

Json DescriptionOf(const TransActRankerModel& model) {
  const TransActShape& shape = model.encoder.shape;
  Json description = {{"format", model.frozen == nullptr ? kLearnedFormat : kFormat},
                      {"request_numbers", model.request_columns},
                      {"candidate_numbers", model.candidate_columns},
                      {"columns", NamesOf(model.columns)},
                      {"side_rows", model.side.rows()},
                      {"category_rows", model.categories.rows()},
                      {"category_dimension", model.categories.dimension},
                      {"heads", model.heads},
                      {"predicts_probability", model.predicts_probability},
                      {"action_types", model.action_types},
                      {"actions", shape.actions},
                      {"action_dimension", shape.action_dimension},
                      {"item_dimension", shape.item_dimension},
                      {"layers", shape.layers},
                      {"attention_heads", shape.heads},
                      {"feed_forward", shape.feed_forward},
                      {"latest", shape.latest},
                      {"max_pool", shape.max_pool},
                      {"cross_layers", model.network.shape.cross_layers},
                      {"hidden", model.network.shape.hidden},
                      {"precision", NameOf(model.precision)},
                      {"training_precision", NameOf(model.training_precision)}};
  if (model.frozen == nullptr) return description;
  const FrozenItems::Parts& frozen = model.frozen->parts();
  description["side_rows"] = frozen.keys.size();
  description["frozen_fields"] = frozen.fields;
  return description;
}

// Of the tables of codes, and what else says how to read them.
struct CodeRows {
  std::size_t side = 0, categories = 0;
  bool is_frozen = false;
  std::vector<std::string> frozen_fields;
};

absl::Status ReadDescription(const std::string& text, TransActRankerModel* model, CodeRows* rows) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const int format = json.is_object() ? json.value("format", 0) : 0;
  if (format < 1 || format > kFormat) {
    return InvalidArgument("not a ranker of format 1 to ", kFormat);
  }
  TransActShape& shape = model->encoder.shape;
  try {
    json.at("request_numbers").get_to(model->request_columns);
    json.at("candidate_numbers").get_to(model->candidate_columns);
    if (format > 1) {
      model->columns = ColumnsOf(json.at("columns"));
      if (model->columns.size() != json["columns"].size()) {
        return InvalidArgument("description: columns of an unknown kind");
      }
      json.at("side_rows").get_to(rows->side);
      json.at("category_rows").get_to(rows->categories);
      json.at("category_dimension").get_to(model->categories.dimension);
    }
    if (format > kLearnedFormat) {
      rows->is_frozen = true;
      json.at("frozen_fields").get_to(rows->frozen_fields);
    }
    json.at("heads").get_to(model->heads);
    json.at("predicts_probability").get_to(model->predicts_probability);
    json.at("action_types").get_to(model->action_types);
    json.at("actions").get_to(shape.actions);
    json.at("action_dimension").get_to(shape.action_dimension);
    json.at("item_dimension").get_to(shape.item_dimension);
    json.at("layers").get_to(shape.layers);
    json.at("attention_heads").get_to(shape.heads);
    json.at("feed_forward").get_to(shape.feed_forward);
    json.at("latest").get_to(shape.latest);
    json.at("max_pool").get_to(shape.max_pool);
    json.at("cross_layers").get_to(model->network.shape.cross_layers);
    json.at("hidden").get_to(model->network.shape.hidden);
    for (const auto& [key, precision] :
         {std::pair("precision", &model->precision),
          std::pair("training_precision", &model->training_precision)}) {
      const std::string name = json.value(key, kFloat32Name);
      if (name != kFloat32Name && name != kBfloat16Name) {
        return InvalidArgument("description: no ", key, " ", name);
      }
      if (name == kBfloat16Name) *precision = Precision::kBfloat16;
    }
  } catch (const Json::exception& error) {
    return InvalidArgument("description: ", std::string_view(error.what()));
  }
  shape.action_types = model->action_types.size() + kFirstActionType;
  return absl::OkStatus();
}

absl::Status ReadFloats(const SafetensorsFile& file, std::string_view name, std::size_t size,
                        std::vector<float>* floats) {
  for (const TensorView& tensor : file.tensors()) {
    if (tensor.name != name) continue;
    if (tensor.dtype != Dtype::kF32 || tensor.elements() != size) break;
    const std::span<const float> values = tensor.As<float>();
    if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
      return InvalidArgument("tensor ", name, " holds a number that is not finite");
    }
    floats->assign(values.begin(), values.end());
    return absl::OkStatus();
  }
  return InvalidArgument("tensor ", name, " is missing or not F32 of ", size, " elements");
}

absl::Status ReadTable(const SafetensorsFile& file, std::string_view name, std::size_t rows,
                       CodeTable* table) {
  if (rows > CodeTable::kCodesMax || table->dimension > kCodeDimensionMax) {
    return InvalidArgument("tensor ", name, ": more than ", CodeTable::kCodesMax, " rows or ",
                           kCodeDimensionMax, " columns");
  }
  if (rows == 0) return absl::OkStatus();
  return ReadFloats(file, name, rows * table->dimension, &table->vectors);
}

absl::Status ReadItems(const SafetensorsFile& file, std::size_t dimension,
                       std::vector<std::string>* items, std::vector<float>* vectors) {
  const auto bytes = file.Find("items.ids", Dtype::kU8);
  FOURFOLD_RETURN_IF_ERROR(bytes.status());
  const auto ends = file.Find("items.ends", Dtype::kU64);
  FOURFOLD_RETURN_IF_ERROR(ends.status());
  std::uint64_t begin = 0;
  for (const std::uint64_t end : ends->As<std::uint64_t>()) {
    if (end < begin || end > bytes->bytes.size()) return InvalidArgument("items.ends: not rising");
    items->emplace_back(bytes->bytes.substr(begin, end - begin));
    begin = end;
  }
  return ReadFloats(file, "items.vectors", items->size() * dimension, vectors);
}

absl::Status ReadFrozen(const SafetensorsFile& file, CodeRows rows, TransActRankerModel* model) {
  FrozenItems::Parts parts;
  parts.dimension = model->encoder.shape.item_dimension;
  FOURFOLD_RETURN_IF_ERROR(ReadItems(file, parts.dimension, &parts.items, &parts.vectors));
  parts.fields = std::move(rows.frozen_fields);
  if (!parts.fields.empty()) parts.codes_per_field = model->item_codes() / parts.fields.size();
  if (rows.side > FrozenItems::kFieldsMax * CodeTable::kCodesMax) {
    return InvalidArgument("side_rows: more than there are codes");
  }
  if (rows.side > 0) {
    FOURFOLD_ASSIGN_OR_RETURN(const TensorView keys, file.Find("side.codes", Dtype::kU32));
    const auto numbers = keys.As<std::uint32_t>();
    parts.keys.assign(numbers.begin(), numbers.end());
    FOURFOLD_RETURN_IF_ERROR(
        ReadFloats(file, "side.vectors", rows.side * parts.dimension, &parts.side_vectors));
  }
  FOURFOLD_ASSIGN_OR_RETURN(model->frozen, FrozenItems::Make(std::move(parts)));
  return absl::OkStatus();
}

}  // namespace

std::size_t TransActRankerModel::item_code_begin() const {
  const auto first = std::find(columns.begin(), columns.end(), Column::kItemCode);
  return first == columns.end()
             ? 0
             : static_cast<std::size_t>(first - columns.begin()) - request_columns.size();
}

std::size_t TransActRankerModel::CountOf(Column kind) const {
  if (columns.empty()) return kind == Column::kNumber ? row_size() : 0;
  return static_cast<std::size_t>(std::count(columns.begin(), columns.end(), kind));
}

std::size_t TransActRankerModel::InputsOf(std::size_t begin, std::size_t end) const {
  std::size_t inputs = 0;
  for (std::size_t place = begin; place < end; ++place) {
    if (column(place) == Column::kNumber) inputs += NumberEncoding::kRows;
    if (column(place) == Column::kCategory) inputs += categories.dimension;
  }
  return inputs;
}

std::size_t TransActRankerModel::vector_row() const { return PaddedColumns(column_inputs()); }

absl::Status TransActRankerModel::Check() const {
  FOURFOLD_RETURN_IF_ERROR(encoder.shape.Check());
  FOURFOLD_RETURN_IF_ERROR(network.shape.Check());
  if (encoder.shape.item_dimension % 8 != 0 || encoder.shape.action_dimension % 8 != 0) {
    return InvalidArgument("dimensions must be multiples of 8");
  }
  const auto request = static_cast<std::ptrdiff_t>(request_columns.size());
  const auto codes = static_cast<std::ptrdiff_t>(item_codes());
  const bool has_columns = columns.empty() || columns.size() == row_size();
  const auto first = std::find(columns.begin(), columns.end(), Column::kItemCode);
  if (!has_columns ||
      (codes > 0 && (first - columns.begin() < request ||
                     std::count(first, first + codes, Column::kItemCode) != codes))) {
    return InvalidArgument("the columns of the ranker are not in order");
  }
  const std::size_t dimension = encoder.shape.item_dimension;
  if (encoder.shape.action_types != action_types.size() + kFirstActionType ||
      network.shape.heads != heads.size() || network.shape.inputs != inputs() ||
      encoding.numbers() != CountOf(Column::kNumber) ||
      item_table.size() != items.size() * dimension || !HasItemVectors() ||
      categories.vectors.empty() != (CountOf(Column::kCategory) == 0) || !categories.IsWhole()) {
    return InvalidArgument("the parts of the ranker do not fit each other");
  }
  return absl::OkStatus();
}

bool TransActRankerModel::HasItemVectors() const {
  const std::size_t dimension = encoder.shape.item_dimension;
  if (frozen != nullptr) {
    return items.empty() && side.vectors.empty() && frozen->dimension() == dimension &&
           frozen->item_codes() == item_codes();
  }
  return side.vectors.empty() == (item_codes() == 0) && side.IsWhole() &&
         (item_codes() == 0 || side.dimension == dimension);
}

void DrawItemVector(std::string_view id, std::span<float> vector) {
  if (id.empty()) {
    std::fill(vector.begin(), vector.end(), 0.0F);
    return;
  }
  Random random(StableHash(id));
  // Uniform with a standard deviation of 1/2.
  for (float& value : vector) value = (2 * random.Unit() - 1) * 0.8660254F;
}

std::vector<std::pair<std::string, std::vector<float>*>> TensorsOf(TransActRankerModel* model) {
  std::vector<std::pair<std::string, std::vector<float>*>> tensors;
  for (auto& [name, values] : TensorsOf(&model->encoder)) {
    tensors.emplace_back("encoder." + name, values);
  }
  for (auto& [name, values] : TensorsOf(&model->network)) {
    tensors.emplace_back("network." + name, values);
  }
  return tensors;
}

absl::Status WriteTransActRanker(const TransActRankerModel& model, const std::string& path) {
  FOURFOLD_RETURN_IF_ERROR(model.Check());
  TransActRankerModel copy = model;
  std::vector<TensorView> tensors;
  for (const auto& [name, values] : TensorsOf(&copy.encoder)) {
    TensorView tensor =
        MakeTensor<float>("encoder." + name, Dtype::kF32, std::span<const float>(*values));
    tensor.shape = TensorShapeOf(model.encoder.shape, name, values->size());
    tensors.push_back(std::move(tensor));
  }
  for (const auto& [name, values] : TensorsOf(&copy.network)) {
    tensors.push_back(
        MakeTensor<float>("network." + name, Dtype::kF32, std::span<const float>(*values)));
  }
  const FrozenItems::Parts* const frozen =
      model.frozen == nullptr ? nullptr : &model.frozen->parts();
  tensors.push_back(MakeTensor<float>("items.vectors", Dtype::kF32,
                                      frozen == nullptr ? model.item_table : frozen->vectors));
  if (frozen != nullptr && !frozen->keys.empty()) {
    tensors.push_back(MakeTensor<std::uint32_t>("side.codes", Dtype::kU32, frozen->keys));
    tensors.push_back(MakeTensor<float>("side.vectors", Dtype::kF32, frozen->side_vectors));
  }
  for (const auto& [name, table] :
       {std::pair("side.vectors", &model.side), {"categories.vectors", &model.categories}}) {
    if (table->vectors.empty()) continue;
    tensors.push_back(MakeTensor<float>(name, Dtype::kF32, table->vectors));
  }
  tensors.push_back(MakeTensor<float>("numbers.fitted", Dtype::kF32, model.encoding.fitted()));
  std::string bytes;
  std::vector<std::uint64_t> ends;
  for (const std::string& id : frozen == nullptr ? model.items : frozen->items) {
    bytes += id;
    ends.push_back(bytes.size());
  }
  const std::span<const std::uint8_t> ids(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                          bytes.size());
  tensors.push_back(MakeTensor<std::uint8_t>("items.ids", Dtype::kU8, ids));
  tensors.push_back(MakeTensor<std::uint64_t>("items.ends", Dtype::kU64, ends));
  return WriteSafetensors(path, tensors, {{kDescription, DescriptionOf(model).dump()}});
}

absl::StatusOr<TransActRankerModel> ReadTransActRanker(const SafetensorsFile& file) {
  const auto description = file.metadata().find(kDescription);
  if (description == file.metadata().end()) return InvalidArgument("no description of a ranker");
  TransActRankerModel model;
  CodeRows rows;
  FOURFOLD_RETURN_IF_ERROR(ReadDescription(description->second, &model, &rows));
  FOURFOLD_ASSIGN_OR_RETURN(model.encoder,
                            TransActParameters::Load(file, "encoder.", model.encoder.shape));
  RankingNetworkShape shape = model.network.shape;
  shape.inputs = model.inputs();
  shape.heads = model.heads.size();
  FOURFOLD_RETURN_IF_ERROR(shape.Check());
  model.network = RankingNetworkParameters::Zeros(shape);
  for (auto& [name, values] : TensorsOf(&model.network)) {
    FOURFOLD_RETURN_IF_ERROR(ReadFloats(file, StrCat("network.", name), values->size(), values));
  }
  std::vector<float> fitted;
  FOURFOLD_RETURN_IF_ERROR(ReadFloats(
      file, "numbers.fitted", model.CountOf(Column::kNumber) * NumberEncoding::kFitted, &fitted));
  model.encoding = NumberEncoding(std::move(fitted));
  const std::size_t dimension = model.encoder.shape.item_dimension;
  FOURFOLD_RETURN_IF_ERROR(
      ReadTable(file, "categories.vectors", rows.categories, &model.categories));
  if (rows.is_frozen) {
    FOURFOLD_RETURN_IF_ERROR(ReadFrozen(file, std::move(rows), &model));
  } else {
    FOURFOLD_RETURN_IF_ERROR(ReadItems(file, dimension, &model.items, &model.item_table));
    model.side.dimension = dimension;
    FOURFOLD_RETURN_IF_ERROR(ReadTable(file, "side.vectors", rows.side, &model.side));
  }
  FOURFOLD_RETURN_IF_ERROR(model.Check());
  return model;
}

}  // namespace fourfold
