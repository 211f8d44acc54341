#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "model/trees/tree_ensemble.h"

// From XGBoost's JSON to nodes. Nothing that the bytes say is believed before it is checked.
namespace fourfold {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kNodesMax = std::size_t{1} << 28;
constexpr std::int64_t kLeaf = -1;

// The member at the end of a path; errors name the path.
absl::StatusOr<const Json*> Find(const Json& json, std::initializer_list<const char*> path) {
  const Json* at = &json;
  std::string walked;
  for (const char* name : path) {
    StrAppend(&walked, walked.empty() ? "" : ".", name);
    const auto found = at->is_object() ? at->find(name) : at->end();
    if (!at->is_object() || found == at->end()) return InvalidArgument(walked, ": is missing");
    at = &*found;
  }
  return at;
}

absl::StatusOr<std::string> FindText(const Json& json, std::initializer_list<const char*> path) {
  FOURFOLD_ASSIGN_OR_RETURN(const Json* found, Find(json, path));
  if (!found->is_string()) return InvalidArgument(*(path.end() - 1), ": is not a string");
  return found->get<std::string>();
}

// XGBoost writes its parameters as strings.
absl::StatusOr<double> FindNumber(const Json& json, std::initializer_list<const char*> path) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::string text, FindText(json, path));
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || parsed_to != end || !std::isfinite(number)) {
    return InvalidArgument(*(path.end() - 1), ": \"", text, "\" is not a number");
  }
  return number;
}

absl::StatusOr<const Json::array_t*> FindArray(const Json& json,
                                               std::initializer_list<const char*> path) {
  FOURFOLD_ASSIGN_OR_RETURN(const Json* found, Find(json, path));
  if (!found->is_array()) return InvalidArgument(*(path.end() - 1), ": is not a list");
  return &found->get_ref<const Json::array_t&>();
}

std::optional<std::int64_t> WholeNumber(const Json& json) {
  if (json.is_boolean()) return json.get<bool>() ? 1 : 0;
  if (!json.is_number_integer()) return std::nullopt;
  if (json.is_number_unsigned() &&
      json.get<std::uint64_t>() > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return json.get<std::int64_t>();
}

std::optional<float> FiniteFloat(const Json& json) {
  if (!json.is_number()) return std::nullopt;
  const double number = json.get<double>();
  if (!(std::abs(number) <= std::numeric_limits<float>::max())) return std::nullopt;
  return static_cast<float>(number);
}

// One tree as XGBoost stores it: parallel lists, the root first.
struct StoredTree {
  std::vector<std::int64_t> left, right, feature, missing_left, split_type;
  std::vector<float> value, cover, gain;
};

absl::Status ReadWholeNumbers(const Json& tree, const char* name, std::size_t size,
                              std::vector<std::int64_t>* numbers) {
  FOURFOLD_ASSIGN_OR_RETURN(const Json::array_t* list, FindArray(tree, {name}));
  if (list->size() != size)
    return InvalidArgument(name, ": has ", list->size(), " elements instead of ", size);
  for (const Json& element : *list) {
    const std::optional<std::int64_t> number = WholeNumber(element);
    if (!number) return InvalidArgument(name, ": holds what is no whole number");
    numbers->push_back(*number);
  }
  return absl::OkStatus();
}

absl::Status ReadFloats(const Json& tree, const char* name, std::size_t size,
                        std::vector<float>* numbers) {
  FOURFOLD_ASSIGN_OR_RETURN(const Json::array_t* list, FindArray(tree, {name}));
  if (list->size() != size)
    return InvalidArgument(name, ": has ", list->size(), " elements instead of ", size);
  for (const Json& element : *list) {
    const std::optional<float> number = FiniteFloat(element);
    if (!number) return InvalidArgument(name, ": holds what is no finite number");
    numbers->push_back(*number);
  }
  return absl::OkStatus();
}

absl::StatusOr<StoredTree> ReadTree(const Json& json) {
  FOURFOLD_ASSIGN_OR_RETURN(const Json::array_t* left, FindArray(json, {"left_children"}));
  const std::size_t size = left->size();
  if (size == 0) return InvalidArgument("left_children: is empty");
  StoredTree tree;
  FOURFOLD_RETURN_IF_ERROR(ReadWholeNumbers(json, "left_children", size, &tree.left));
  FOURFOLD_RETURN_IF_ERROR(ReadWholeNumbers(json, "right_children", size, &tree.right));
  FOURFOLD_RETURN_IF_ERROR(ReadWholeNumbers(json, "split_indices", size, &tree.feature));
  FOURFOLD_RETURN_IF_ERROR(ReadWholeNumbers(json, "default_left", size, &tree.missing_left));
  FOURFOLD_RETURN_IF_ERROR(ReadWholeNumbers(json, "split_type", size, &tree.split_type));
  FOURFOLD_RETURN_IF_ERROR(ReadFloats(json, "split_conditions", size, &tree.value));
  FOURFOLD_RETURN_IF_ERROR(ReadFloats(json, "sum_hessian", size, &tree.cover));
  for (const float cover : tree.cover) {
    if (cover < 0) return InvalidArgument("sum_hessian: is negative");
  }
  FOURFOLD_RETURN_IF_ERROR(ReadFloats(json, "loss_changes", size, &tree.gain));
  return tree;
}

}  // namespace

