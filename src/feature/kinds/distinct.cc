#include "absl/container/flat_hash_set.h"
#include "feature/kinds/action_view.h"
#include "feature/kinds/kinds.h"

// distinct: how many different items, users or sessions the actions are of.
namespace fourfold {
namespace {

class DistinctFeature final : public FeatureKind {
 public:
  DistinctFeature(ActionView view, std::string of) : view_(view), of_(std::move(of)) {}
  bool per_candidate() const override { return view_.per_candidate; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    absl::flat_hash_set<std::uint64_t> met;
    for (std::size_t c = 0; c < out.size(); ++c) {
      met.clear();
      const TimelineAt& timeline = context.TimelineOf(view_.family, c);
      timeline.Visit(view_.type_mask, view_.FromMs(context.now_ms()),
                     [&](const TimelineEntry& entry) {
                       const std::uint64_t id = IdOf(timeline.ActionOf(entry));
                       if (id != 0) met.insert(id);
                       return true;
                     });
      out[c] = static_cast<float>(met.size());
    }
  }

 private:
  std::uint64_t IdOf(const ActionEntry& entry) const {
    return of_ == "item" ? entry.item : of_ == "user" ? entry.user : entry.session;
  }

  ActionView view_;
  std::string of_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeDistinct(ParameterReader* parameters, PlanBuilder* plan) {
  const ActionView view = ReadActionView(parameters, plan);
  return std::make_unique<DistinctFeature>(view,
                                           parameters->Choice("of", {"item", "user", "session"}));
}

}  // namespace fourfold
