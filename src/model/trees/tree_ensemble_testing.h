#pragma once

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <string>
#include <vector>

// Models in XGBoost's JSON format for tests, and what they compute, read straight from the format.
namespace fourfold {

class RandomModel {
 public:
  RandomModel(std::uint64_t seed, std::size_t features, int trees, int depth)
      : random_(seed), features_(features) {
    nlohmann::json list = nlohmann::json::array();
    for (int i = 0; i < trees; ++i) list.push_back(Tree(depth));
    json_ = {{"version", {1, 7, 4}},
             {"learner",
              {{"feature_names", nlohmann::json::array()},
               {"learner_model_param",
                {{"base_score", "2.5E-1"},
                 {"num_class", "0"},
                 {"num_feature", std::to_string(features)}}},
               {"objective", {{"name", "rank:ndcg"}}},
               {"gradient_booster", {{"name", "gbtree"}, {"model", {{"trees", list}}}}}}}};
  }

  nlohmann::json& json() { return json_; }
  nlohmann::json& trees() { return json_["learner"]["gradient_booster"]["model"]["trees"]; }

  // A value around the thresholds, often exactly on one, or missing.
  float Value() {
    const std::uint64_t kind = random_() % 10;
    if (kind == 0) return std::numeric_limits<float>::quiet_NaN();
    if (kind < 5) return static_cast<float>(random_() % 8) / 4;
    return static_cast<float>(random_() % 10'000) / 5'000;
  }
  std::vector<float> Rows(std::size_t rows) {
    std::vector<float> values(rows * features_);
    for (float& value : values) value = Value();
    return values;
  }

 private:
  nlohmann::json Tree(int depth) {
    nlohmann::json tree;
    for (const char* name : {"left_children", "right_children", "split_indices", "default_left",
                             "split_type", "split_conditions", "sum_hessian", "loss_changes"}) {
      tree[name] = nlohmann::json::array();
    }
    Grow(&tree, depth, 100);
    return tree;
  }

  // Appends a node and all below it; returns its number.
  int Grow(nlohmann::json* tree, int depth, float cover) {
    nlohmann::json& t = *tree;
    const int node = static_cast<int>(t["left_children"].size());
    const bool is_leaf = depth == 0 || (node > 0 && random_() % 5 == 0);
    t["left_children"].push_back(-1);
    t["right_children"].push_back(-1);
    t["split_indices"].push_back(is_leaf ? 0 : random_() % features_);
    t["default_left"].push_back(random_() % 2);
    t["split_type"].push_back(0);
    t["sum_hessian"].push_back(cover);
    t["loss_changes"].push_back(is_leaf ? 0.0F : static_cast<float>(random_() % 100) / 7);
    t["split_conditions"].push_back(is_leaf ? static_cast<float>(random_() % 1000) / 300 - 1.5F
                                            : static_cast<float>(random_() % 8) / 4);
    if (is_leaf) return node;
    const float left_cover = cover * (1 + static_cast<float>(random_() % 8)) / 10;
    const int left = Grow(tree, depth - 1, left_cover);
    const int right = Grow(tree, depth - 1, cover - left_cover);
    t["left_children"][static_cast<std::size_t>(node)] = left;
    t["right_children"][static_cast<std::size_t>(node)] = right;
    return node;
  }

  std::mt19937_64 random_;
  std::size_t features_;
  nlohmann::json json_;
};

// The leaf that a row ends in.
inline std::size_t LeafOf(const nlohmann::json& tree, std::span<const float> row) {
  std::size_t node = 0;
  while (tree["left_children"][node].get<int>() != -1) {
    const float x = row[tree["split_indices"][node].get<std::size_t>()];
    const bool left = std::isnan(x) ? tree["default_left"][node].get<int>() == 1
                                    : x < tree["split_conditions"][node].get<float>();
    node = tree[left ? "left_children" : "right_children"][node].get<std::size_t>();
  }
  return node;
}

// What a tree says of a row of which only some features are known: where it splits on another, both
// sides by their cover.
inline double ExpectedValue(const nlohmann::json& tree, std::span<const float> row, unsigned known,
                            std::size_t node = 0) {
  if (tree["left_children"][node].get<int>() == -1) {
    return tree["split_conditions"][node].get<float>();
  }
  const std::size_t left = tree["left_children"][node].get<std::size_t>();
  const std::size_t right = tree["right_children"][node].get<std::size_t>();
  const std::size_t feature = tree["split_indices"][node].get<std::size_t>();
  if ((known >> feature & 1) != 0) {
    const float x = row[feature];
    const bool goes_left = std::isnan(x) ? tree["default_left"][node].get<int>() == 1
                                         : x < tree["split_conditions"][node].get<float>();
    return ExpectedValue(tree, row, known, goes_left ? left : right);
  }
  const double cover = tree["sum_hessian"][node].get<double>();
  return (tree["sum_hessian"][left].get<double>() * ExpectedValue(tree, row, known, left) +
          tree["sum_hessian"][right].get<double>() * ExpectedValue(tree, row, known, right)) /
         cover;
}

}  // namespace fourfold
