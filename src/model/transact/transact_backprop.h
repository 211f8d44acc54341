#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "math/aligned_floats.h"
#include "math/column_kernels.h"
#include "math/gradient_kernels.h"
#include "model/transact/training_products.h"
#include "model/transact/transact_tokens.h"

namespace fourfold {

// Dropout of the attention, of both residual branches and of the inner layer, as torch's encoder
// layer has it. Candidate c of a step draws its bits from (seed, step, c).
struct TransActDropout {
  double share = 0;  // from 0 to below 1
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
};

// What Forward of one request leaves for Backward. Reused, it stops allocating. For the published
// shape and a user with 100 actions 0.7 MB a candidate. Not thread-safe.
class TransActTape {
 private:
  friend class TransActBackprop;

  // Of one candidate in one layer. [rows, columns] each.
  struct Saved {
    float* projected = nullptr;      // queries, keys, values; not of the first layer
    float* probabilities = nullptr;  // [heads][keys, columns]
    float* attended = nullptr;
    float* normalised1 = nullptr;
    float* scales1 = nullptr;
    float* inner = nullptr;  // rectified and after dropout
    float* normalised2 = nullptr;
    float* scales2 = nullptr;
    // Bits of dropout; null without any.
    std::uint8_t* kept_probabilities = nullptr;
    std::uint8_t* kept1 = nullptr;
    std::uint8_t* kept2 = nullptr;
  };

  TransActTokens layout;
  std::size_t candidates = 0;
  std::size_t candidate_columns = 0;  // candidates, padded
  std::uint16_t threshold = 0;        // of dropout
  // Of the user: as in TransActRequest, queries scaled by log2(e) / sqrt(head width).
  AlignedFloats user, queries, first_keys, values, logits;
  // Of all candidates: themselves, and the first layer's projections of them, as columns.
  AlignedFloats items, item_queries, item_values;
  AlignedFloats item_rows;    // [candidates, item_dimension]
  AlignedFloats item_logits;  // [heads][candidates, columns]
  AlignedFloats pooled_rows;  // [candidates, width]
  std::vector<std::size_t> pooled_tokens;
  AlignedFloats saved;
  std::vector<std::uint8_t> bits;
};

// The model forwards and backwards, for training: its outputs without dropout are those of
// EncodePlainly up to rounding. A request's sequence is embedded, projected and, in the first
// layer, multiplied with itself once for all its candidates, and so are the gradients: a token is
// [user part; candidate], its query Qu_i + qc, its key Ku_j + kc, and kc adds the same to all
// logits of a column, so that softmax and its gradient do not see it. What dropout makes of the
// attention is each candidate's own.
//
// Rows that attention must not look at and that are equal stand for one, dropout included.
//
// In bfloat16 the factors of all products are rounded, those of the attention and of the gradients,
// too; sums, softmax, layer normalisation, residual connections, parameters and what their
// gradients add up to stay float32.
//
// Dimensions and feed_forward are multiples of 8. Not thread-safe: one thread has one of these.
class TransActBackprop {
 public:
  explicit TransActBackprop(const TransActShape& shape,
                            const ColumnKernels& kernels = FastColumnKernels(),
                            const GradientKernels& gradient_kernels = FastGradientKernels(),
                            Precision precision = Precision::kFloat32);
  // InvalidArgument for a shape that cannot be trained.
  static absl::Status CheckShape(const TransActShape& shape);

  // The outputs of candidates [n, item_dimension] as [n, output_width]. Parameters have the shape;
  // sequence and hidden as for TransActEncoder::Begin, not needed afterwards.
  void Forward(const TransActParameters& parameters, const TransActSequence& sequence,
               std::span<const std::uint8_t> hidden, std::span<const float> candidates,
               const TransActDropout& dropout, TransActTape* tape, std::span<float> outputs);
  // Of a loss with these gradients by the outputs, adds those by the parameters (shaped as they),
  // by the items of the sequence [actions, item_dimension] (those of equal hidden rows at one of
  // them) and by the candidates. Same parameters as in Forward. `types` of the sequence.
  void Backward(const TransActParameters& parameters, std::span<const std::int32_t> types,
                std::span<const float> output_gradients, TransActTape* tape,
                TransActParameters* gradients, std::span<float> item_gradients,
                std::span<float> candidate_gradients);

