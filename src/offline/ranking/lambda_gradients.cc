#include "offline/ranking/lambda_gradients.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "base/check.h"

namespace fourfold {
namespace {

// XGBoost divides by sums of them.
constexpr double kSecondDerivativeMin = 1e-16;

double Gain(float label) { return std::exp2(double{label}) - 1; }

// One request after the other; memory stays from one to the next.
class Lambdas {
 public:
  explicit Lambdas(std::size_t cutoff) : cutoff_(cutoff) {}

  void Add(std::span<const float> margins, std::span<const float> labels, double weight,
           std::span<float> gradients, std::span<float> second_derivatives) {
    Order(margins);
    gains_.resize(labels.size());
    std::transform(labels.begin(), labels.end(), gains_.begin(), Gain);
    const double ideal = IdealGain();
    gradient_.assign(labels.size(), 0);
    second_.assign(labels.size(), 0);
    if (ideal > 0) AddPairs(margins, weight / ideal);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      gradients[i] = static_cast<float>(gradient_[i]);
      second_derivatives[i] = static_cast<float>(std::max(second_[i], kSecondDerivativeMin));
    }
  }

 private:
  void Order(std::span<const float> margins) {
    order_.resize(margins.size());
    std::iota(order_.begin(), order_.end(), std::uint32_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return margins[a] > margins[b]; });
    for (std::size_t place = discounts_.size(); place < margins.size(); ++place) {
      discounts_.push_back(1 / std::log2(static_cast<double>(place) + 2));
    }
  }

  double IdealGain() {
    sorted_ = gains_;
    std::sort(sorted_.begin(), sorted_.end(), std::greater<>());
    double sum = 0;
    for (std::size_t place = 0; place < std::min(cutoff_, sorted_.size()); ++place) {
      sum += sorted_[place] * discounts_[place];
    }
    return sum;
  }

  void AddPairs(std::span<const float> margins, double scale) {
    for (std::size_t above = 0; above < std::min(cutoff_, order_.size()); ++above) {
      for (std::size_t below = above + 1; below < order_.size(); ++below) {
        std::uint32_t better = order_[above];
        std::uint32_t worse = order_[below];
        if (gains_[better] == gains_[worse]) continue;
        if (gains_[better] < gains_[worse]) std::swap(better, worse);
        const double change =
            scale * (gains_[better] - gains_[worse]) * (discounts_[above] - discounts_[below]);
        const double chance = 1 / (1 + std::exp(double{margins[better]} - double{margins[worse]}));
        gradient_[better] -= change * chance;
        gradient_[worse] += change * chance;
        second_[better] += change * chance * (1 - chance);
        second_[worse] += change * chance * (1 - chance);
      }
    }
  }

  const std::size_t cutoff_;
  std::vector<std::uint32_t> order_;
  std::vector<double> discounts_;  // by place
  std::vector<double> gains_;
  std::vector<double> sorted_;
  std::vector<double> gradient_;
  std::vector<double> second_;
};

}  // namespace

void LambdaGradients(std::span<const float> margins, std::span<const float> labels,
                     std::span<const std::uint32_t> request_ends,
                     std::span<const float> request_weights, int cutoff, std::span<float> gradients,
                     std::span<float> second_derivatives) {
  FOURFOLD_CHECK(cutoff >= 1 && request_weights.size() == request_ends.size());
  FOURFOLD_CHECK(labels.size() == margins.size() && gradients.size() == margins.size() &&
                 second_derivatives.size() == margins.size());
  Lambdas lambdas(static_cast<std::size_t>(cutoff));
  std::uint32_t begin = 0;
  for (std::size_t request = 0; request < request_ends.size(); ++request) {
    const std::uint32_t rows = request_ends[request] - begin;
    lambdas.Add(margins.subspan(begin, rows), labels.subspan(begin, rows),
                double{request_weights[request]}, gradients.subspan(begin, rows),
                second_derivatives.subspan(begin, rows));
    begin = request_ends[request];
  }
}

}  // namespace fourfold
