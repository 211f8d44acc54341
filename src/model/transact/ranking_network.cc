#include "model/transact/ranking_network.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::size_t kSizeMax = 16'384;

LinearParameters Zeros(std::size_t outputs, std::size_t inputs) {
  return {std::vector<float>(outputs * inputs), std::vector<float>(outputs)};
}

}  // namespace

absl::Status RankingNetworkShape::Check() const {
  const auto is_width = [](std::size_t size) {
    return size > 0 && size % 8 == 0 && size <= kSizeMax;
  };
  if (!is_width(inputs) || !std::all_of(hidden.begin(), hidden.end(), is_width)) {
    return InvalidArgument("widths of the network must be multiples of 8 from 8 to ", kSizeMax);
  }
  if (heads == 0 || heads > 64) return InvalidArgument("a network has 1 to 64 heads");
  if (cross_layers > 8 || hidden.size() > 8) {
    return InvalidArgument("a network has at most 8 cross layers and 8 others");
  }
  return absl::OkStatus();
}

RankingNetworkParameters RankingNetworkParameters::Zeros(const RankingNetworkShape& shape) {
  RankingNetworkParameters parameters;
  parameters.shape = shape;
  for (std::size_t l = 0; l < shape.cross_layers; ++l) {
    parameters.cross.push_back(fourfold::Zeros(shape.inputs, shape.inputs));
  }
  std::size_t inputs = shape.inputs;
  for (const std::size_t width : shape.hidden) {
    parameters.hidden.push_back(fourfold::Zeros(width, inputs));
    inputs = width;
  }
  parameters.head = fourfold::Zeros(shape.heads, inputs);
  return parameters;
}

std::vector<std::pair<std::string, std::vector<float>*>> TensorsOf(
    RankingNetworkParameters* parameters) {
  std::vector<std::pair<std::string, std::vector<float>*>> tensors;
  const auto add = [&](const std::string& name, LinearParameters* linear) {
    tensors.emplace_back(name + ".weight", &linear->weight);
    tensors.emplace_back(name + ".bias", &linear->bias);
  };
  for (std::size_t l = 0; l < parameters->cross.size(); ++l) {
    add(StrCat("cross.", l), &parameters->cross[l]);
  }
  for (std::size_t l = 0; l < parameters->hidden.size(); ++l) {
    add(StrCat("hidden.", l), &parameters->hidden[l]);
  }
  add("head", &parameters->head);
  return tensors;
}

void RankingNetworkTape::Begin(const RankingNetworkShape& shape, std::size_t candidates) {
  columns_ = PaddedColumns(candidates);
  const std::size_t matrix = shape.inputs * columns_;
  crossed_.Reserve((shape.cross_layers + 1) * matrix);
  factors_.Reserve(shape.cross_layers * matrix);
  hidden_.resize(shape.hidden.size());
  std::size_t widest = shape.inputs;
  for (std::size_t l = 0; l < shape.hidden.size(); ++l) {
    hidden_[l].Reserve(shape.hidden[l] * columns_);
    widest = std::max(widest, shape.hidden[l]);
  }
  logits_.Reserve(shape.heads * columns_);
}

void RankingNetwork::Forward(const RankingNetworkParameters& parameters, double dropout,
                             DropoutRandom* random, RankingNetworkTape* tape) const {
  const RankingNetworkShape& shape = parameters.shape;
  const std::size_t columns = tape->columns_, inputs = shape.inputs, matrix = inputs * columns;
  const float* const first = tape->crossed_.data();
  for (std::size_t l = 0; l < shape.cross_layers; ++l) {
    const LinearParameters& layer = parameters.cross[l];
    const float* const x = first + l * matrix;
    float* const factor = tape->factors_.data() + l * matrix;
    float* const next = tape->crossed_.data() + (l + 1) * matrix;
    products_.Multiply({layer.weight.data(), inputs, 1}, x, columns, layer.bias.data(), factor,
                       columns, inputs, inputs, columns);
    for (std::size_t i = 0; i < matrix; ++i) next[i] = first[i] * factor[i] + x[i];
  }
  const float* x = first + shape.cross_layers * matrix;
  std::size_t width = inputs;
  tape->threshold_ = random == nullptr ? 0 : DropoutThreshold(dropout);
  for (std::size_t l = 0; l < shape.hidden.size(); ++l) {
    const LinearParameters& layer = parameters.hidden[l];
    float* const y = tape->hidden_[l].data();
    const std::size_t outputs = shape.hidden[l];
    products_.Multiply({layer.weight.data(), width, 1}, x, columns, layer.bias.data(), y, columns,
                       outputs, width, columns);
    kernels_.rectify(y, columns, outputs, columns);
    if (tape->threshold_ > 0) {
      tape->bits_.resize((outputs * columns / 8 + 3) / 4 * 4);
      gradient_kernels_.draw(random, tape->threshold_, tape->bits_.data(), tape->bits_.size());
      gradient_kernels_.keep(y, tape->bits_.data(), DropoutScale(tape->threshold_), y,
                             outputs * columns);
    }
    x = y;
    width = outputs;
  }
  head_products_.Multiply({parameters.head.weight.data(), width, 1}, x, columns,
                          parameters.head.bias.data(), tape->logits_.data(), columns, shape.heads,
                          width, columns);
}

