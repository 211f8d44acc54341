#include "offline/ranking/transact_checkpoint.h"

#include <bit>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/safetensors.h"

namespace fourfold {
namespace {

using Named = std::vector<std::pair<std::string, std::vector<float>*>>;

Named TensorsOf(const TransActCheckpoint::State& state) {
  Named tensors;
  const auto add = [&](const std::string& prefix, TransActRankerModel* model) {
    for (auto& [name, values] : fourfold::TensorsOf(model)) {
      tensors.emplace_back(prefix + name, values);
    }
    tensors.emplace_back(prefix + "items", &model->item_table);
    tensors.emplace_back(prefix + "side", &model->side.vectors);
    tensors.emplace_back(prefix + "categories", &model->categories.vectors);
  };
  add("model.", state.model);
  add("best.", state.best);
  for (const auto& [name, values] : state.moments) tensors.emplace_back("moment." + name, values);
  return tensors;
}

template <typename T>
bool ParseNumber(const std::map<std::string, std::string>& metadata, const char* key, T* value) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return false;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

absl::Status TransActCheckpoint::Write(const State& state) const {
  if (path_.empty()) return absl::OkStatus();
  std::vector<TensorView> tensors;
  for (const auto& [name, values] : TensorsOf(state)) {
    tensors.push_back(MakeTensor<float>(name, Dtype::kF32, std::span<const float>(*values)));
  }
  const std::map<std::string, std::string> metadata = {
      {"training", fingerprint_},
      {"step", StrCat(state.step)},
      {"epochs_trained", StrCat(state.epochs_trained)},
      {"epochs", StrCat(state.epochs)},
      {"metric_bits", StrCat(std::bit_cast<std::uint64_t>(state.metric))}};
  const std::string fresh = path_ + ".new";
  FOURFOLD_RETURN_IF_ERROR(WriteSafetensors(fresh, tensors, metadata));
  std::error_code error;
  std::filesystem::rename(fresh, path_, error);
  if (error) return FailedPrecondition(path_, ": ", std::string_view(error.message()));
  return absl::OkStatus();
}

absl::StatusOr<bool> TransActCheckpoint::Read(State* state) const {
  std::error_code ignored;
  if (path_.empty() || !std::filesystem::exists(path_, ignored)) return false;
  FOURFOLD_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path_));
  const auto training = file.metadata().find("training");
  if (training == file.metadata().end() || training->second != fingerprint_) return false;
  std::uint64_t metric_bits = 0;
  if (!ParseNumber(file.metadata(), "step", &state->step) ||
      !ParseNumber(file.metadata(), "epochs_trained", &state->epochs_trained) ||
      !ParseNumber(file.metadata(), "epochs", &state->epochs) ||
      !ParseNumber(file.metadata(), "metric_bits", &metric_bits)) {
    return DataLoss(path_, ": a number is missing");
  }
  state->metric = std::bit_cast<double>(metric_bits);
  *state->best = *state->model;
  for (const auto& [name, values] : TensorsOf(*state)) {
    FOURFOLD_ASSIGN_OR_RETURN(const TensorView tensor, file.Find(name, Dtype::kF32));
    if (tensor.elements() != values->size()) return DataLoss(path_, ": ", name, " does not fit");
    const std::span<const float> floats = tensor.As<float>();
    values->assign(floats.begin(), floats.end());
  }
  return true;
}

void TransActCheckpoint::Remove() const {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

}  // namespace fourfold
