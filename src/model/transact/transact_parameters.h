#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/safetensors.h"

// TransAct (Xia et al., "TransAct: Transformer-based Realtime User Action Model for Recommendation
// at Pinterest", KDD 2023): a user's latest actions, each put together with the candidate, go
// through a transformer encoder. Names and shapes of parameters are those of the module that
// Pinterest published.
namespace fourfold {

struct TransActShape {
  std::size_t actions = 100;      // rows of the sequence, newest first
  std::size_t action_types = 20;  // of the table; type 0 is padding
  std::size_t action_dimension = 32;
  std::size_t item_dimension = 32;
  std::size_t layers = 2;
  std::size_t heads = 1;  // 1 in the paper, 2 in the published module
  std::size_t feed_forward = 32;
  std::size_t latest = 10;  // rows of the output that are passed on as they are
  bool max_pool = true;     // the largest over all rows, too, through one more linear map

  // Of a row: the action's type, its item, and the candidate, in this order.
  std::size_t width() const { return action_dimension + 2 * item_dimension; }
  std::size_t user_width() const { return action_dimension + item_dimension; }
  std::size_t head_width() const { return width() / heads; }
  // Of a candidate's output: the pooled part, if any, then the latest rows, newest first.
  std::size_t output_width() const { return (latest + (max_pool ? 1 : 0)) * width(); }

  // InvalidArgument, naming what is wrong: something is 0, heads do not divide the width, more rows
  // are passed on than there are, or something is past 4096.
  absl::Status Check() const;
};

// A linear map: y = weight x + bias.
struct LinearParameters {
  std::vector<float> weight;  // [outputs, inputs]
  std::vector<float> bias;    // [outputs]
};

struct NormParameters {
  std::vector<float> gain;   // torch calls it weight
  std::vector<float> shift;  // and bias
};

struct TransActLayer {
  LinearParameters in_projection;   // [3 width, width]: queries, keys, values
  LinearParameters out_projection;  // [width, width]
  NormParameters norm1;
  LinearParameters linear1;  // [feed_forward, width]
  LinearParameters linear2;  // [width, feed_forward]
  NormParameters norm2;
};

struct TransActParameters {
  TransActShape shape;
  std::vector<float> action_table;  // [action_types, action_dimension]
  std::vector<TransActLayer> layers;
  LinearParameters out_linear;  // [width, width]; empty without max_pool

  // Reads tensors named prefix + the module's own names. InvalidArgument, naming the tensor, when
  // one is missing, is no F32, has another shape than `shape` says or holds what is not finite.
  static absl::StatusOr<TransActParameters> Load(const SafetensorsFile& file,
                                                 std::string_view prefix,
                                                 const TransActShape& shape);
};

// All tensors by the published module's names, always in the same order.
std::vector<std::pair<std::string, std::vector<float>*>> TensorsOf(TransActParameters* parameters);

// The shape of a tensor that TensorsOf names.
std::vector<std::uint64_t> TensorShapeOf(const TransActShape& shape, std::string_view name,
                                         std::size_t elements);

}  // namespace fourfold
