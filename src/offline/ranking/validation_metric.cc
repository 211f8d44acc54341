#include "offline/ranking/validation_metric.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "base/check.h"

namespace fourfold {
namespace {

using Labels = std::span<const float>;

double Gain(float label) { return std::exp2(double{label}) - 1; }

double DiscountedGain(Labels labels, std::size_t places) {
  double sum = 0;
  for (std::size_t i = 0; i < std::min(places, labels.size()); ++i) {
    sum += Gain(labels[i]) / std::log2(static_cast<double>(i) + 2);
  }
  return sum;
}

double Ndcg(Labels ranked, std::size_t places) {
  std::vector<float> best(ranked.begin(), ranked.end());
  std::sort(best.begin(), best.end(), std::greater<>());
  return DiscountedGain(ranked, places) / DiscountedGain(best, places);
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

double MeanOverRequests(const std::function<double(Labels ranked)>& value,
                        std::span<const float> margins, Labels labels,
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
    sum += value(ranked);
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
                        std::span<const float> labels, std::span<const std::uint32_t> request_ends,
                        int cutoff) {
  FOURFOLD_CHECK(margins.size() == labels.size());
  const std::size_t places = cutoff == 0 ? labels.size() : static_cast<std::size_t>(cutoff);
  const auto ndcg = [places](Labels ranked) { return Ndcg(ranked, places); };
  switch (metric) {
    case TreesSpec::Metric::kNdcg:
      return MeanOverRequests(ndcg, margins, labels, request_ends);
    case TreesSpec::Metric::kMap:
      return MeanOverRequests(AveragePrecision, margins, labels, request_ends);
    case TreesSpec::Metric::kAuc:
      return Auc(margins, labels);
    case TreesSpec::Metric::kLogLoss:
      return LogLoss(margins, labels);
  }
  FOURFOLD_CHECK(false);
}

}  // namespace fourfold
