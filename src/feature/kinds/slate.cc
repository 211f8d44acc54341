#include <algorithm>
#include <cmath>
#include <vector>

#include "base/strings.h"
#include "feature/kinds/kinds.h"

// slate_rank: where the candidate stands within the slate by another feature, from 1; equals share
// the best place. slate_zscore: how many standard deviations of the slate it lies above its mean.
// slate_offset: how far another feature of it lies from that of the candidate that is first by
// `by`; of several the first in the list. What has no value has none here, and does not count.
namespace fourfold {
namespace {

class SlateRankFeature final : public FeatureKind {
 public:
  SlateRankFeature(std::size_t of, bool ascending) : of_(of), ascending_(ascending) {}
  bool per_candidate() const override { return true; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const std::span<const float> values = context.Column(of_);
    std::vector<float> sorted;
    sorted.reserve(values.size());
    for (const float value : values) {
      if (!std::isnan(value)) sorted.push_back(value);
    }
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t c = 0; c < out.size(); ++c) {
      out[c] = kNoFeature;
      if (std::isnan(values[c])) continue;
      const auto before =
          ascending_ ? std::lower_bound(sorted.begin(), sorted.end(), values[c]) - sorted.begin()
                     : sorted.end() - std::upper_bound(sorted.begin(), sorted.end(), values[c]);
      out[c] = static_cast<float>(before + 1);
    }
  }

 private:
  std::size_t of_;
  bool ascending_;
};

class SlateZScoreFeature final : public FeatureKind {
 public:
  explicit SlateZScoreFeature(std::size_t of) : of_(of) {}
  bool per_candidate() const override { return true; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const std::span<const float> values = context.Column(of_);
    double sum = 0;
    int count = 0;
    for (const float value : values) {
      if (std::isnan(value)) continue;
      sum += static_cast<double>(value);
      ++count;
    }
    const double mean = count == 0 ? 0 : sum / count;
    double squares = 0;
    for (const float value : values) {
      if (std::isnan(value)) continue;
      squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
    }
    const double deviation = count == 0 ? 0 : std::sqrt(squares / count);
    for (std::size_t c = 0; c < out.size(); ++c) {
      const auto value = static_cast<double>(values[c]);
      out[c] = std::isnan(value) ? kNoFeature
               : deviation == 0  ? 0.0F
                                 : static_cast<float>((value - mean) / deviation);
    }
  }

 private:
  std::size_t of_;
};

class SlateOffsetFeature final : public FeatureKind {
 public:
  SlateOffsetFeature(std::size_t of, std::size_t by, bool ascending)
      : of_(of), by_(by), ascending_(ascending) {}
  bool per_candidate() const override { return true; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const std::span<const float> values = context.Column(of_);
    const std::span<const float> order = context.Column(by_);
    std::size_t first = out.size();
    for (std::size_t c = 0; c < out.size(); ++c) {
      if (std::isnan(order[c])) continue;
      const bool is_before =
          first == out.size() || (ascending_ ? order[c] < order[first] : order[c] > order[first]);
      if (is_before) first = c;
    }
    for (std::size_t c = 0; c < out.size(); ++c) {
      // NaN has one bit pattern here, whatever made it.
      const float offset = first == out.size() ? kNoFeature : values[c] - values[first];
      out[c] = std::isnan(offset) ? kNoFeature : offset;
    }
  }

 private:
  std::size_t of_;
  std::size_t by_;
  bool ascending_;
};

std::size_t ReadFeature(ParameterReader* parameters, PlanBuilder* plan,
                        std::string_view parameter = "feature") {
  const std::string name = parameters->RequiredText(parameter);
  std::size_t feature = 0;
  bool per_candidate = false;
  if (!plan->FindFeature(name, &feature, &per_candidate)) {
    parameters->Problem(parameter, StrCat("no feature \"", name, "\" with a number stands above"));
  } else if (!per_candidate) {
    parameters->Problem(parameter, StrCat("\"", name, "\" is the same for all candidates"));
  }
  return feature;
}

}  // namespace

std::unique_ptr<FeatureKind> MakeSlateRank(ParameterReader* parameters, PlanBuilder* plan) {
  const std::size_t feature = ReadFeature(parameters, plan);
  return std::make_unique<SlateRankFeature>(
      feature, parameters->Choice("order", {"descending", "ascending"}) == "ascending");
}

std::unique_ptr<FeatureKind> MakeSlateOffset(ParameterReader* parameters, PlanBuilder* plan) {
  const std::size_t feature = ReadFeature(parameters, plan);
  const std::size_t by = ReadFeature(parameters, plan, "by");
  return std::make_unique<SlateOffsetFeature>(
      feature, by, parameters->Choice("order", {"descending", "ascending"}) == "ascending");
}

std::unique_ptr<FeatureKind> MakeSlateZScore(ParameterReader* parameters, PlanBuilder* plan) {
  return std::make_unique<SlateZScoreFeature>(ReadFeature(parameters, plan));
}

}  // namespace fourfold
