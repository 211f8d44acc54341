#include "feature/kinds/action_view.h"
#include "feature/kinds/kinds.h"

// rate: (numerator + prior * strength) / (denominator + strength). Each is a count of actions, or
// the sum of their `field`; no value where the denominator comes to 0.
namespace fourfold {
namespace {

class RateFeature final : public FeatureKind {
 public:
  RateFeature(ActionView view, ActionSum numerator, ActionSum denominator, double prior,
              double strength)
      : view_(view),
        numerator_(numerator),
        denominator_(denominator),
        prior_(prior),
        strength_(strength) {}
  FeatureOrigin origin() const override { return view_.origin(); }
  std::optional<float> default_value() const override {
    if (strength_ == 0) return std::nullopt;
    return static_cast<float>(prior_ * strength_ / strength_);
  }
  bool per_candidate() const override { return view_.per_candidate; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const std::int64_t now_ms = context.now_ms();
    const std::int64_t from_ms = view_.FromMs(now_ms);
    for (std::size_t c = 0; c < out.size(); ++c) {
      const TimelineAt& timeline = context.TimelineOf(view_.family, c);
      const double below = denominator_.Compute(timeline, from_ms, now_ms) + strength_;
      const double above = numerator_.Compute(timeline, from_ms, now_ms) + prior_ * strength_;
      out[c] = below == 0 ? kNoFeature : static_cast<float>(above / below);
    }
  }

 private:
  ActionView view_;
  ActionSum numerator_;
  ActionSum denominator_;
  double prior_;
  double strength_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeRate(ParameterReader* parameters, PlanBuilder* plan) {
  ActionView view;
  view.family = ReadEntity(parameters, plan, &view.per_candidate);
  view.window_ms = parameters->Duration("window");
  ActionSum numerator;
  ActionSum denominator;
  view.half_life_ms = parameters->Duration("half_life");
  numerator.half_life_ms = denominator.half_life_ms = view.half_life_ms;
  numerator.of.type_mask = ReadTypes(parameters, plan, "types");
  denominator.of.type_mask = ReadTypes(parameters, plan, "of_types");
  const std::string field = parameters->Text("field");
  if (!field.empty()) numerator.of.field = plan->AddActionField(field, false);
  numerator.aggregate = plan->AddAggregate(view.family, numerator.of);
  denominator.aggregate = plan->AddAggregate(view.family, denominator.of);
  const double prior = parameters->Number("prior", 0, -1e9, 1e9);
  const double strength = parameters->Number("strength", 0, 0, 1e9);
  return std::make_unique<RateFeature>(view, numerator, denominator, prior, strength);
}

}  // namespace fourfold
