#include "model/trees/tree_ensemble.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace fourfold {
namespace {

// Rows that go down a tree side by side, so that their loads overlap.
constexpr std::size_t kRowsAtOnce = 8;

}  // namespace

void TreeEnsemble::Predict(std::span<const float> rows, std::span<float> scores) const {
  FOURFOLD_CHECK(rows.size() == scores.size() * features());
  for (std::size_t first = 0; first < scores.size(); first += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, scores.size() - first);
    std::array<const float*, kRowsAtOnce> row;
    // A part of a block goes on with its last row.
    for (std::size_t i = 0; i < kRowsAtOnce; ++i) {
      row[i] = rows.data() + (first + std::min(i, count - 1)) * features();
    }
    std::array<float, kRowsAtOnce> sums;
    sums.fill(base_margin_);
    for (std::size_t tree = 0; tree < roots_.size(); ++tree) {
      std::array<std::uint32_t, kRowsAtOnce> at;
      at.fill(roots_[tree]);
      for (unsigned depth = depths_[tree]; depth > 0; --depth) {
        for (std::size_t i = 0; i < kRowsAtOnce; ++i) {
          const Node& node = nodes_[at[i]];
          at[i] = Child(node, row[i][node.feature]);
        }
      }
      for (std::size_t i = 0; i < kRowsAtOnce; ++i) sums[i] += nodes_[at[i]].value;
    }
    std::copy_n(sums.begin(), count, scores.begin() + static_cast<std::ptrdiff_t>(first));
  }
}

// One walk through all trees. A path holds each feature once: how much of the training data
// (zero) and of the row (one, 0 or 1) goes this way if the feature is unknown or known, and the
// summed weights of the subsets of the path's features by their size.
class TreeEnsemble::Shapley {
 public:
  Shapley(const TreeEnsemble& ensemble, std::span<const float> row, std::span<double> contributions)
      : ensemble_(ensemble), row_(row), contributions_(contributions) {}

  void Walk(std::uint32_t root) { Descend(root, 0, nullptr, kNoFeature, 1, 1); }

 private:
  static constexpr std::uint32_t kNoFeature = 0xffffffff;
  struct Step {
    std::uint32_t feature;
    double zero;
    double one;
    double weight;
  };
  // The first step is none, so one more than the splits of a path.
  struct Path {
    std::array<Step, kDepthMax + 2> steps;
  };

  static void Extend(Path* path, int size, std::uint32_t feature, double zero, double one) {
    path->steps[size] = {feature, zero, one, size == 0 ? 1.0 : 0.0};
    for (int i = size - 1; i >= 0; --i) {
      path->steps[i + 1].weight += one * path->steps[i].weight * (i + 1) / (size + 1);
      path->steps[i].weight *= zero * (size - i) / (size + 1);
    }
  }

  // Takes a step out again; `size` steps before the last.
  static void Unwind(Path* path, int size, int step) {
    const double one = path->steps[step].one;
    const double zero = path->steps[step].zero;
    double next = path->steps[size].weight;
    for (int i = size - 1; i >= 0; --i) {
      if (one != 0) {
        const double weight = path->steps[i].weight;
        path->steps[i].weight = next * (size + 1) / ((i + 1) * one);
        next = weight - path->steps[i].weight * zero * (size - i) / (size + 1);
      } else if (zero != 0) {
        path->steps[i].weight = path->steps[i].weight * (size + 1) / (zero * (size - i));
      }
    }
    for (int i = step; i < size; ++i) {
      path->steps[i].feature = path->steps[i + 1].feature;
      path->steps[i].zero = path->steps[i + 1].zero;
      path->steps[i].one = path->steps[i + 1].one;
    }
  }

  // The sum of the weights that Unwind would leave.
  static double UnwoundSum(const Path& path, int size, int step) {
    const double one = path.steps[step].one;
    const double zero = path.steps[step].zero;
    double next = path.steps[size].weight;
    double sum = 0;
    for (int i = size - 1; i >= 0; --i) {
      if (one != 0) {
        const double weight = next * (size + 1) / ((i + 1) * one);
        sum += weight;
        next = path.steps[i].weight - weight * zero * (size - i) / (size + 1);
      } else if (zero != 0) {
        sum += path.steps[i].weight * (size + 1) / (zero * (size - i));
      }
    }
    return sum;
  }

  void Descend(std::uint32_t at, int size, const Path* above, std::uint32_t feature, double zero,
               double one) {
    Path path;
    if (size > 0) std::copy_n(above->steps.begin(), size, path.steps.begin());
    Extend(&path, size, feature, zero, one);
    const Node& node = ensemble_.nodes_[at];
    if (node.is_split == 0) {
      for (int i = 1; i <= size; ++i) {
        const Step& step = path.steps[i];
        contributions_[step.feature] +=
            UnwoundSum(path, size, i) * (step.one - step.zero) * double{node.value};
      }
      return;
    }
    const std::uint32_t hot = Child(node, row_[node.feature]);
    const std::uint32_t cold = 2 * node.left + 1 - hot;
    double known_zero = 1;
    double known_one = 1;
    for (int i = 1; i <= size; ++i) {
      if (path.steps[i].feature != node.feature) continue;
      known_zero = path.steps[i].zero;
      known_one = path.steps[i].one;
      Unwind(&path, size, i);
      --size;
      break;
    }
    Descend(hot, size + 1, &path, node.feature, ensemble_.ShareOf(hot, at) * known_zero, known_one);
    Descend(cold, size + 1, &path, node.feature, ensemble_.ShareOf(cold, at) * known_zero, 0);
  }

  const TreeEnsemble& ensemble_;
  const std::span<const float> row_;
  const std::span<double> contributions_;
};

void TreeEnsemble::Contributions(std::span<const float> row,
                                 std::span<double> contributions) const {
  FOURFOLD_CHECK(row.size() == features() && contributions.size() == features() + 1);
  std::fill(contributions.begin(), contributions.end(), 0.0);
  contributions.back() = mean_margin_;
  Shapley shapley(*this, row, contributions);
  for (const std::uint32_t root : roots_) shapley.Walk(root);
}

double ProbabilityOf(double margin) { return 1 / (1 + std::exp(-margin)); }

}  // namespace fourfold
