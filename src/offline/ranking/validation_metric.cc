#include "offline/ranking/validation_metric.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/check.h"

namespace fourfold {
namespace {

using Labels = std::span<const float>;

double Gain(float label) { return std::exp2(double{label}) - 1; }

double DiscountedGain(Labels labels) {
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    sum += Gain(labels[i]) / std::log2(static_cast<double>(i) + 2);
  }
  return sum;
}

double Ndcg(Labels ranked) {
  std::vector<float> best(ranked.begin(), ranked.end());
  std::sort(best.begin(), best.end(), std::greater<>());
  return DiscountedGain(ranked) / DiscountedGain(best);
}

double AveragePrecision(Labels ranked) {
  double hits = 0;
  double sum = 0;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    if (ranked[i] <= 0) continue;
    ++hits;
    sum += hits / static_cast<double>(i + 1);
  }
  return sum / hits;
}

std::vector<std::uint32_t> ByMargin(std::span<const float> margins) {
  std::vector<std::uint32_t> order(margins.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return margins[a] > margins[b]; });
  return order;
}

double MeanOverRequests(bool ndcg, std::span<const float> margins, Labels labels,
                        std::span<const std::uint32_t> request_ends) {
  double sum = 0;
  double requests = 0;
  std::vector<float> ranked;
  std::uint32_t begin = 0;
  for (const std::uint32_t end : request_ends) {
    const Labels of_request = labels.subspan(begin, end - begin);
    ranked.clear();
    for (const std::uint32_t place : ByMargin(margins.subspan(begin, end - begin))) {
      ranked.push_back(of_request[place]);
    }
    begin = end;
    if (std::none_of(ranked.begin(), ranked.end(), [](float label) { return label > 0; })) continue;
    sum += ndcg ? Ndcg(ranked) : AveragePrecision(ranked);
    ++requests;
  }
  return requests == 0 ? 0 : sum / requests;
}

double Auc(std::span<const float> margins, Labels labels) {
  const std::vector<std::uint32_t> order = ByMargin(margins);
  double positives_above = 0;
  double pairs_won = 0;
  double negatives = 0;
  for (std::size_t begin = 0; begin < order.size();) {
    double positives_here = 0;
    double negatives_here = 0;
    std::size_t end = begin;
    for (; end < order.size() && margins[order[end]] == margins[order[begin]]; ++end) {
      ++(labels[order[end]] > 0 ? positives_here : negatives_here);
    }
    pairs_won += negatives_here * (positives_above + positives_here / 2);
    positives_above += positives_here;
    negatives += negatives_here;
    begin = end;
  }
  return positives_above * negatives == 0 ? 0.5 : pairs_won / (positives_above * negatives);
}

double LogLoss(std::span<const float> margins, Labels labels) {
  double sum = 0;
  for (std::size_t i = 0; i < margins.size(); ++i) {
    const double margin = margins[i];
    // log(1 + e^margin) - label * margin, without overflow.
    sum += std::max(margin, 0.0) + std::log1p(std::exp(-std::abs(margin))) - labels[i] * margin;
  }
  return margins.empty() ? 0 : sum / static_cast<double>(margins.size());
}

}  // namespace

double ValidationMetric(TreesSpec::Metric metric, std::span<const float> margins,
                        std::span<const float> labels,
                        std::span<const std::uint32_t> request_ends) {
  FOURFOLD_CHECK(margins.size() == labels.size());
  switch (metric) {
    case TreesSpec::Metric::kNdcg:
      return MeanOverRequests(true, margins, labels, request_ends);
    case TreesSpec::Metric::kMap:
      return MeanOverRequests(false, margins, labels, request_ends);
    case TreesSpec::Metric::kAuc:
      return Auc(margins, labels);
    case TreesSpec::Metric::kLogLoss:
      return LogLoss(margins, labels);
  }
  FOURFOLD_CHECK(false);
}

}  // namespace fourfold
