#include <algorithm>

#include "feature/kinds/action_view.h"
#include "feature/kinds/field_codes.h"
#include "feature/kinds/kinds.h"

// request: the hour (0-23) or weekday (0 Monday) of the request in UTC, or a field of it, or its
// code. input_rank: the candidate's place, from 1, in the list that the caller brought.
// shown_position: its place in the slate that was shown; where it was not shown yet, what `serving`
// says.
namespace fourfold {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;

std::int64_t FloorModulo(std::int64_t value, std::int64_t by) { return (value % by + by) % by; }

class RequestFeature final : public FeatureKind {
 public:
  RequestFeature(std::string of, std::string field, std::vector<std::string> categories,
                 bool embedded)
      : of_(std::move(of)),
        field_(std::move(field)),
        categories_(std::move(categories)),
        embedded_(embedded) {}
  bool per_candidate() const override { return false; }
  bool is_code() const override { return embedded_; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    const FeatureRequest& request = context.request();
    const std::int64_t of_day_ms = FloorModulo(request.now_ms, kDayMs);
    if (of_ == "hour") {
      const std::int64_t hour = of_day_ms / kHourMs;
      out[0] = ValueOf(static_cast<double>(hour));
    } else if (of_ == "weekday") {
      // The epoch was a Thursday.
      const std::int64_t day = (request.now_ms - of_day_ms) / kDayMs;
      out[0] = ValueOf(static_cast<double>(FloorModulo(day + 3, 7)));
    } else if (of_ == "surface") {
      out[0] = request.surface.empty() ? kNoFeature : ValueOf(request.surface);
    } else {
      const auto found = std::find_if(request.fields.begin(), request.fields.end(),
                                      [&](const Field& field) { return field.name == field_; });
      out[0] = found == request.fields.end() ? kNoFeature : ValueOf(found->value);
    }
  }

 private:
  float ValueOf(const FieldValue& value) const {
    if (embedded_) return FieldCodeOf(of_ == "field" ? field_ : of_, &value);
    return NumberOf(&value, categories_);
  }

  std::string of_;
  std::string field_;
  std::vector<std::string> categories_;
  bool embedded_;
};

class InputRankFeature final : public FeatureKind {
 public:
  bool per_candidate() const override { return true; }
  void Compute(const FeatureContext&, std::span<float> out) const override {
    for (std::size_t c = 0; c < out.size(); ++c) out[c] = static_cast<float>(c + 1);
  }
};

class ShownPositionFeature final : public FeatureKind {
 public:
  explicit ShownPositionFeature(double serving) : serving_(static_cast<float>(serving)) {}
  std::optional<float> default_value() const override { return serving_; }
  bool per_candidate() const override { return true; }
  void Compute(const FeatureContext& context, std::span<float> out) const override {
    for (std::size_t c = 0; c < out.size(); ++c) {
      const int position = context.request().candidates[c].shown_position;
      out[c] = position == 0 ? serving_ : static_cast<float>(position);
    }
  }

 private:
  float serving_;
};

}  // namespace

std::unique_ptr<FeatureKind> MakeRequest(ParameterReader* parameters, PlanBuilder*) {
  std::string of = parameters->Choice("of", {"hour", "weekday", "surface", "field"});
  std::string field = parameters->Text("field");
  if (field.empty() == (of == "field")) {
    parameters->Problem("field", "goes with `of: field`, and with nothing else");
  }
  std::vector<std::string> categories = parameters->Texts("categories");
  const bool embedded = ReadEmbedded(parameters, !categories.empty());
  return std::make_unique<RequestFeature>(std::move(of), std::move(field), std::move(categories),
                                          embedded);
}

std::unique_ptr<FeatureKind> MakeInputRank(ParameterReader*, PlanBuilder*) {
  return std::make_unique<InputRankFeature>();
}

std::unique_ptr<FeatureKind> MakeShownPosition(ParameterReader* parameters, PlanBuilder*) {
  return std::make_unique<ShownPositionFeature>(parameters->Number("serving", 1, 1, 1000));
}

}  // namespace fourfold
