#include <cmath>

#include "base/strings.h"
#include "feature/kinds/kinds.h"

// slate_rank: where the candidate stands within the slate by another feature, from 1; equals share
// the best place. slate_zscore: how many standard deviations of the slate it lies above its mean.
// What has no value has none here, and does not count.
namespace fourfold {
namespace {

class SlateRankFeature final : public FeatureKind {
 public:
  SlateRankFeature(std::size_t of, bool ascending) : of_(of), ascending_(ascending) {}
  bool per_candidate() const override { return true; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const std::span<const float> values = context.Column(of_);
    for (std::size_t c = 0; c < out.size(); ++c) {
      out[c] = kNoFeature;
      if (std::isnan(values[c])) continue;
      int before = 0;
      for (const float other : values) {
        if (ascending_ ? other < values[c] : other > values[c]) ++before;
      }
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

std::size_t ReadFeature(ParameterReader* parameters, PlanBuilder* plan) {
  const std::string name = parameters->RequiredText("feature");
  std::size_t feature = 0;
  bool per_candidate = false;
  if (!plan->FindFeature(name, &feature, &per_candidate)) {
    parameters->Problem("feature", StrCat("no feature \"", name, "\" with a number stands above"));
  } else if (!per_candidate) {
    parameters->Problem("feature", StrCat("\"", name, "\" is the same for all candidates"));
  }
  return feature;
}

}  // namespace

std::unique_ptr<FeatureKind> MakeSlateRank(ParameterReader* parameters, PlanBuilder* plan) {
  const std::size_t feature = ReadFeature(parameters, plan);
  return std::make_unique<SlateRankFeature>(
      feature, parameters->Choice("order", {"descending", "ascending"}) == "ascending");
}

std::unique_ptr<FeatureKind> MakeSlateZScore(ParameterReader* parameters, PlanBuilder* plan) {
  return std::make_unique<SlateZScoreFeature>(ReadFeature(parameters, plan));
}

}  // namespace fourfold
