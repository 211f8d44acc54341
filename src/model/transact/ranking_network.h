#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "math/aligned_floats.h"
#include "math/column_kernels.h"
#include "math/gradient_kernels.h"
#include "model/transact/training_products.h"
#include "model/transact/transact_parameters.h"

namespace fourfold {

// What makes predictions of a candidate's features: full-rank cross layers, x_{l+1} = x_0 * (W x_l
// + b) + x_l (Wang et al., "DCN V2", 2021), then rectified layers, then a logit for each head.
struct RankingNetworkShape {
  std::size_t inputs = 0;  // a multiple of 8
  std::size_t cross_layers = 2;
  std::vector<std::size_t> hidden = {128, 64};  // multiples of 8
  std::size_t heads = 1;

  std::size_t last() const { return hidden.empty() ? inputs : hidden.back(); }
  // InvalidArgument, naming what is wrong.
  absl::Status Check() const;
};

struct RankingNetworkParameters {
  RankingNetworkShape shape;
  std::vector<LinearParameters> cross;
  std::vector<LinearParameters> hidden;
  LinearParameters head;

  // All of the shape's sizes, with zeros.
  static RankingNetworkParameters Zeros(const RankingNetworkShape& shape);
};

// All tensors by name, in one order.
std::vector<std::pair<std::string, std::vector<float>*>> TensorsOf(
    RankingNetworkParameters* parameters);

// Input and all that Forward leaves for Backward; columns are candidates. Reused, it stops
// allocating. Not thread-safe.
class RankingNetworkTape {
 public:
  // Room for the input of so many candidates, [inputs, columns()].
  void Begin(const RankingNetworkShape& shape, std::size_t candidates);
  std::size_t columns() const { return columns_; }
  float* input() { return crossed_.data(); }
  const float* logits() const { return logits_.data(); }  // [heads, columns()]

 private:
  friend class RankingNetwork;

  std::size_t columns_ = 0;
  AlignedFloats crossed_;  // [cross_layers + 1][inputs, columns]: x_0, x_1, ...
  AlignedFloats factors_;  // [cross_layers][inputs, columns]: W x_l + b
  std::vector<AlignedFloats> hidden_;
  AlignedFloats logits_;
  std::uint16_t threshold_ = 0;
  std::vector<std::uint8_t> bits_;
  // Of Backward.
  AlignedFloats gradient_, first_gradient_, branch_gradient_, transposed_;
};

// In bfloat16 the factors of all products but the heads' are rounded, forwards and backwards; the
// rest, parameters and sums of gradients included, stays float32.
class RankingNetwork {
 public:
  explicit RankingNetwork(const ColumnKernels& kernels = FastColumnKernels(),
                          const GradientKernels& gradient_kernels = FastGradientKernels(),
                          Precision precision = Precision::kFloat32)
      : kernels_(kernels),
        gradient_kernels_(gradient_kernels),
        products_(kernels, gradient_kernels, precision),
        head_products_(kernels, gradient_kernels, Precision::kFloat32) {}

  // From tape's input to its logits. `random`, where given, draws the dropout of the rectified
  // layers.
  void Forward(const RankingNetworkParameters& parameters, double dropout, DropoutRandom* random,
               RankingNetworkTape* tape) const;
  // Of a loss with these gradients by the logits, [heads, columns] and 0 for columns past the last
  // candidate, adds those by the parameters; returns those by the input, [inputs, columns], which
  // the tape owns.
  const float* Backward(const RankingNetworkParameters& parameters, const float* logit_gradients,
                        RankingNetworkTape* tape, RankingNetworkParameters* gradients) const;

 private:
  const ColumnKernels& kernels_;
  const GradientKernels& gradient_kernels_;
  const TrainingProducts products_, head_products_;
};

}  // namespace fourfold
