#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Boosted regression trees, as XGBoost trains and stores them, evaluated here: without its locks,
// its threads and its library.
namespace fourfold {

// What a feature did for the trees.
struct FeatureImportance {
  std::string feature;
  double gain = 0;          // loss taken away by all splits on it
  double cover = 0;         // second derivatives (rows, for squared loss) that reach those splits
  std::uint64_t count = 0;  // splits
  friend bool operator==(const FeatureImportance&, const FeatureImportance&) = default;
};

// Immutable; thread-safe. Memory: 12 bytes a node, and 4 more for contributions.
class TreeEnsemble {
 public:
  static constexpr std::size_t kModelBytesMax = 256 << 20;
  static constexpr std::size_t kFeaturesMax = 65'535;
  static constexpr int kDepthMax = 64;

  // Of a model in XGBoost's JSON format (booster gbtree, one output, numerical splits; objectives
  // rank:*, binary:logistic, binary:logitraw, reg:squarederror). Everything is checked: bytes that
  // are no such model, whatever they are, give InvalidArgument with what is wrong and where.
  static absl::StatusOr<TreeEnsemble> Parse(std::string_view json);

  // Of the columns of a row, in order. Empty names where the model has none.
  const std::vector<std::string>& feature_names() const { return feature_names_; }
  std::size_t features() const { return feature_names_.size(); }
  std::size_t trees() const { return roots_.size(); }
  std::size_t nodes() const { return nodes_.size(); }
  // Whether scores are log-odds, so that ProbabilityOf means something.
  bool is_logistic() const { return is_logistic_; }

  // scores[i] = the margin of row i of `rows` (row-major, [scores.size() x features()], NaN:
  // missing). The sum over the trees in their order, in single precision, as XGBoost forms it: the
  // same bits. On the calling thread; allocates nothing.
  void Predict(std::span<const float> rows, std::span<float> scores) const;

  // What each feature adds to the margin of one row, and in the last place what it is without any:
  // path-dependent TreeSHAP (Lundberg, Erion and Lee, 2018), in double precision. The sum is the
  // margin, up to rounding. `contributions` has features() + 1 places.
  void Contributions(std::span<const float> row, std::span<double> contributions) const;

  // As many as features, in their order.
  std::vector<FeatureImportance> Importance() const { return importance_; }

 private:
  // Children stand side by side; a leaf is its own child.
  struct Node {
    float value;         // a leaf's value, else the threshold: left is below it
    std::uint32_t left;  // number of the left child
    std::uint16_t feature;
    std::uint8_t missing_right;  // 0 or 1
    std::uint8_t is_split;       // 0 or 1
  };
  class Builder;
  class Shapley;

  static std::uint32_t Child(const Node& node, float x) {
    const unsigned is_missing = x != x;
    const unsigned is_right = (x >= node.value) | (is_missing & node.missing_right);
    return node.left + (is_right & node.is_split);
  }
  // How much of the training data at a node went on to this child of it.
  double ShareOf(std::size_t child, std::size_t node) const {
    return covers_[node] > 0 ? double{covers_[child]} / double{covers_[node]} : 0.5;
  }

  std::vector<Node> nodes_;           // tree by tree, breadth first
  std::vector<float> covers_;         // of nodes_
  std::vector<std::uint32_t> roots_;  // of each tree
  std::vector<std::uint8_t> depths_;  // of each tree: the most splits on a path
  float base_margin_ = 0;
  double mean_margin_ = 0;  // over the training data, by cover
  bool is_logistic_ = false;
  std::vector<std::string> feature_names_;
  std::vector<FeatureImportance> importance_;
};

// 1 / (1 + e^-margin).
double ProbabilityOf(double margin);

}  // namespace fourfold
