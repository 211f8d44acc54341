#include <algorithm>

#include "base/strings.h"
#include "feature/kinds/action_view.h"
#include "feature/kinds/field_codes.h"
#include "feature/kinds/kinds.h"

// attribute: a field of the item or user, as it was. input_field: the same of what the caller gave
// with the candidate.
namespace fourfold {
namespace {

// A value as a number: itself, its place in `categories`, or whether it is or holds `contains`; or
// its code.
struct Reading {
  std::string field;
  std::vector<std::string> categories;
  std::string contains;
  bool embedded = false;

  float Of(const FieldValue* value) const {
    if (embedded) return FieldCodeOf(field, value);
    if (contains.empty() || value == nullptr) return NumberOf(value, categories);
    if (const auto* text = std::get_if<std::string>(value)) return *text == contains ? 1 : 0;
    const auto* texts = std::get_if<std::vector<std::string>>(value);
    if (texts == nullptr) return kNoFeature;
    return std::find(texts->begin(), texts->end(), contains) == texts->end() ? 0.0F : 1.0F;
  }
};

Reading ReadReading(ParameterReader* parameters) {
  Reading reading;
  reading.field = parameters->RequiredText("field");
  reading.categories = parameters->Texts("categories");
  reading.contains = parameters->Text("contains");
  if (!reading.contains.empty() && !reading.categories.empty()) {
    parameters->Problem("contains", "does not go with categories");
  }
  reading.embedded =
      ReadEmbedded(parameters, !reading.contains.empty() || !reading.categories.empty());
  return reading;
}

class AttributeFeature final : public FeatureKind {
 public:
  AttributeFeature(bool is_item, Reading reading)
      : is_item_(is_item), reading_(std::move(reading)) {}
  FeatureOrigin origin() const override {
    return {is_item_ ? FeatureOrigin::Of::kItemFacts : FeatureOrigin::Of::kUserFacts, 0};
  }
  bool per_candidate() const override { return is_item_; }
  bool is_code() const override { return reading_.embedded; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    for (std::size_t c = 0; c < out.size(); ++c) {
      out[c] = reading_.Of(is_item_ ? context.ItemField(c, reading_.field)
                                    : context.UserField(reading_.field));
    }
  }

 private:
  bool is_item_;
  Reading reading_;
};

class InputFieldFeature final : public FeatureKind {
 public:
  explicit InputFieldFeature(Reading reading) : reading_(std::move(reading)) {}
  bool per_candidate() const override { return true; }
  bool is_code() const override { return reading_.embedded; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    for (std::size_t c = 0; c < out.size(); ++c) {
      const std::vector<Field>& fields = context.request().candidates[c].fields;
      const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) {
        return field.name == reading_.field;
      });
      out[c] = reading_.Of(found == fields.end() ? nullptr : &found->value);
    }
  }

 private:
  Reading reading_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeAttribute(ParameterReader* parameters, PlanBuilder* plan) {
  const bool is_item = parameters->Choice("entity", {"item", "user"}) == "item";
  Reading reading = ReadReading(parameters);
  if (is_item) {
    plan->AddItemField(reading.field);
  } else {
    plan->AddUserField(reading.field);
  }
  return std::make_unique<AttributeFeature>(is_item, std::move(reading));
}

std::unique_ptr<FeatureKind> MakeInputField(ParameterReader* parameters, PlanBuilder*) {
  return std::make_unique<InputFieldFeature>(ReadReading(parameters));
}

}  // namespace fourfold
