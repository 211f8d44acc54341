#include "servable/trained_ranker.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "feature/plan/feature_matrix.h"
#include "fourfold/features.h"
#include "servable/transact_columns.h"

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

// As JSON has them, so that equal declarations are equal wherever they came from.
void SortParameters(std::vector<FeatureDeclaration>* features) {
  for (FeatureDeclaration& declaration : *features) {
    std::sort(declaration.parameters.begin(), declaration.parameters.end(),
              [](const Field& a, const Field& b) { return a.name < b.name; });
  }
}

std::string Written(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Of what the scratch holds of the candidates.
TransActQuery QueryOf(const TransActRanker& ranker, const FeatureSequence& actions,
                      std::int64_t request_time_ms, const TrainedRankerScratch& scratch) {
  return {{actions.items, actions.types, actions.event_times_ms,
           std::span(actions.fields).last(ranker.model().item_codes())},
          request_time_ms,
          scratch.items,
          scratch.rows};
}

Json JsonOf(const RankerGoldenRequest& golden) {
  Json codes = Json::array();
  for (const std::vector<float>& column : golden.actions.fields) codes.push_back(JsonOf(column));
  return {{"request_time_ms", golden.request_time_ms},
          {"action_items", golden.actions.items},
          {"action_types", golden.actions.types},
          {"action_times_ms", golden.actions.event_times_ms},
          {"action_item_codes", std::move(codes)},
          {"items", golden.items},
          {"rows", JsonOf(golden.rows)},
          {"scores", JsonOf(golden.scores)}};
}

bool GoldenOf(const Json& json, RankerGoldenRequest* golden) {
  try {
    json.at("request_time_ms").get_to(golden->request_time_ms);
    json.at("action_items").get_to(golden->actions.items);
    json.at("action_types").get_to(golden->actions.types);
    json.at("action_times_ms").get_to(golden->actions.event_times_ms);
    json.at("items").get_to(golden->items);
    for (const Json& column : json.value("action_item_codes", Json::array())) {
      if (!FloatsOf(column, &golden->actions.fields.emplace_back())) return false;
    }
    return FloatsOf(json.at("rows"), &golden->rows) && FloatsOf(json.at("scores"), &golden->scores);
  } catch (const Json::exception&) {
    return false;
  }
}

absl::Status Damaged(std::string_view what) { return DataLoss("ranker.json: ", what); }

}  // namespace

void TrainedRanker::Predict(const FeatureRequest& request, const FeatureTable& table,
                            TrainedRankerScratch* scratch, std::span<float> predictions) const {
  FillRows(*plan, table, request.candidates.size(), &scratch->rows);
  if (trees != nullptr) {
    trees->Predict(scratch->rows, predictions);
    return;
  }
  scratch->items.clear();
  for (const FeatureCandidate& candidate : request.candidates) {
    scratch->items.emplace_back(candidate.item);
  }
  transact->Score(QueryOf(*transact, table.sequences[sequence_place], request.now_ms, *scratch),
                  &scratch->transact, predictions);
}

void TrainedRanker::Score(std::span<const float> predictions, std::span<const double> weights,
                          std::span<float> scores) const {
  if (!has_value_model()) {
    std::copy(predictions.begin(), predictions.end(), scores.begin());
    return;
  }
  FOURFOLD_CHECK(weights.size() == heads() && predictions.size() == heads() * scores.size());
  for (std::size_t c = 0; c < scores.size(); ++c) {
    double sum = 0;
    for (std::size_t h = 0; h < weights.size(); ++h) {
      sum += weights[h] * ProbabilityOf(double{predictions[h * scores.size() + c]});
    }
    scores[c] = static_cast<float>(sum);
  }
}

double TrainedRanker::ShownScore(float score) const {
  if (has_value_model()) return double{score};
  const bool is_probability =
      trees != nullptr ? trees->is_logistic() : transact->model().predicts_probability;
  return is_probability ? ProbabilityOf(score) : double{score};
}

std::vector<std::pair<std::string, float>> TrainedRanker::FeaturesOf(
    const TrainedRankerScratch& scratch, std::size_t candidate) const {
  const std::vector<std::string> names = RowFeatureNames(*plan);
  std::vector<std::pair<std::string, float>> features;
  for (std::size_t f = 0; f < names.size(); ++f) {
    features.emplace_back(names[f], scratch.rows[candidate * names.size() + f]);
  }
  return features;
}

