#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "engine/engine_impl.h"
#include "fourfold/engine.h"
#include "servable/files.h"

// What the heads of the ranker weigh in the order of a slate, changed while requests go on.
namespace fourfold {
namespace {

using Json = nlohmann::json;

constexpr int kFormatVersion = 1;

bool IsWeight(double weight) {
  return std::isfinite(weight) && std::fabs(weight) <= kValueModelWeightMax;
}

absl::StatusOr<ValueModel::Weights> WeightsOf(const std::string& path) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format_version", Json()) != kFormatVersion ||
      !json.contains("weights") || !json["weights"].is_object()) {
    return DataLoss(path, ": is not what an engine of this version writes there");
  }
  ValueModel::Weights weights;
  for (const auto& [head, weight] : json["weights"].items()) {
    if (!weight.is_number() || !IsWeight(weight.get<double>())) {
      return DataLoss(path, ": ", head, " has no weight");
    }
    weights.emplace(head, weight.get<double>());
  }
  return weights;
}

absl::StatusOr<std::shared_ptr<const LiveRanker>> WithHeads(
    std::shared_ptr<const LiveRanker> ranker) {
  if (ranker != nullptr && ranker->trained->has_value_model()) return ranker;
  return FailedPrecondition(
      "the active servable has no ranker with heads: declare them in the recipe's section "
      "`ranker:`, train and activate");
}

ValueModelView ViewOf(const LiveRanker& ranker) {
  ValueModelView view;
  view.servable = ranker.version;
  const TrainedRanker& trained = *ranker.trained;
  std::vector<double> weights = trained.values;
  ranker.value_model->Apply(trained, weights);
  for (std::size_t h = 0; h < weights.size(); ++h) {
    view.heads.push_back({std::string(trained.head(h)), weights[h], trained.values[h]});
  }
  return view;
}

}  // namespace

absl::Status Engine::Impl::ReadValueModel() {
  std::error_code error;
  if (!std::filesystem::exists(directory.value_model(), error)) return absl::OkStatus();
  FOURFOLD_ASSIGN_OR_RETURN(ValueModel::Weights weights, WeightsOf(directory.value_model()));
  value_model->Set(std::move(weights));
  return absl::OkStatus();
}

absl::StatusOr<ValueModelView> Engine::GetValueModel() const {
  FOURFOLD_ASSIGN_OR_RETURN(const auto ranker, WithHeads(impl_->ranker()));
  return ViewOf(*ranker);
}

absl::StatusOr<ValueModelView> Engine::SetValueModel(
    const std::vector<std::pair<std::string, double>>& weights) {
  const MutexLock lock(&impl_->value_model_mutex);
  FOURFOLD_ASSIGN_OR_RETURN(const auto ranker, WithHeads(impl_->ranker()));
  const std::vector<std::string>& heads = ranker->trained->transact->model().heads;
  ValueModel::Weights changed;
  for (const auto& [head, weight] : weights) {
    if (std::find(heads.begin(), heads.end(), head) == heads.end()) {
      return InvalidArgument("weights.", head, ": the active servable has no head of this name");
    }
    if (!IsWeight(weight)) {
      return InvalidArgument("weights.", head, ": must lie between -", kValueModelWeightMax,
                             " and ", kValueModelWeightMax);
    }
    if (!changed.emplace(head, weight).second) {
      return InvalidArgument("weights.", head, ": stands twice");
    }
  }
  const Json json = {{"format_version", kFormatVersion}, {"weights", changed}};
  FOURFOLD_RETURN_IF_ERROR(ReplaceFile(impl_->directory.value_model(), json.dump() + "\n"));
  impl_->value_model->Set(std::move(changed));
  return ViewOf(*ranker);
}

}  // namespace fourfold