const float* RankingNetwork::Backward(const RankingNetworkParameters& parameters,
                                      const float* logit_gradients, RankingNetworkTape* tape,
                                      RankingNetworkParameters* gradients) const {
  const RankingNetworkShape& shape = parameters.shape;
  const std::size_t columns = tape->columns_, inputs = shape.inputs, matrix = inputs * columns;
  std::size_t widest = inputs;
  for (const std::size_t width : shape.hidden) widest = std::max(widest, width);
  for (AlignedFloats* floats :
       {&tape->gradient_, &tape->first_gradient_, &tape->branch_gradient_, &tape->transposed_}) {
    floats->Reserve(widest * columns);
  }
  float* gradient = tape->gradient_.data();
  float* branch = tape->branch_gradient_.data();
  // Adds the gradients of y = weight x + bias.
  const auto add = [&](const TrainingProducts& products, const float* by_y, const float* x,
                       std::size_t outputs, std::size_t width, LinearParameters* to) {
    gradient_kernels_.add_row_sums(by_y, to->bias.data(), outputs, columns);
    products.AddTransposed({by_y, columns, 1}, x, columns, to->weight.data(), width, outputs,
                           columns, width, &tape->transposed_);
  };
  const float* const first = tape->crossed_.data();
  const float* const crossed = first + shape.cross_layers * matrix;
  const std::size_t layers = shape.hidden.size();
  add(head_products_, logit_gradients, layers == 0 ? crossed : tape->hidden_.back().data(),
      shape.heads, shape.last(), &gradients->head);
  head_products_.Multiply({parameters.head.weight.data(), 1, shape.last()}, logit_gradients,
                          columns, nullptr, gradient, columns, shape.last(), shape.heads, columns);
  for (std::size_t l = layers; l-- > 0;) {
    const std::size_t outputs = shape.hidden[l], width = l == 0 ? inputs : shape.hidden[l - 1];
    gradient_kernels_.rectify_gradient(tape->hidden_[l].data(), DropoutScale(tape->threshold_),
                                       gradient, outputs * columns);
    add(products_, gradient, l == 0 ? crossed : tape->hidden_[l - 1].data(), outputs, width,
        &gradients->hidden[l]);
    products_.Multiply({parameters.hidden[l].weight.data(), 1, width}, gradient, columns, nullptr,
                       branch, columns, width, outputs, columns);
    std::swap(gradient, branch);
  }
  float* const by_first = tape->first_gradient_.data();
  std::fill_n(by_first, matrix, 0.0F);
  for (std::size_t l = shape.cross_layers; l-- > 0;) {
    const float* const factor = tape->factors_.data() + l * matrix;
    for (std::size_t i = 0; i < matrix; ++i) {
      by_first[i] += gradient[i] * factor[i];
      branch[i] = gradient[i] * first[i];
    }
    add(products_, branch, first + l * matrix, inputs, inputs, &gradients->cross[l]);
    products_.Add({parameters.cross[l].weight.data(), 1, inputs}, branch, columns, gradient,
                  columns, inputs, inputs, columns);
  }
  gradient_kernels_.add(by_first, gradient, matrix);
  return gradient;
}

}  // namespace fourfold
