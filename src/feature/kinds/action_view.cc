#include "feature/kinds/action_view.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/strings.h"
#include "math/exp2.h"
#include "math/floor_divide.h"

namespace fourfold {
namespace {

constexpr std::int64_t kStepsPerHalfLife = 8;
constexpr int kWeightBits = 40;
constexpr std::int64_t kStepsMax = kStepsPerHalfLife * (kWeightBits + 1);
// Timelines up to this size are summed entry by entry, larger ones step by step.
constexpr std::size_t kSizeToScanMax = 8192;

// The age from which on an action weighs less; kStepsMax of them and it weighs nothing.
std::int64_t StepOf(std::int64_t half_life_ms) {
  return std::max<std::int64_t>(1, half_life_ms / kStepsPerHalfLife);
}

using Weights = std::array<std::int64_t, kStepsMax>;

const Weights& AllWeights() {
  static const Weights weights = [] {
    Weights table{};
    for (std::size_t i = 0; i < table.size(); ++i) {
      const double exponent = static_cast<double>(i) / kStepsPerHalfLife;
      table[i] = std::llround(std::ldexp(Exp2(-exponent), kWeightBits));
    }
    return table;
  }();
  return weights;
}

// Sums with weights that halve.
class DecayedSum {
 public:
  DecayedSum(std::int64_t half_life_ms, std::int64_t now_ms)
      : step_ms_(StepOf(half_life_ms)),
        step_of_(step_ms_),
        now_step_(FloorDivide(now_ms, step_ms_)),
        weights_(AllWeights()) {}

  // The first moment of the step that lies `steps` back.
  std::int64_t StartOf(std::int64_t steps) const {
    __extension__ const __int128 start = static_cast<__int128>(now_step_ - steps) * step_ms_;
    return start < INT64_MIN ? INT64_MIN : static_cast<std::int64_t>(start);
  }
  std::int64_t WeightAt(std::int64_t event_time_ms) const {
    return Weight(std::max<std::int64_t>(0, now_step_ - step_of_(event_time_ms)));
  }
  std::int64_t Weight(std::int64_t steps) const {
    return weights_[static_cast<std::size_t>(steps)];
  }

  FixedSum Scan(const TimelineAt& timeline, const Aggregate& of, std::int64_t from_ms) const {
    const std::int64_t begin_ms = std::max(from_ms, StartOf(kStepsMax - 1));
    if (of.field < 0) {
      // At most 2^40 each, of few enough entries.
      std::int64_t count = 0;
      timeline.VisitAll(of.type_mask, begin_ms, [&](const TimelineEntry& entry) {
        count += WeightAt(entry.event_time_ms);
      });
      return count;
    }
    FixedSum sum = 0;
    timeline.VisitAll(of.type_mask, begin_ms, [&](const TimelineEntry& entry) {
      const std::int64_t term =
          ToFixed(timeline.ValuesOf(entry)[static_cast<std::size_t>(of.field)]);
      sum += static_cast<FixedSum>(term) * WeightAt(entry.event_time_ms);
    });
    return sum;
  }

  FixedSum Stepwise(const TimelineAt& timeline, std::size_t aggregate, std::int64_t from_ms) const {
    FixedSum sum = 0;
    FixedSum newer = 0;  // of all steps so far
    for (std::int64_t steps = 0; steps < kStepsMax; ++steps) {
      const std::int64_t start = StartOf(steps);
      const FixedSum until = timeline.Sum(aggregate, std::max(from_ms, start));
      sum += (until - newer) * Weight(steps);
      newer = until;
      if (start <= from_ms) break;
    }
    return sum;
  }