std::vector<std::pair<std::string, double>> TrainedRanker::ContributionsOf(
    const FeatureRequest& request, const FeatureTable& table, const TrainedRankerScratch& scratch,
    std::size_t candidate) const {
  std::vector<std::pair<std::string, double>> contributions;
  if (trees != nullptr) {
    const std::size_t size = trees->features();
    std::vector<double> added(size + 1);
    trees->Contributions(std::span<const float>(scratch.rows).subspan(candidate * size, size),
                         std::span<double>(added));
    for (std::size_t f = 0; f < size; ++f) {
      contributions.emplace_back(trees->feature_names()[f], added[f]);
    }
    contributions.emplace_back(kBaseContribution, added.back());
    return contributions;
  }
  const FeatureSequence& actions = table.sequences[sequence_place];
  const std::vector<float> shares =
      transact->Attention(QueryOf(*transact, actions, request.now_ms, scratch), candidate);
  for (std::size_t a = 0; a < shares.size(); ++a) {
    contributions.emplace_back(
        StrCat("action ", a + 1, ": ", actions.types[a], " ", actions.items[a]), double{shares[a]});
  }
  return contributions;
}

absl::StatusOr<std::shared_ptr<const TrainedRanker>> MakeTrainedTransAct(
    std::vector<FeatureDeclaration> features, TransActRankerModel model, std::string sequence,
    std::vector<RankerGoldenRequest> golden_requests, int candidates, std::vector<double> values) {
  auto ranker = std::make_shared<TrainedRanker>();
  SortParameters(&features);
  FOURFOLD_ASSIGN_OR_RETURN(ranker->plan, FeaturePlan::Compile(features));
  std::vector<std::string> columns = model.request_columns;
  columns.insert(columns.end(), model.candidate_columns.begin(), model.candidate_columns.end());
  if (columns != RowFeatureNames(*ranker->plan) ||
      model.columns != TransActColumnsOf(*ranker->plan, sequence)) {
    return InvalidArgument("the model's features are not those that are declared");
  }
  if (values.empty() ? model.heads.size() != 1
                     : values.size() != model.heads.size() || !model.predicts_probability) {
    return InvalidArgument("the value model is not one of the model's heads");
  }
  if (!std::all_of(values.begin(), values.end(),
                   [](double value) { return std::isfinite(value); })) {
    return InvalidArgument("a weight of the value model is not finite");
  }
  const auto& sequences = ranker->plan->sequences();
  const auto found =
      std::find_if(sequences.begin(), sequences.end(),
                   [&](const FeaturePlan::Output& output) { return output.name == sequence; });
  if (found == sequences.end()) {
    return InvalidArgument("no feature of kind sequence has the name ", sequence);
  }
  ranker->sequence_place = static_cast<std::size_t>(found - sequences.begin());
  ranker->sequence = std::move(sequence);
  ranker->transact = std::make_shared<const TransActRanker>(std::move(model));
  TrainedRankerScratch scratch;
  for (RankerGoldenRequest& golden : golden_requests) {
    const FeatureSequence& actions = golden.actions;
    if (golden.rows.size() != golden.items.size() * columns.size() ||
        actions.items.size() != actions.types.size() ||
        actions.items.size() != actions.event_times_ms.size() ||
        actions.fields.size() != ranker->transact->model().item_codes() ||
        !std::all_of(actions.fields.begin(), actions.fields.end(),
                     [&](const auto& column) { return column.size() == actions.items.size(); })) {
      return InvalidArgument("a golden request is not whole");
    }
    scratch.rows = golden.rows;
    scratch.items.assign(golden.items.begin(), golden.items.end());
    golden.scores.resize(ranker->heads() * golden.items.size());
    ranker->transact->Score(QueryOf(*ranker->transact, actions, golden.request_time_ms, scratch),
                            &scratch.transact, golden.scores);
  }
  ranker->features = std::move(features);
  ranker->golden_requests = std::move(golden_requests);
  ranker->candidates = candidates;
  ranker->values = std::move(values);
  return std::shared_ptr<const TrainedRanker>(std::move(ranker));
}

absl::StatusOr<std::shared_ptr<const TrainedRanker>> MakeTrainedRanker(
    std::vector<FeatureDeclaration> features, std::string model, std::vector<float> golden_rows,
    int candidates) {
  auto ranker = std::make_shared<TrainedRanker>();
  SortParameters(&features);
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
  Json json = {{"candidates", ranker.candidates}, {"features", Json::array()}};
  for (const FeatureDeclaration& declaration : ranker.features) {
    Json parameters = Json::object();
    for (const Field& parameter : declaration.parameters) {
      parameters[parameter.name] = JsonOf(parameter.value);
    }
    json["features"].push_back({{"name", declaration.name},
                                {"kind", declaration.kind},
                                {"parameters", std::move(parameters)}});
  }
  if (ranker.transact != nullptr) {
    json["kind"] = "transact";
    json["sequence"] = ranker.sequence;
    for (std::size_t h = 0; h < ranker.values.size(); ++h) {
      json["value_model"][std::string(ranker.head(h))] = ranker.values[h];
    }
    json["golden_requests"] = Json::array();
    for (const RankerGoldenRequest& golden : ranker.golden_requests) {
      json["golden_requests"].push_back(JsonOf(golden));
    }
    return Written(json);
  }
  json["kind"] = "trees";
  json["golden_rows"] = JsonOf(ranker.golden_rows);
  json["golden_scores"] = JsonOf(ranker.golden_scores);
  json["model"] = ranker.model;
  json["importance"] = Json::array();
  for (const FeatureImportance& feature : ranker.trees->Importance()) {
    json["importance"].push_back({{"feature", feature.feature},
                                  {"gain", feature.gain},
                                  {"cover", feature.cover},
                                  {"count", feature.count}});
  }
  return Written(json);
}

