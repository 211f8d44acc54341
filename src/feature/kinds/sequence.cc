#include "feature/kinds/action_view.h"
#include "feature/kinds/kinds.h"

// sequence: the newest `length` actions of the user or session, newest first: item, type, time and
// the number fields named.
namespace fourfold {
namespace {

class SequenceKind final : public FeatureKind {
 public:
  SequenceKind(ActionView view, std::size_t length, std::vector<int> fields)
      : view_(view), length_(length), fields_(std::move(fields)) {}
  FeatureOrigin origin() const override { return view_.origin(); }
  bool per_candidate() const override { return false; }
  bool is_sequence() const override { return true; }
  void Compute(const FeatureContext&, std::span<float>) const override {}
  void ComputeSequence(const FeatureContext& context, FeatureSequence* out) const override {
    *out = {};
    out->fields.resize(fields_.size());
    const TimelineAt& timeline = context.TimelineOf(view_.family, 0);
    timeline.VisitNewest(view_.type_mask, view_.FromMs(context.now_ms()),
                         [&](const TimelineEntry& entry) {
                           const ActionEntry& action = timeline.ActionOf(entry);
                           const std::span<const double> values = timeline.ValuesOf(entry);
                           out->items.emplace_back(context.TextOf(action.item));
                           out->types.emplace_back(context.TextOf(action.type_name));
                           out->event_times_ms.push_back(entry.event_time_ms);
                           for (std::size_t i = 0; i < fields_.size(); ++i) {
                             const double value = values[static_cast<std::size_t>(fields_[i])];
                             out->fields[i].push_back(FloatOf(value));
                           }
                           return out->items.size() < length_;
                         });
  }

 private:
  ActionView view_;
  std::size_t length_;
  std::vector<int> fields_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeSequence(ParameterReader* parameters, PlanBuilder* plan) {
  const ActionView view = ReadActionView(parameters, plan);
  if (view.per_candidate) parameters->Problem("entity", "must be user, session or global");
  const double length = parameters->Number("length", 100, 1, 1000);
  std::vector<int> fields;
  for (const std::string& field : parameters->Texts("fields")) {
    fields.push_back(plan->AddActionField(field, false));
  }
  return std::make_unique<SequenceKind>(view, static_cast<std::size_t>(length), std::move(fields));
}

}  // namespace fourfold