 private:
  std::int64_t step_ms_;
  FastFloorDivide step_of_;
  std::int64_t now_step_;
  const Weights& weights_;
};

}  // namespace

std::int64_t ActionView::FromMs(std::int64_t now_ms) const {
  if (window_ms == 0 || now_ms < INT64_MIN + window_ms) return INT64_MIN;
  return now_ms - window_ms + 1;
}

FeatureOrigin ActionView::origin() const {
  FeatureOrigin origin{FeatureOrigin::Of::kTimeline, family};
  if (window_ms != 0) origin.reach_ms = window_ms;
  if (half_life_ms != 0) {
    origin.reach_ms = std::min(origin.reach_ms, kStepsMax * StepOf(half_life_ms));
  }
  return origin;
}

std::size_t ReadEntity(ParameterReader* parameters, PlanBuilder* plan, bool* per_candidate) {
  using Split = TimelineFamily::Split;
  const std::string entity =
      parameters->Choice("entity", {"item", "user", "session", "user_item", "session_item",
                                    "item_context", "query_item", "global"});
  const std::string context = parameters->Text("context");
  if (context.empty() == (entity == "item_context")) {
    parameters->Problem("context", "names the field of an item_context, and of nothing else");
  }
  *per_candidate = entity.find("item") != std::string::npos;
  if (entity == "item") return plan->AddTimeline(StateEntity::kItem, Split::kNone);
  if (entity == "user") return plan->AddTimeline(StateEntity::kUser, Split::kNone);
  if (entity == "session") return plan->AddTimeline(StateEntity::kSession, Split::kNone);
  if (entity == "user_item") return plan->AddTimeline(StateEntity::kUser, Split::kItem);
  if (entity == "session_item") return plan->AddTimeline(StateEntity::kSession, Split::kItem);
  if (entity == "global") return plan->AddTimeline(StateEntity::kGlobal, Split::kNone);
  if (entity == "query_item") {
    return plan->AddTimeline(StateEntity::kItem, Split::kField, kQueryField);
  }
  return plan->AddTimeline(StateEntity::kItem, Split::kField, context);
}

std::uint64_t ReadTypes(ParameterReader* parameters, PlanBuilder* plan, std::string_view name) {
  std::uint64_t mask = 0;
  if (!plan->AddTypes(parameters->Texts(name), &mask)) {
    parameters->Problem(name, StrCat("all features together name more than ",
                                     StateSchema::kActionTypesMax, " action types"));
  }
  return mask;
}

ActionView ReadActionView(ParameterReader* parameters, PlanBuilder* plan) {
  ActionView view;
  view.family = ReadEntity(parameters, plan, &view.per_candidate);
  view.type_mask = ReadTypes(parameters, plan, "types");
  view.window_ms = parameters->Duration("window");
  return view;
}

double ActionSum::Compute(const TimelineAt& timeline, std::int64_t from_ms,
                          std::int64_t now_ms) const {
  const int bits = of.field < 0 ? 0 : kFixedBits;
  if (half_life_ms == 0) return FromFixed(timeline.Sum(aggregate, from_ms), bits);
  const DecayedSum decayed(half_life_ms, now_ms);
  const FixedSum sum = timeline.size() <= kSizeToScanMax
                           ? decayed.Scan(timeline, of, from_ms)
                           : decayed.Stepwise(timeline, aggregate, from_ms);
  return FromFixed(sum, bits + kWeightBits);
}

float FloatOf(double value) {
  constexpr double kMax = std::numeric_limits<float>::max();
  if (std::isnan(value)) return kNoFeature;
  return static_cast<float>(std::clamp(value, -kMax, kMax));
}

float CategoryOf(const std::vector<std::string>& categories, std::string_view text) {
  const auto found = std::find(categories.begin(), categories.end(), text);
  return found == categories.end() ? kNoFeature : static_cast<float>(found - categories.begin());
}

float NumberOf(const FieldValue* value, const std::vector<std::string>& categories) {
  if (value == nullptr) return kNoFeature;
  if (const auto* number = std::get_if<double>(value)) return FloatOf(*number);
  if (const auto* flag = std::get_if<bool>(value)) return *flag ? 1.0F : 0.0F;
  if (const auto* text = std::get_if<std::string>(value)) return CategoryOf(categories, *text);
  return kNoFeature;
}

bool ReadEmbedded(ParameterReader* parameters, bool numbered) {
  const bool embedded = parameters->Flag("embedded", false);
  if (embedded && numbered) {
    parameters->Problem("embedded", "does not go with categories or contains");
  }
  return embedded;
}

}  // namespace fourfold
