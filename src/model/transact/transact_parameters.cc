#include "model/transact/transact_parameters.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::size_t kSizeMax = 4096;

// Reads tensors until one is not as it should be; then remembers why.
class TensorReader {
 public:
  TensorReader(const SafetensorsFile& file, std::string_view prefix)
      : file_(file), prefix_(prefix) {}

  std::vector<float> Read(std::string_view name, const std::vector<std::uint64_t>& shape) {
    const std::string full = StrCat(prefix_, name);
    const auto& tensors = file_.tensors();
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const TensorView& tensor) { return tensor.name == full; });
    if (found == tensors.end()) return Fail(full, "is missing");
    if (found->dtype != Dtype::kF32) return Fail(full, "is not of type F32");
    if (found->shape != shape) return Fail(full, "has another shape than the model");
    const std::span<const float> elements = found->As<float>();
    if (!std::all_of(elements.begin(), elements.end(), [](float x) { return std::isfinite(x); })) {
      return Fail(full, "holds a number that is not finite");
    }
    return {elements.begin(), elements.end()};
  }
  LinearParameters ReadLinear(std::string_view name, std::string_view infix, std::size_t outputs,
                              std::size_t inputs) {
    LinearParameters linear;
    linear.weight = Read(StrCat(name, infix, "weight"), {outputs, inputs});
    linear.bias = Read(StrCat(name, infix, "bias"), {outputs});
    return linear;
  }
  NormParameters ReadNorm(std::string_view name, std::size_t width) {
    NormParameters norm;
    norm.gain = Read(StrCat(name, ".weight"), {width});
    norm.shift = Read(StrCat(name, ".bias"), {width});
    return norm;
  }

  const absl::Status& status() const { return status_; }

 private:
  std::vector<float> Fail(std::string_view name, std::string_view why) {
    if (status_.ok()) status_ = InvalidArgument("tensor ", name, " ", why);
    return {};
  }

  const SafetensorsFile& file_;
  const std::string prefix_;
  absl::Status status_;
};

}  // namespace

absl::Status TransActShape::Check() const {
  const std::pair<std::string_view, std::size_t> sizes[] = {{"actions", actions},
                                                            {"action_types", action_types},
                                                            {"action_dimension", action_dimension},
                                                            {"item_dimension", item_dimension},
                                                            {"layers", layers},
                                                            {"heads", heads},
                                                            {"feed_forward", feed_forward}};
  for (const auto& [name, size] : sizes) {
    if (size < 1 || size > kSizeMax) {
      return InvalidArgument(name, " must be from 1 to ", kSizeMax, ", not ", size);
    }
  }
  if (width() % heads != 0) {
    return InvalidArgument("heads: ", heads, " do not divide the width of ", width());
  }
  if (latest > actions) {
    return InvalidArgument("latest: ", latest, " rows of ", actions, " cannot be passed on");
  }
  if (latest == 0 && !max_pool) return InvalidArgument("latest: without max_pool nothing is left");
  return absl::OkStatus();
}

absl::StatusOr<TransActParameters> TransActParameters::Load(const SafetensorsFile& file,
                                                            std::string_view prefix,
                                                            const TransActShape& shape) {
  FOURFOLD_RETURN_IF_ERROR(shape.Check());
  const std::size_t width = shape.width();
  TensorReader reader(file, prefix);
  TransActParameters parameters;
  parameters.shape = shape;
  parameters.action_table =
      reader.Read("action_emb_module.weight", {shape.action_types, shape.action_dimension});
  for (std::size_t l = 0; l < shape.layers; ++l) {
    const std::string at = StrCat("transformer_encoder.layers.", l, ".");
    TransActLayer& layer = parameters.layers.emplace_back();
    layer.in_projection = reader.ReadLinear(at, "self_attn.in_proj_", 3 * width, width);
    layer.out_projection = reader.ReadLinear(at, "self_attn.out_proj.", width, width);
    layer.norm1 = reader.ReadNorm(StrCat(at, "norm1"), width);
    layer.linear1 = reader.ReadLinear(at, "linear1.", shape.feed_forward, width);
    layer.linear2 = reader.ReadLinear(at, "linear2.", width, shape.feed_forward);
    layer.norm2 = reader.ReadNorm(StrCat(at, "norm2"), width);
  }
  if (shape.max_pool) parameters.out_linear = reader.ReadLinear("out_linear", ".", width, width);
  FOURFOLD_RETURN_IF_ERROR(reader.status());
  return parameters;
}

std::vector<std::pair<std::string, std::vector<float>*>> TensorsOf(TransActParameters* parameters) {
  std::vector<std::pair<std::string, std::vector<float>*>> tensors = {
      {"action_emb_module.weight", &parameters->action_table}};
  const auto add = [&](const std::string& name, std::vector<float>* weight,
                       std::vector<float>* bias) {
    tensors.emplace_back(name + "weight", weight);
    tensors.emplace_back(name + "bias", bias);
  };
  for (std::size_t l = 0; l < parameters->layers.size(); ++l) {
    const std::string at = StrCat("transformer_encoder.layers.", l, ".");
    TransActLayer& layer = parameters->layers[l];
    add(at + "self_attn.in_proj_", &layer.in_projection.weight, &layer.in_projection.bias);
    add(at + "self_attn.out_proj.", &layer.out_projection.weight, &layer.out_projection.bias);
    add(at + "norm1.", &layer.norm1.gain, &layer.norm1.shift);
    add(at + "linear1.", &layer.linear1.weight, &layer.linear1.bias);
    add(at + "linear2.", &layer.linear2.weight, &layer.linear2.bias);
    add(at + "norm2.", &layer.norm2.gain, &layer.norm2.shift);
  }
  if (parameters->shape.max_pool) {
    add("out_linear.", &parameters->out_linear.weight, &parameters->out_linear.bias);
  }
  return tensors;
}

std::vector<std::uint64_t> TensorShapeOf(const TransActShape& shape, std::string_view name,
                                         std::size_t elements) {
  if (name == "action_emb_module.weight") return {shape.action_types, shape.action_dimension};
  const bool is_vector = name.ends_with("bias") || name.find("norm") != std::string_view::npos;
  if (is_vector) return {elements};
  const std::size_t inputs =
      name.find("linear2") != std::string_view::npos ? shape.feed_forward : shape.width();
  return {elements / inputs, inputs};
}

}  // namespace fourfold