  // How much of the last layer's attention each row of the sequence got from this candidate, the
  // mean over heads and rows; [actions], 0 for hidden rows. After Forward without dropout they sum
  // to 1.
  std::vector<float> LastAttention(const TransActTape& tape, std::size_t candidate) const;

 private:
  using Saved = TransActTape::Saved;

  Saved SavedOf(const TransActTape& tape, std::size_t candidate, std::size_t layer) const;
  void Reserve(std::size_t candidates, TransActTape* tape);
  void ProjectUser(const TransActLayer& first, TransActTape* tape);
  void ProjectCandidates(const TransActLayer& first, std::span<const float> candidates,
                         TransActTape* tape);
  void DrawBits(const TransActTape& tape, DropoutRandom* random, const Saved& saved);
  // The first layer's values of the user's rows beside a candidate, [width, columns].
  const float* FirstValues(std::size_t candidate, const TransActTape& tape);
  void AttendFirst(std::size_t candidate, const TransActTape& tape, const Saved& saved);
  void Attend(const TransActLayer& layer, const TransActTape& tape, const Saved& saved);
  // Probabilities from logits, and what they make of values [head_width, columns].
  void Mix(std::size_t head, const float* logits, const float* addends, const float* values,
           const TransActTape& tape, const Saved& saved);
  void Finish(const TransActLayer& layer, const TransActTape& tape, const Saved& saved);
  void Take(std::size_t candidate, TransActTape* tape, float* output);
  void Pool(const TransActParameters& parameters, TransActTape* tape, std::span<float> outputs);

  // gradient_ by a layer's output becomes that by the sum that norm1 normalised; attended_gradient_
  // is filled.
  void FinishBackward(const TransActLayer& layer, const TransActTape& tape, const Saved& saved,
                      TransActLayer* gradients);
  // Of one head: fills the rows of projected_gradient_ that are its values', and its logits'
  // gradient, [keys, columns], in logit_gradient_.
  void MixBackward(std::size_t head, const float* values, const TransActTape& tape,
                   const Saved& saved);
  void AttendBackward(const TransActLayer& layer, const float* x, const TransActTape& tape,
                      const Saved& saved, TransActLayer* gradients);
  void AttendFirstBackward(std::size_t candidate, const TransActTape& tape, const Saved& saved);
  // What all candidates have in common, at the end.
  void UserBackward(const TransActParameters& parameters, std::span<const std::int32_t> types,
                    const TransActTape& tape, TransActParameters* gradients,
                    std::span<float> item_gradients);
  void CandidatesBackward(const TransActLayer& first, const TransActTape& tape,
                          TransActLayer* gradients, std::span<float> candidate_gradients);
  void PoolBackward(const TransActParameters& parameters, std::span<const float> output_gradients,
                    const TransActTape& tape, TransActParameters* gradients);
  void TakeBackward(std::size_t candidate, const TransActTape& tape,
                    std::span<const float> output_gradients);
  // Of a linear map of columns, y = weight x, from [outputs, columns] and [inputs, columns].
  void AddWeightGradient(const float* y_gradient, const float* x, std::size_t outputs,
                         std::size_t inputs, std::size_t columns, std::size_t weight_stride,
                         float* weight_gradient);

  const TransActShape shape_;
  const ColumnKernels& kernels_;
  const GradientKernels& gradient_kernels_;
  const TrainingProducts products_;
  const float query_scale_;

  // Scratch; [rows, columns] each.
  AlignedFloats x_, y_, dropped_, mixed_values_, sums_;
  AlignedFloats gradient_, branch_gradient_, inner_gradient_, attended_gradient_;
  AlignedFloats projected_gradient_, logit_gradient_, transposed_;
  // Sums over the candidates of a request, in the first layer.
  AlignedFloats user_gradient_, user_query_gradient_, user_key_gradient_, user_value_gradient_;
  AlignedFloats user_logit_gradient_;                        // [heads][keys, columns]
  AlignedFloats item_query_gradient_, item_value_gradient_;  // [width, candidate_columns]
  AlignedFloats item_gradient_;                              // [item_dimension, candidate_columns]
  AlignedFloats pooled_gradient_;                            // [width, candidate_columns]
  std::vector<float> logit_row_sums_, column_sums_;
  std::vector<std::uint8_t> inner_bits_;
};

}  // namespace fourfold
