#pragma once

#include <cstddef>
#include <vector>

#include "math/aligned_floats.h"
#include "math/strip_kernels.h"
#include "model/transact/ranking_network.h"

namespace fourfold {

// Input of a PackedRankingNetwork and all that lies between it and the logits, in strips of
// candidates. Reused, it stops allocating: 8.5 MB for 1,408 inputs and 500 candidates. Not
// thread-safe.
class RankingStrips {
 public:
  // Room for so many candidates.
  void Begin(const RankingNetworkShape& shape, std::size_t candidates);
  std::size_t candidates() const { return candidates_; }
  // A candidate's first input; each further one stands kStripColumns further.
  float* input(std::size_t candidate) {
    return crossed_[0].data() + candidate / kStripColumns * inputs_ * kStripColumns +
           candidate % kStripColumns;
  }
  float logit(std::size_t head, std::size_t candidate) const {
    return logits_.data()[(candidate / kStripColumns * head_rows_ + head) * kStripColumns +
                          candidate % kStripColumns];
  }

 private:
  friend class PackedRankingNetwork;

  std::size_t candidates_ = 0, inputs_ = 0, head_rows_ = 0;
  AlignedFloats crossed_[3];  // x_0; the others take turns
  AlignedFloats hidden_[2];   // take turns
  AlignedFloats logits_;
  std::vector<float> first_bias_;
};

// RankingNetwork as it answers: its logits without dropout, up to rounding, several times as fast.
//
// Weights are laid out once as products read them, and a layer reads them once for all candidates;
// a cross layer's x_0 * (W x + b) + x is made while the sums are still in registers. The first
// inputs, which a request gives and its candidates share, are multiplied with the first layer once
// a request. In bfloat16 the factors of products are rounded but for this one, and weights take
// half the memory. Immutable; thread-safe.
class PackedRankingNetwork {
 public:
  // The first `shared_inputs` inputs are the same for all candidates of a request. Keeps nothing of
  // the parameters, whose shape has been checked.
  PackedRankingNetwork(const RankingNetworkParameters& parameters, std::size_t shared_inputs,
                       const StripKernels& kernels = FastStripKernels(),
                       Precision precision = Precision::kFloat32);

  // From strips' input to its logits.
  void Forward(RankingStrips* strips) const;

 private:
  struct Layer {
    PackedMatrix weight;
    std::vector<float> bias;  // as many as the weight has rows
  };

  Layer Pack(const LinearParameters& linear, std::size_t inputs, std::size_t skipped) const;

  const RankingNetworkShape shape_;
  const std::size_t shared_inputs_;
  const StripKernels& kernels_;
  const Precision precision_;
  // Of the first layer, where there is a shared input and a layer: [shared_inputs, its rows].
  std::vector<float> shared_weight_;
  std::vector<Layer> cross_, hidden_;
  Layer head_;
};

}  // namespace fourfold
