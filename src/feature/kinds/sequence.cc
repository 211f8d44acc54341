#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "feature/kinds/action_view.h"
#include "feature/kinds/field_codes.h"
#include "feature/kinds/kinds.h"

// sequence: the newest `length` actions of the user or session, newest first: item, type, time, the
// number fields named, and of each of the item's `item_fields`, as they are at the read point,
// `item_values` codes. The candidates have the same codes, each as a column of its own.
namespace fourfold {
namespace {

constexpr std::size_t kItemFieldsMax = 16, kItemValuesMax = 16;

void FillCodes(const FieldValue* value, std::string_view field, std::span<float> codes) {
  FillFieldCodes(field, value == nullptr ? FieldValue() : *value, codes);
}

class ItemCodeFeature final : public FeatureKind {
 public:
  ItemCodeFeature(std::string field, std::size_t place) : field_(std::move(field)), place_(place) {}
  FeatureOrigin origin() const override { return {FeatureOrigin::Of::kItemFacts, 0}; }
  bool per_candidate() const override { return true; }
  bool is_code() const override { return true; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    float codes[kItemValuesMax];
    for (std::size_t c = 0; c < out.size(); ++c) {
      FillCodes(context.ItemField(c, field_), field_, {codes, place_ + 1});
      out[c] = codes[place_];
    }
  }

 private:
  std::string field_;
  std::size_t place_;  // among the field's codes
};

class SequenceKind final : public FeatureKind {
 public:
  SequenceKind(ActionView view, std::size_t length, std::vector<int> fields,
               std::vector<std::string> item_fields, std::size_t item_values)
      : view_(view),
        length_(length),
        fields_(std::move(fields)),
        item_fields_(std::move(item_fields)),
        item_values_(item_values) {}
  FeatureOrigin origin() const override { return view_.origin(); }
  bool per_candidate() const override { return false; }
  bool is_sequence() const override { return true; }
  std::size_t item_codes() const override { return item_fields_.size() * item_values_; }
  NamedFeature ItemCode(std::size_t code) const override {
    const std::string& field = item_fields_[code / item_values_];
    const std::size_t place = code % item_values_;
    return {item_values_ == 1 ? field : StrCat(field, " ", place + 1),
            std::make_unique<ItemCodeFeature>(field, place)};
  }
  void Compute(const FeatureContext&, std::span<float>) const override {}
  void ComputeSequence(const FeatureContext& context, FeatureSequence* out) const override {
    *out = {};
    out->fields.resize(fields_.size() + item_codes());
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
                           AddItemCodes(context, action.item, out);
                           return out->items.size() < length_;
                         });
  }

 private:
  void AddItemCodes(const FeatureContext& context, TextIndex item, FeatureSequence* out) const {
    float codes[kItemValuesMax];
    std::size_t column = fields_.size();
    for (const std::string& field : item_fields_) {
      FillCodes(context.FieldOfItem(item, field), field, {codes, item_values_});
      for (std::size_t i = 0; i < item_values_; ++i) out->fields[column++].push_back(codes[i]);
    }
  }

  ActionView view_;
  std::size_t length_;
  std::vector<int> fields_;
  std::vector<std::string> item_fields_;
  std::size_t item_values_;  // of each
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
  std::vector<std::string> item_fields = parameters->Texts("item_fields");
  if (item_fields.size() > kItemFieldsMax) {
    parameters->Problem("item_fields", StrCat("holds more than ", kItemFieldsMax));
  }
  for (const std::string& field : item_fields) plan->AddItemField(field);
  const double item_values = parameters->Number("item_values", 1, 1, kItemValuesMax);
  return std::make_unique<SequenceKind>(view, static_cast<std::size_t>(length), std::move(fields),
                                        std::move(item_fields),
                                        static_cast<std::size_t>(item_values));
}

}  // namespace fourfold
