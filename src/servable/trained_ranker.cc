#include "servable/trained_ranker.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "feature/plan/feature_matrix.h"

namespace fourfold {
namespace {

using Json = nlohmann::json;

Json JsonOf(const FieldValue& value) {
  return std::visit(
      [](const auto& held) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
          return nullptr;
        } else {
          return held;
        }
      },
      value);
}

// False for what no parameter can be.
bool ValueOf(const Json& json, FieldValue* value) {
  if (json.is_boolean()) {
    *value = json.get<bool>();
  } else if (json.is_number()) {
    *value = json.get<double>();
  } else if (json.is_string()) {
    *value = json.get<std::string>();
  } else if (json.is_array()) {
    std::vector<std::string> texts;
    for (const Json& element : json) {
      if (!element.is_string()) return false;
      texts.push_back(element.get<std::string>());
    }
    *value = std::move(texts);
  } else {
    return false;
  }
  return true;
}

bool DeclarationOf(const Json& json, FeatureDeclaration* declaration) {
  if (!json.is_object() || !json.contains("name") || !json.contains("kind") ||
      !json.contains("parameters") || !json["name"].is_string() || !json["kind"].is_string() ||
      !json["parameters"].is_object()) {
    return false;
  }
  declaration->name = json["name"].get<std::string>();
  declaration->kind = json["kind"].get<std::string>();
  for (const auto& [name, value] : json["parameters"].items()) {
    Field& parameter = declaration->parameters.emplace_back();
    parameter.name = name;
    if (!ValueOf(value, &parameter.value)) return false;
  }
  return true;
}

// Numbers of JSON hold every float exactly; null is NaN.
bool FloatsOf(const Json& json, std::vector<float>* floats) {
  if (!json.is_array()) return false;
  for (const Json& element : json) {
    if (!element.is_null() && !element.is_number()) return false;
    floats->push_back(element.is_null() ? std::numeric_limits<float>::quiet_NaN()
                                        : static_cast<float>(element.get<double>()));
  }
  return true;
}

Json JsonOf(const std::vector<float>& floats) {
  Json json = Json::array();
  for (const float value : floats) {
    json.push_back(std::isnan(value) ? Json(nullptr) : Json(static_cast<double>(value)));
  }
  return json;
}

absl::Status Damaged(std::string_view what) { return DataLoss("ranker.json: ", what); }

}  // namespace

void TrainedRanker::Score(const FeatureRequest& request, const FeatureTable& table,
                          TrainedRankerScratch* scratch, std::span<float> scores) const {
  FillRows(*plan, table, request.candidates.size(), &scratch->rows);
  trees->Predict(scratch->rows, scores);
}

double TrainedRanker::ShownScore(float score) const {
  return trees->is_logistic() ? ProbabilityOf(score) : double{score};
}

absl::StatusOr<std::shared_ptr<const TrainedRanker>> MakeTrainedRanker(
    std::vector<FeatureDeclaration> features, std::string model, std::vector<float> golden_rows,
    int candidates) {
  auto ranker = std::make_shared<TrainedRanker>();
  // As JSON has them, so that equal declarations are equal wherever they came from.
  for (FeatureDeclaration& declaration : features) {
    std::sort(declaration.parameters.begin(), declaration.parameters.end(),
              [](const Field& a, const Field& b) { return a.name < b.name; });
  }
  FOURFOLD_ASSIGN_OR_RETURN(ranker->plan, FeaturePlan::Compile(features));
  FOURFOLD_ASSIGN_OR_RETURN(TreeEnsemble trees, TreeEnsemble::Parse(model));
  if (trees.feature_names() != RowFeatureNames(*ranker->plan)) {
    return InvalidArgument("the model's features are not those that are declared");
  }
  if (golden_rows.size() % std::max<std::size_t>(1, trees.features()) != 0) {
    return InvalidArgument("the golden rows are not whole");
  }
  ranker->golden_scores.resize(golden_rows.size() / std::max<std::size_t>(1, trees.features()));
  trees.Predict(golden_rows, std::span<float>(ranker->golden_scores));
  ranker->trees = std::make_shared<const TreeEnsemble>(std::move(trees));
  ranker->features = std::move(features);
  ranker->model = std::move(model);
  ranker->golden_rows = std::move(golden_rows);
  ranker->candidates = candidates;
  return std::shared_ptr<const TrainedRanker>(std::move(ranker));
}

std::string TrainedRankerToJson(const TrainedRanker& ranker) {
  Json json = {{"kind", "trees"},
               {"candidates", ranker.candidates},
               {"features", Json::array()},
               {"golden_rows", JsonOf(ranker.golden_rows)},
               {"golden_scores", JsonOf(ranker.golden_scores)},
               {"model", ranker.model}};
  for (const FeatureDeclaration& declaration : ranker.features) {
    Json parameters = Json::object();
    for (const Field& parameter : declaration.parameters) {
      parameters[parameter.name] = JsonOf(parameter.value);
    }
    json["features"].push_back({{"name", declaration.name},
                                {"kind", declaration.kind},
                                {"parameters", std::move(parameters)}});
  }
  json["importance"] = Json::array();
  for (const FeatureImportance& feature : ranker.trees->Importance()) {
    json["importance"].push_back({{"feature", feature.feature},
                                  {"gain", feature.gain},
                                  {"cover", feature.cover},
                                  {"count", feature.count}});
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::shared_ptr<const TrainedRanker>> TrainedRankerFromJson(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("kind") || json["kind"] != "trees") {
    return Damaged("not a ranker of trees");
  }
  for (const char* key : {"candidates", "features", "golden_rows", "golden_scores", "model"}) {
    if (!json.contains(key)) return Damaged(StrCat(key, ": missing"));
  }
  if (!json["candidates"].is_number_integer() || json["candidates"] < 0 ||
      json["candidates"] > kRankedCandidatesMax) {
    return Damaged(StrCat("candidates: must be from 0 to ", kRankedCandidatesMax));
  }
  if (!json["features"].is_array() || !json["model"].is_string()) {
    return Damaged("features is no list, or model no text");
  }
  std::vector<FeatureDeclaration> features;
  for (const Json& element : json["features"]) {
    if (!DeclarationOf(element, &features.emplace_back())) {
      return Damaged(StrCat("features[", features.size() - 1, "]: not a declaration"));
    }
  }
  std::vector<float> rows;
  std::vector<float> scores;
  if (!FloatsOf(json["golden_rows"], &rows) || !FloatsOf(json["golden_scores"], &scores)) {
    return Damaged("a golden row or score is no number");
  }
  auto ranker = MakeTrainedRanker(std::move(features), json["model"].get<std::string>(),
                                  std::move(rows), json["candidates"].get<int>());
  if (!ranker.ok()) return Damaged(MessageOf(ranker.status()));
  const std::vector<float>& actual = (*ranker)->golden_scores;
  if (actual.size() != scores.size()) return Damaged("not one golden score a golden row");
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(actual[i]) != std::bit_cast<std::uint32_t>(scores[i])) {
      return Damaged(StrCat("golden row ", i, " scores ", actual[i], " instead of ", scores[i]));
    }
  }
  return ranker;
}

}  // namespace fourfold
