#include "offline/ranking/transact_checkpoint.h"

#include <bit>
#include <charconv>
#include <filesystem>
#include <map>
#include <span>
#include <system_error>

#include "base/digest.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/safetensors.h"

namespace fourfold {
namespace {

constexpr char kDigestKey[] = "digest";

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

// Of all that a checkpoint says.
std::string DigestOf(const std::map<std::string, std::string>& numbers,
                     const std::vector<TensorView>& tensors) {
  DigestBuilder digest;
  for (const auto& [key, value] : numbers) {
    if (key != kDigestKey) digest.Add(StrCat(key, "=", value, "\n"));
  }
  for (const TensorView& tensor : tensors) {
    digest.Add(StrCat(tensor.name, "\n"));
    const std::span<const float> values = tensor.As<float>();
    digest.Add({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  }
  return DigestToHex(digest.Finish());
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
  std::map<std::string, std::string> metadata = {
      {"training", fingerprint_},
      {"step", StrCat(state.step)},
      {"epochs_trained", StrCat(state.epochs_trained)},
      {"epochs", StrCat(state.epochs)},
      {"metric_bits", StrCat(std::bit_cast<std::uint64_t>(state.metric))}};
  metadata[kDigestKey] = DigestOf(metadata, tensors);
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
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path_);
  if (!file.ok()) return DataLoss(MessageOf(file.status()));
  const std::map<std::string, std::string>& metadata = file->metadata();
  const auto training = metadata.find("training");
  if (training == metadata.end() || training->second != fingerprint_) return false;
  State read = *state;
  std::uint64_t metric_bits = 0;
  if (!ParseNumber(metadata, "step", &read.step) ||
      !ParseNumber(metadata, "epochs_trained", &read.epochs_trained) ||
      !ParseNumber(metadata, "epochs", &read.epochs) ||
      !ParseNumber(metadata, "metric_bits", &metric_bits)) {
    return DataLoss(path_, ": a number is missing");
  }
  read.metric = std::bit_cast<double>(metric_bits);
  // Of the same training both models have the same shapes.
  State shaped = read;
  shaped.best = shaped.model;
  std::vector<TensorView> tensors;
  for (const auto& [name, values] : TensorsOf(shaped)) {
    absl::StatusOr<TensorView> tensor = file->Find(name, Dtype::kF32);
    if (!tensor.ok()) return DataLoss(MessageOf(tensor.status()));
    if (tensor->elements() != values->size()) return DataLoss(path_, ": ", name, " does not fit");
    tensors.push_back(*std::move(tensor));
  }
  const auto digest = metadata.find(kDigestKey);
  if (digest == metadata.end() || digest->second != DigestOf(metadata, tensors)) {
    return DataLoss(path_, ": its contents do not have their digest");
  }
  *state = read;
  *state->best = *state->model;
  const Named parts = TensorsOf(*state);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::span<const float> floats = tensors[i].As<float>();
    parts[i].second->assign(floats.begin(), floats.end());
  }
  return true;
}

void TransActCheckpoint::Remove() const {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

}  // namespace fourfold
