#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"
#include "feature/kinds/action_view.h"
#include "feature/kinds/kinds.h"

// affinity: how often the user's (or session's) newest actions were on items that share the
// candidate's values of a field: for each of its values the share of those actions whose item has
// it, added up. Fields are read at the read point. No value without actions or without the field.
namespace fourfold {
namespace {

// The values of a field, as texts; a list's elements each once.
std::vector<std::string> ValuesOf(const FieldValue* value) {
  std::vector<std::string> values;
  if (value == nullptr) return values;
  if (const auto* text = std::get_if<std::string>(value)) values = {*text};
  if (const auto* texts = std::get_if<std::vector<std::string>>(value)) values = *texts;
  if (const auto* number = std::get_if<double>(value)) values = {StrCat(*number)};
  if (const auto* flag = std::get_if<bool>(value)) values = {*flag ? "true" : "false"};
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

class AffinityFeature final : public FeatureKind {
 public:
  AffinityFeature(ActionView view, std::size_t actions, std::string field)
      : view_(view), actions_(actions), field_(std::move(field)) {}
  FeatureOrigin origin() const override { return view_.origin(); }
  bool per_candidate() const override { return true; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    std::fill(out.begin(), out.end(), kNoFeature);
    const TimelineAt& timeline = context.TimelineOf(view_.family, 0);
    absl::flat_hash_map<TextIndex, std::int64_t> items;
    std::int64_t count = 0;
    timeline.VisitNewest(view_.type_mask, view_.FromMs(context.now_ms()),
                         [&](const TimelineEntry& entry) {
                           ++items[timeline.ActionOf(entry).item];
                           return static_cast<std::size_t>(++count) < actions_;
                         });
    if (count == 0) return;
    StringMap<std::int64_t> met;
    for (const auto& [item, times] : items) {
      for (const std::string& value : ValuesOf(context.FieldOfItem(item, field_))) {
        met[value] += times;
      }
    }
    for (std::size_t c = 0; c < out.size(); ++c) {
      const std::vector<std::string> values = ValuesOf(context.ItemField(c, field_));
      if (values.empty()) continue;
      std::int64_t shared = 0;
      for (const std::string& value : values) {
        const auto found = met.find(value);
        if (found != met.end()) shared += found->second;
      }
      out[c] = static_cast<float>(static_cast<double>(shared) / static_cast<double>(count));
    }
  }

 private:
  ActionView view_;
  std::size_t actions_;
  std::string field_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeAffinity(ParameterReader* parameters, PlanBuilder* plan) {
  ActionView view;
  const bool is_user = parameters->Choice("entity", {"user", "session"}) == "user";
  view.family = plan->AddTimeline(is_user ? StateEntity::kUser : StateEntity::kSession,
                                  TimelineFamily::Split::kNone);
  view.type_mask = ReadTypes(parameters, plan, "types");
  view.window_ms = parameters->Duration("window");
  const double actions = parameters->Number("actions", 100, 1, 1000);
  const std::string field = parameters->RequiredText("field");
  plan->AddItemField(field);
  return std::make_unique<AffinityFeature>(view, static_cast<std::size_t>(actions), field);
}

}  // namespace fourfold