class TreeEnsemble::Builder {
 public:
  absl::StatusOr<TreeEnsemble> Build(std::string_view text) {
    if (text.size() > kModelBytesMax) {
      return InvalidArgument("the model has ", text.size(), " bytes, more than ", kModelBytesMax);
    }
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) return InvalidArgument("the model is not JSON");
    FOURFOLD_RETURN_IF_ERROR(ReadLearner(json));
    FOURFOLD_ASSIGN_OR_RETURN(const Json::array_t* trees,
                              FindArray(json, {"learner", "gradient_booster", "model", "trees"}));
    ensemble_.mean_margin_ = ensemble_.base_margin_;
    for (std::size_t i = 0; i < trees->size(); ++i) {
      const absl::Status status = AddTree((*trees)[i]);
      if (!status.ok()) return Annotate(status, StrCat("tree ", i));
    }
    return std::move(ensemble_);
  }

 private:
  absl::Status ReadLearner(const Json& json) {
    FOURFOLD_ASSIGN_OR_RETURN(const std::string booster,
                              FindText(json, {"learner", "gradient_booster", "name"}));
    if (booster != "gbtree")
      return InvalidArgument("booster ", booster, " is not known; only gbtree");
    FOURFOLD_ASSIGN_OR_RETURN(const std::string objective,
                              FindText(json, {"learner", "objective", "name"}));
    ensemble_.is_logistic_ = objective == "binary:logistic" || objective == "binary:logitraw";
    if (!ensemble_.is_logistic_ && !objective.starts_with("rank:") &&
        objective != "reg:squarederror") {
      return InvalidArgument("objective ", objective, " is not known");
    }
    FOURFOLD_ASSIGN_OR_RETURN(const double classes,
                              FindNumber(json, {"learner", "learner_model_param", "num_class"}));
    if (classes > 1) return InvalidArgument("num_class: a model of several outputs");
    FOURFOLD_ASSIGN_OR_RETURN(const double features,
                              FindNumber(json, {"learner", "learner_model_param", "num_feature"}));
    if (features < 1 || features > kFeaturesMax || features != std::floor(features)) {
      return InvalidArgument("num_feature: must be 1 to ", kFeaturesMax);
    }
    FOURFOLD_ASSIGN_OR_RETURN(const double base,
                              FindNumber(json, {"learner", "learner_model_param", "base_score"}));
    FOURFOLD_RETURN_IF_ERROR(SetBase(static_cast<float>(base), objective));
    return ReadFeatureNames(json, static_cast<std::size_t>(features));
  }

  absl::Status SetBase(float base, std::string_view objective) {
    ensemble_.base_margin_ = base;
    if (objective != "binary:logistic") return absl::OkStatus();
    if (!(base > 0 && base < 1)) return InvalidArgument("base_score: is no probability");
    ensemble_.base_margin_ = -std::log(1.0F / base - 1.0F);
    return absl::OkStatus();
  }

  absl::Status ReadFeatureNames(const Json& json, std::size_t features) {
    ensemble_.feature_names_.resize(features);
    ensemble_.importance_.resize(features);
    FOURFOLD_ASSIGN_OR_RETURN(const Json* learner, Find(json, {"learner"}));
    const auto names = learner->find("feature_names");
    if (names == learner->end() || (names->is_array() && names->empty())) return absl::OkStatus();
    if (!names->is_array() || names->size() != features) {
      return InvalidArgument("feature_names: is not a list of ", features, " names");
    }
    for (std::size_t i = 0; i < features; ++i) {
      if (!(*names)[i].is_string()) return InvalidArgument("feature_names: holds what is no name");
      ensemble_.feature_names_[i] = (*names)[i].get<std::string>();
      ensemble_.importance_[i].feature = ensemble_.feature_names_[i];
    }
    return absl::OkStatus();
  }

  absl::Status AddTree(const Json& json) {
    FOURFOLD_ASSIGN_OR_RETURN(const StoredTree tree, ReadTree(json));
    if (ensemble_.nodes_.size() + tree.left.size() > kNodesMax) {
      return InvalidArgument("more than ", kNodesMax, " nodes");
    }
    // Numbers in the file, breadth first; places from `root` on.
    const std::size_t root = ensemble_.nodes_.size();
    std::vector<std::size_t> order = {0};
    std::vector<int> depth = {0};
    std::vector<bool> met(tree.left.size());
    met[0] = true;
    for (std::size_t place = 0; place < order.size(); ++place) {
      const std::size_t stored = order[place];
      Node node{tree.value[stored], static_cast<std::uint32_t>(root + place), 0, 0, 0};
      if (tree.left[stored] != kLeaf) {
        FOURFOLD_RETURN_IF_ERROR(CheckSplit(tree, stored, depth[place]));
        node.left = static_cast<std::uint32_t>(root + order.size());
        node.feature = static_cast<std::uint16_t>(tree.feature[stored]);
        node.missing_right = tree.missing_left[stored] == 0 ? 1 : 0;
        node.is_split = 1;
        for (const std::int64_t child : {tree.left[stored], tree.right[stored]}) {
          const auto number = static_cast<std::size_t>(child);
          if (met[number]) return InvalidArgument("node ", number, " has two parents");
          met[number] = true;
          order.push_back(number);
          depth.push_back(depth[place] + 1);
        }
        NoteSplit(tree, stored);
      }
      ensemble_.nodes_.push_back(node);
      ensemble_.covers_.push_back(tree.cover[stored]);
    }
    ensemble_.roots_.push_back(static_cast<std::uint32_t>(root));
    ensemble_.depths_.push_back(static_cast<std::uint8_t>(depth.back()));
    AddMean(root);
    return absl::OkStatus();
  }

  absl::Status CheckSplit(const StoredTree& tree, std::size_t node, int depth) const {
    const auto size = static_cast<std::int64_t>(tree.left.size());
    for (const std::int64_t child : {tree.left[node], tree.right[node]}) {
      if (child < 0 || child >= size) return InvalidArgument("node ", node, ": child ", child);
    }
    if (tree.feature[node] < 0 ||
        tree.feature[node] >= static_cast<std::int64_t>(ensemble_.features())) {
      return InvalidArgument("node ", node, ": feature ", tree.feature[node]);
    }
    if (tree.split_type[node] != 0) return InvalidArgument("node ", node, ": a categorical split");
    if (depth == kDepthMax) return InvalidArgument("deeper than ", kDepthMax);
    return absl::OkStatus();
  }

  void NoteSplit(const StoredTree& tree, std::size_t node) {
    FeatureImportance& importance =
        ensemble_.importance_[static_cast<std::size_t>(tree.feature[node])];
    importance.gain += double{tree.gain[node]};
    importance.cover += double{tree.cover[node]};
    ++importance.count;
  }

  // The mean value of the tree, each split weighing its sides by cover. Children stand behind their
  // parents.
  void AddMean(std::size_t root) {
    std::vector<double> means(ensemble_.nodes_.size() - root);
    for (std::size_t i = means.size(); i-- > 0;) {
      const Node& node = ensemble_.nodes_[root + i];
      if (node.is_split == 0) {
        means[i] = double{node.value};
        continue;
      }
      for (const std::size_t child : {std::size_t{node.left}, std::size_t{node.left} + 1}) {
        means[i] += ensemble_.ShareOf(child, root + i) * means[child - root];
      }
    }
    ensemble_.mean_margin_ += means.front();
  }

  TreeEnsemble ensemble_;
};

absl::StatusOr<TreeEnsemble> TreeEnsemble::Parse(std::string_view json) {
  return Builder().Build(json);
}

}  // namespace fourfold
