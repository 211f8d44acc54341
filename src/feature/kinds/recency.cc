#include "feature/kinds/action_view.h"
#include "feature/kinds/field_codes.h"
#include "feature/kinds/kinds.h"

// recency: seconds since the newest action. age: seconds since the oldest one. last: a field of the
// newest one, or its type.
namespace fourfold {
namespace {

float SecondsSince(std::int64_t then_ms, std::int64_t now_ms) {
  return static_cast<float>((static_cast<double>(now_ms) - static_cast<double>(then_ms)) / 1000);
}

class RecencyFeature final : public FeatureKind {
 public:
  explicit RecencyFeature(ActionView view) : view_(view) {}
  FeatureOrigin origin() const override { return view_.origin(); }
  bool per_candidate() const override { return view_.per_candidate; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const std::int64_t now_ms = context.now_ms();
    for (std::size_t c = 0; c < out.size(); ++c) {
      const TimelineAt& timeline = context.TimelineOf(view_.family, c);
      const TimelineEntry* newest = timeline.Newest(view_.type_mask, view_.FromMs(now_ms));
      out[c] = newest == nullptr ? kNoFeature : SecondsSince(newest->event_time_ms, now_ms);
    }
  }

 private:
  ActionView view_;
};

class AgeFeature final : public FeatureKind {
 public:
  explicit AgeFeature(ActionView view) : view_(view) {}
  FeatureOrigin origin() const override { return view_.origin(); }
  bool per_candidate() const override { return view_.per_candidate; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const std::int64_t now_ms = context.now_ms();
    for (std::size_t c = 0; c < out.size(); ++c) {
      const TimelineEntry* oldest = context.TimelineOf(view_.family, c).Oldest(view_.type_mask);
      out[c] = oldest == nullptr ? kNoFeature : SecondsSince(oldest->event_time_ms, now_ms);
    }
  }

 private:
  ActionView view_;
};

class LastFeature final : public FeatureKind {
 public:
  // `field` below 0: its type. A text is its place in `categories` or, where `coded` is not empty,
  // the code that a text of a field of that name has.
  LastFeature(ActionView view, int field, bool is_text, std::vector<std::string> categories,
              std::string coded)
      : view_(view),
        field_(field),
        is_text_(is_text),
        categories_(std::move(categories)),
        coded_(std::move(coded)) {}
  FeatureOrigin origin() const override { return view_.origin(); }
  bool per_candidate() const override { return view_.per_candidate; }
  bool is_code() const override { return !coded_.empty(); }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const std::int64_t now_ms = context.now_ms();
    for (std::size_t c = 0; c < out.size(); ++c) {
      const TimelineAt& timeline = context.TimelineOf(view_.family, c);
      const TimelineEntry* newest = timeline.Newest(view_.type_mask, view_.FromMs(now_ms));
      out[c] = newest == nullptr ? kNoFeature : ValueOf(context, timeline, *newest);
    }
  }

 private:
  float ValueOf(const FeatureContext& context, const TimelineAt& timeline,
                const TimelineEntry& entry) const {
    if (field_ < 0) return OfText(context.TextOf(timeline.ActionOf(entry).type_name));
    const double value = timeline.ValuesOf(entry)[static_cast<std::size_t>(field_)];
    if (value != value) return kNoFeature;
    if (!is_text_) return FloatOf(value);
    return OfText(context.TextOf(static_cast<TextIndex>(value)));
  }
  float OfText(std::string_view text) const {
    return is_code() ? TextCodeOf(coded_, text) : CategoryOf(categories_, text);
  }

  ActionView view_;
  int field_;
  bool is_text_;
  std::vector<std::string> categories_;
  std::string coded_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeRecency(ParameterReader* parameters, PlanBuilder* plan) {
  return std::make_unique<RecencyFeature>(ReadActionView(parameters, plan));
}

std::unique_ptr<FeatureKind> MakeAge(ParameterReader* parameters, PlanBuilder* plan) {
  ActionView view;
  view.family = ReadEntity(parameters, plan, &view.per_candidate);
  view.type_mask = ReadTypes(parameters, plan, "types");
  return std::make_unique<AgeFeature>(view);
}

std::unique_ptr<FeatureKind> MakeLast(ParameterReader* parameters, PlanBuilder* plan) {
  const ActionView view = ReadActionView(parameters, plan);
  std::vector<std::string> categories = parameters->Texts("categories");
  const bool embedded = ReadEmbedded(parameters, !categories.empty());
  const bool is_text = embedded || !categories.empty();
  const bool is_type = parameters->Choice("of", {"field", "type"}) == "type";
  const std::string field = parameters->Text("field");
  if (field.empty() != is_type) {
    parameters->Problem("field", "goes with `of: field`, and with nothing else");
  }
  if (is_type && !is_text) {
    parameters->Problem("categories", "is required with `of: type`, or embedded");
  }
  const int index = is_type || field.empty() ? -1 : plan->AddActionField(field, is_text);
  std::string coded;
  if (embedded) coded = is_type ? "type" : field;
  return std::make_unique<LastFeature>(view, index, is_text, std::move(categories),
                                       std::move(coded));
}

}  // namespace fourfold
