#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "math/bfloat16.h"
#include "model/transact/code_table.h"
#include "model/transact/frozen_items.h"
#include "model/transact/number_encoding.h"
#include "model/transact/ranking_network.h"
#include "model/transact/transact_parameters.h"

namespace fourfold {

// A whole ranker around the encoder: item vectors, what the numbers of a row become, the cross
// network behind both, and what all of its rows and columns are called. What training makes and a
// file holds.
struct TransActRankerModel {
  // Names of a row's columns, those of the request first.
  std::vector<std::string> request_columns, candidate_columns;
  // What each of them is, in that order; empty: all are numbers. Those that are codes of the
  // candidate's item stand together, among the candidate's.
  enum class Column : std::uint8_t {
    kNumber,
    kItemCode,
    kCategory,  // a code of a text about the request or candidate
    kUnused,
  };
  std::vector<Column> columns;
  std::vector<std::string> heads;
  bool predicts_probability = true;  // a head's logit is one's log-odds, else a number to compare
  // Of type 2, 3, ...; 0 is padding and 1 any other name.
  std::vector<std::string> action_types;
  // Items with a learned vector, and those vectors [items, item_dimension].
  std::vector<std::string> items;
  std::vector<float> item_table;
  // What the codes of an item say of it, item_dimension each. An item's vector is their mean plus
  // its own, where it has learned one. One with neither has a vector that is drawn of its id, so
  // that it is like itself wherever it stands; no id has zeros.
  CodeTable side;
  // In place of the three, where a retriever's vectors are taken as they are; null: they are
  // learned.
  std::shared_ptr<const FrozenItems> frozen;
  CodeTable categories;     // what the codes of categories say to the network, of all such columns
  NumberEncoding encoding;  // of all numbers
  TransActParameters encoder;
  RankingNetworkParameters network;
  // That its answers are computed in, and that the products of its training were.
  Precision precision = Precision::kFloat32;
  Precision training_precision = Precision::kFloat32;

  Column column(std::size_t place) const {
    return columns.empty() ? Column::kNumber : columns[place];
  }
  std::size_t row_size() const { return request_columns.size() + candidate_columns.size(); }
  // Where the codes of the candidate's item begin among the candidate's columns, and how many there
  // are; each action has as many of its own.
  std::size_t item_code_begin() const;
  std::size_t item_codes() const { return CountOf(Column::kItemCode); }
  std::size_t CountOf(Column kind) const;

  // Rows of the network's input: what becomes of the columns, the candidate's vector, the encoder's
  // outputs. Those of the request's columns come first, and are the same for all candidates.
  std::size_t request_inputs() const { return InputsOf(0, request_columns.size()); }
  std::size_t column_inputs() const { return InputsOf(0, row_size()); }
  std::size_t InputsOf(std::size_t begin, std::size_t end) const;  // columns [begin, end)
  std::size_t vector_row() const;                                  // column_inputs, padded
  std::size_t encoder_row() const { return vector_row() + encoder.shape.item_dimension; }
  std::size_t inputs() const { return encoder_row() + encoder.shape.output_width(); }

  // InvalidArgument where parts do not fit each other.
  absl::Status Check() const;

 private:
  bool HasItemVectors() const;  // all of them, and none too many
};

inline constexpr std::size_t kFirstActionType = 2;

// The vector of an id that has not been learned.
void DrawItemVector(std::string_view id, std::span<float> vector);

// A safetensors file with a description in its metadata (docs/formats.md). Not atomic.
absl::Status WriteTransActRanker(const TransActRankerModel& model, const std::string& path);
// InvalidArgument, naming what is missing or does not fit.
absl::StatusOr<TransActRankerModel> ReadTransActRanker(const SafetensorsFile& file);

// Everything that is always learned, by name, in one order, but the tables of vectors.
std::vector<std::pair<std::string, std::vector<float>*>> TensorsOf(TransActRankerModel* model);

}  // namespace fourfold
