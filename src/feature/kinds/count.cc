#include "feature/kinds/action_view.h"
#include "feature/kinds/kinds.h"

// count: how many actions; sum: what a number field of them adds up to.
namespace fourfold {
namespace {

class SumFeature final : public FeatureKind {
 public:
  SumFeature(ActionView view, ActionSum sum) : view_(view), sum_(sum) {}
  FeatureOrigin origin() const override { return view_.origin(); }
  std::optional<float> default_value() const override { return 0.0F; }
  bool per_candidate() const override { return view_.per_candidate; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const std::int64_t now_ms = context.now_ms();
    for (std::size_t c = 0; c < out.size(); ++c) {
      out[c] = static_cast<float>(
          sum_.Compute(context.TimelineOf(view_.family, c), view_.FromMs(now_ms), now_ms));
    }
  }

 private:
  ActionView view_;
  ActionSum sum_;
};

std::unique_ptr<FeatureKind> Make(ParameterReader* parameters, PlanBuilder* plan, bool is_sum) {
  ActionView view = ReadActionView(parameters, plan);
  ActionSum sum;
  sum.half_life_ms = view.half_life_ms = parameters->Duration("half_life");
  sum.of.type_mask = view.type_mask;
  if (is_sum) sum.of.field = plan->AddActionField(parameters->RequiredText("field"), false);
  sum.aggregate = plan->AddAggregate(view.family, sum.of);
  return std::make_unique<SumFeature>(view, sum);
}

}  // namespace

std::unique_ptr<FeatureKind> MakeCount(ParameterReader* parameters, PlanBuilder* plan) {
  return Make(parameters, plan, false);
}

std::unique_ptr<FeatureKind> MakeSum(ParameterReader* parameters, PlanBuilder* plan) {
  return Make(parameters, plan, true);
}

}  // namespace fourfold