namespace {

absl::StatusOr<std::shared_ptr<const TrainedRanker>> TreesFromJson(
    const Json& json, std::vector<FeatureDeclaration> features, int candidates) {
  for (const char* key : {"golden_rows", "golden_scores", "model"}) {
    if (!json.contains(key)) return Damaged(StrCat(key, ": missing"));
  }
  if (!json["model"].is_string()) return Damaged("model is no text");
  std::vector<float> rows;
  std::vector<float> scores;
  if (!FloatsOf(json["golden_rows"], &rows) || !FloatsOf(json["golden_scores"], &scores)) {
    return Damaged("a golden row or score is no number");
  }
  auto ranker = MakeTrainedRanker(std::move(features), json["model"].get<std::string>(),
                                  std::move(rows), candidates);
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

absl::StatusOr<std::shared_ptr<const TrainedRanker>> TransActFromJson(
    const Json& json, std::vector<FeatureDeclaration> features, int candidates,
    const SafetensorsFile* weights) {
  if (weights == nullptr) return Damaged("kind transact needs ranker.safetensors");
  for (const char* key : {"golden_requests", "sequence"}) {
    if (!json.contains(key)) return Damaged(StrCat(key, ": missing"));
  }
  if (!json["golden_requests"].is_array() || !json["sequence"].is_string()) {
    return Damaged("golden_requests is no list, or sequence no text");
  }
  std::vector<RankerGoldenRequest> golden;
  for (const Json& element : json["golden_requests"]) {
    if (!GoldenOf(element, &golden.emplace_back())) {
      return Damaged(StrCat("golden_requests[", golden.size() - 1, "]: not a golden request"));
    }
  }
  auto model = ReadTransActRanker(*weights);
  if (!model.ok()) return DataLoss("ranker.safetensors: ", MessageOf(model.status()));
  std::vector<double> values;
  if (json.contains("value_model")) {
    for (const std::string& head : model->heads) {
      const Json weight =
          json["value_model"].is_object() ? json["value_model"].value(head, Json()) : Json();
      if (!weight.is_number()) return Damaged(StrCat("value_model: no weight of ", head));
      values.push_back(weight.get<double>());
    }
  }
  auto ranker =
      MakeTrainedTransAct(std::move(features), *std::move(model),
                          json["sequence"].get<std::string>(), golden, candidates, values);
  if (!ranker.ok()) return Damaged(MessageOf(ranker.status()));
  const float tolerance = TrainedRanker::GoldenTolerance((*ranker)->transact->model().precision);
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const std::vector<float>& actual = (*ranker)->golden_requests[i].scores;
    for (std::size_t c = 0; c < actual.size(); ++c) {
      if (golden[i].scores.size() == actual.size() &&
          std::fabs(actual[c] - golden[i].scores[c]) <=
              tolerance * std::max(1.0F, std::fabs(actual[c]))) {
        continue;
      }
      return Damaged(StrCat("golden request ", i, " has prediction ", c, " ", actual[c]));
    }
  }
  return ranker;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TrainedRanker>> TrainedRankerFromJson(
    std::string_view text, const SafetensorsFile* weights) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("kind") || !json["kind"].is_string()) {
    return Damaged("not a ranker");
  }
  for (const char* key : {"candidates", "features"}) {
    if (!json.contains(key)) return Damaged(StrCat(key, ": missing"));
  }
  if (!json["candidates"].is_number_integer() || json["candidates"] < 0 ||
      json["candidates"] > kRankedCandidatesMax) {
    return Damaged(StrCat("candidates: must be from 0 to ", kRankedCandidatesMax));
  }
  if (!json["features"].is_array()) return Damaged("features is no list");
  std::vector<FeatureDeclaration> features;
  for (const Json& element : json["features"]) {
    if (!DeclarationOf(element, &features.emplace_back())) {
      return Damaged(StrCat("features[", features.size() - 1, "]: not a declaration"));
    }
  }
  const int candidates = json["candidates"].get<int>();
  if (json["kind"] == "trees") return TreesFromJson(json, std::move(features), candidates);
  if (json["kind"] == "transact") {
    return TransActFromJson(json, std::move(features), candidates, weights);
  }
  return Damaged("neither trees nor transact");
}

}  // namespace fourfold
