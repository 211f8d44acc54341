#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/transact/number_encoding.h"
#include "model/transact/ranking_network.h"
#include "model/transact/transact_parameters.h"

namespace fourfold {

// A whole ranker around the encoder: item vectors, what the numbers of a row become, the cross
// network behind both, and what all of its rows and columns are called. What training makes and a
// file holds.
struct TransActRankerModel {
  // Names of numbers, those of the request first.
  std::vector<std::string> request_numbers, candidate_numbers;
  std::vector<std::string> heads;
  bool predicts_probability = true;  // a head's logit is one's log-odds, else a number to compare
  // Of type 2, 3, ...; 0 is padding and 1 any other name.
  std::vector<std::string> action_types;
  // Items with a learned vector, and those vectors [items, item_dimension]. Every other id has one
  // that is drawn of its name, so that an item is like itself wherever it stands; no id has zeros.
  std::vector<std::string> items;
  std::vector<float> item_table;
  NumberEncoding encoding;  // of all numbers
  TransActParameters encoder;
  RankingNetworkParameters network;

  // Rows of the network's input: numbers, the candidate's vector, the encoder's outputs.
  std::size_t number_rows() const;
  std::size_t vector_row() const { return number_rows(); }
  std::size_t encoder_row() const { return vector_row() + encoder.shape.item_dimension; }
  std::size_t inputs() const { return encoder_row() + encoder.shape.output_width(); }

  // InvalidArgument where parts do not fit each other.
  absl::Status Check() const;
};

inline constexpr std::size_t kFirstActionType = 2;

// The vector of an id that has not been learned.
void DrawItemVector(std::string_view id, std::span<float> vector);

// A safetensors file with a description in its metadata (docs/formats.md). Not atomic.
absl::Status WriteTransActRanker(const TransActRankerModel& model, const std::string& path);
// InvalidArgument, naming what is missing or does not fit.
absl::StatusOr<TransActRankerModel> ReadTransActRanker(const SafetensorsFile& file);

// Everything that is learned, by name, in one order, but the item table.
std::vector<std::pair<std::string, std::vector<float>*>> TensorsOf(TransActRankerModel* model);

}  // namespace fourfold
