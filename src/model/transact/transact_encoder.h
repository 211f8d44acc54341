#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "math/aligned_floats.h"
#include "math/bfloat16.h"
#include "math/column_kernels.h"
#include "model/transact/transact_tokens.h"

namespace fourfold {

// One user's sequence, and all that is computed from it alone or for one candidate after the other.
// Reused from request to request, it stops allocating. Not thread-safe. About 1.5 MB for the
// published shape.
class TransActRequest {
 private:
  friend class TransActEncoder;

  TransActTokens layout;
  std::size_t out_columns = 0;  // of x when the layers are done

  // Of the user; [rows, columns] each.
  AlignedFloats user;                         // type and item of each token
  AlignedFloats queries, first_keys, values;  // the user's part of the first layer's projections
  AlignedFloats logits, powers;  // [heads][keys]: queries times keys; 2^(that - maximum)

  // Of a block of candidates; a row a candidate.
  AlignedFloats candidates, candidate_queries, candidate_biases;
  AlignedFloats candidate_logits;  // [heads][candidates, columns]
  AlignedFloats pooled, pooled_out;

  // Of one candidate; [rows, columns] each.
  AlignedFloats x, y, attended, inner, projected, weights, attention, sums, weighted_values;
  AlignedFloats latest, latest_queries;  // of the rows that are passed on alone
};

// The model for all candidates of a request, with the answers of EncodePlainly up to rounding.
//
// In the first layer a token is [user part; candidate], so with q_i = Qu_i + qc and k_j = Ku_j + kc
// the logit q_i.k_j is Qu_i.Ku_j + qc.Ku_j and terms that softmax over j cancels. So the products
// of all rows with all rows are made once a request, and each candidate multiplies their
// exponentials E_ij with a w_j of its own. Where that product vanishes, as it does with sharp
// weights, the candidate goes through the sum of the logits instead. Keys need no bias, and that of
// the values goes through the output projection once. Without max_pool nobody asks what the last
// layer makes of rows that are not passed on, so it is not computed. Equal rows stand for one, as
// all their outputs are equal, and attention looks at it as often as it stands for rows; rows that
// attention must not look at stand last.
//
// With a single head two projections of each row are spared: queries times keys are x^T (Wk^T Wq)
// x, and values come through the output projection as (Wo Wv) x.
//
// In bfloat16 the factors of all products are rounded, the attention's, too; sums, softmax, layer
// normalisation and residual connections stay float32.
//
// Immutable; thread-safe. Nothing of it is per request: one thread has one TransActRequest.
class TransActEncoder {
 public:
  // The parameters' shape has been checked (TransActParameters::Load does).
  explicit TransActEncoder(TransActParameters parameters,
                           const ColumnKernels& kernels = FastColumnKernels(),
                           Precision precision = Precision::kFloat32);

  const TransActShape& shape() const { return shape_; }

  // The sequence (CheckSequence) and its HiddenRows; neither is needed afterwards.
  void Begin(const TransActSequence& sequence, std::span<const std::uint8_t> hidden,
             TransActRequest* request) const;
  // The outputs of candidates [n, item_dimension] as [n, output_width]. Any number of times.
  void Encode(std::span<const float> candidates, std::span<float> outputs,
              TransActRequest* request) const;

  // How many attention heads of candidates had to go through the sum of the logits.
  static std::size_t exact_heads_for_testing();

 private:
  struct Layer {
    // Queries, scaled by log2(e) / sqrt(head width), keys, values. With a single head the values
    // went through the output projection, and beyond the first layer queries are multiplied with
    // the layer's input itself, so that there are no keys.
    std::vector<float> in_weight;
    std::vector<float> in_bias;     // of the queries, scaled; 0 for keys and values
    std::vector<float> out_weight;  // empty with a single head
    std::vector<float> out_bias;    // with the output projection of the values' bias
    NormParameters norm1;
    LinearParameters linear1, linear2;
    NormParameters norm2;
  };

  // Of parameters whose queries are scaled.
  void MergeProjections(bool is_first, Layer* layer) const;
  // Rows of a layer's in_weight before those of the values, beyond the first layer.
  std::size_t ValueRow() const { return (shape_.heads == 1 ? 1 : 2) * shape_.width(); }
  // Whether the last layer is computed for the rows that are passed on and for no other.
  bool LatestAlone() const { return !shape_.max_pool && layers_.size() > 1; }
  void Reserve(TransActRequest* request) const;
  void ProjectCandidates(std::span<const float> candidates, TransActRequest* request) const;
  void AttendFirst(std::size_t candidate, TransActRequest* request) const;
  void Attend(const Layer& layer, TransActRequest* request) const;
  void AttendLatest(const Layer& layer, TransActRequest* request) const;
  // Queries [width, columns] to the keys and values of the layout's columns.
  void AttendTo(const float* queries, std::size_t columns, TransActRequest* request) const;
  // From the attended values on; x [width, columns] is the layer's input and becomes its output.
  void Finish(const Layer& layer, const float* out_bias, float* x, std::size_t columns,
              TransActRequest* request) const;
  void Take(std::size_t candidate, float* output, TransActRequest* request) const;
  void Pool(std::size_t candidates, float* outputs, TransActRequest* request) const;

  const TransActShape shape_;
  const ColumnKernels& kernels_;
  decltype(ColumnKernels::multiply) const multiply_;  // the one of kernels_ with the precision
  std::vector<float> action_table_;
  std::vector<Layer> layers_;
  // What the first layer's out_bias is in addition, by candidate: [width, item_dimension].
  std::vector<float> candidate_out_weight_;
  LinearParameters out_linear_;
};

}  // namespace fourfold
