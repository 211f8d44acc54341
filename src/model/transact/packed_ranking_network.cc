#include "model/transact/packed_ranking_network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace fourfold {

void RankingStrips::Begin(const RankingNetworkShape& shape, std::size_t candidates) {
  const std::size_t columns = StripsOf(candidates) * kStripColumns;
  const auto rows = [](std::size_t size) {
    return (size + PackedMatrix::kPanelRows - 1) / PackedMatrix::kPanelRows *
           PackedMatrix::kPanelRows;
  };
  candidates_ = candidates;
  inputs_ = shape.inputs;
  head_rows_ = rows(shape.heads);
  for (std::size_t l = 0; l <= std::min<std::size_t>(2, shape.cross_layers); ++l) {
    crossed_[l].Reserve(inputs_ * columns);
  }
  for (std::size_t l = 0; l < shape.hidden.size(); ++l) {
    hidden_[l % 2].Reserve(rows(shape.hidden[l]) * columns);
  }
  logits_.Reserve(head_rows_ * columns);
}

PackedRankingNetwork::Layer PackedRankingNetwork::Pack(const LinearParameters& linear,
                                                       std::size_t inputs,
                                                       std::size_t skipped) const {
  Layer layer{PackedMatrix(linear.weight.data() + skipped, inputs, linear.bias.size(),
                           inputs - skipped, precision_),
              linear.bias};
  layer.bias.resize(layer.weight.rows());
  return layer;
}

PackedRankingNetwork::PackedRankingNetwork(const RankingNetworkParameters& parameters,
                                           std::size_t shared_inputs, const StripKernels& kernels,
                                           Precision precision)
    : shape_(parameters.shape),
      shared_inputs_(shape_.cross_layers > 0 ? shared_inputs : 0),
      kernels_(kernels),
      precision_(precision) {
  FOURFOLD_CHECK(shared_inputs_ < shape_.inputs);
  std::size_t inputs = shape_.inputs, skipped = shared_inputs_;
  for (const LinearParameters& linear : parameters.cross) {
    cross_.push_back(Pack(linear, inputs, std::exchange(skipped, 0)));
  }
  for (std::size_t k = 0; k < shared_inputs_; ++k) {
    for (std::size_t r = 0; r < inputs; ++r) {
      shared_weight_.push_back(parameters.cross.front().weight[r * inputs + k]);
    }
  }
  for (const LinearParameters& linear : parameters.hidden) {
    hidden_.push_back(Pack(linear, inputs, 0));
    inputs = linear.bias.size();
  }
  head_ = Pack(parameters.head, inputs, 0);
}

void PackedRankingNetwork::Forward(RankingStrips* strips) const {
  StripProduct product;
  product.columns = strips->candidates_;
  const auto apply = [&](const Layer& layer, const float* bias, StripProduct::End end, float* y) {
    product.weight = &layer.weight;
    product.bias = bias;
    product.end = end;
    product.y = y;
    kernels_.multiply(product);
    product.x = y;
    product.x_step = layer.weight.rows() * kStripColumns;
  };
  const float* const first = strips->crossed_[0].data();
  product.first = product.x = first;
  product.x_step = shape_.inputs * kStripColumns;
  for (std::size_t l = 0; l < cross_.size(); ++l) {
    const float* bias = cross_[l].bias.data();
    product.before = product.x;
    if (l == 0 && shared_inputs_ > 0) {
      std::vector<float>& sums = strips->first_bias_;
      sums.assign(cross_[l].bias.begin(), cross_[l].bias.end());
      for (std::size_t k = 0; k < shared_inputs_; ++k) {
        const float factor = first[k * kStripColumns];
        const float* const weights = shared_weight_.data() + k * sums.size();
        for (std::size_t r = 0; r < sums.size(); ++r) sums[r] += factor * weights[r];
      }
      bias = sums.data();
      product.x += shared_inputs_ * kStripColumns;
    }
    apply(cross_[l], bias, StripProduct::End::kCross, strips->crossed_[1 + l % 2].data());
  }
  for (std::size_t l = 0; l < hidden_.size(); ++l) {
    apply(hidden_[l], hidden_[l].bias.data(), StripProduct::End::kRectify,
          strips->hidden_[l % 2].data());
  }
  apply(head_, head_.bias.data(), StripProduct::End::kPlain, strips->logits_.data());
}

}  // namespace fourfold
