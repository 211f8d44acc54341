#include "feature/plan/feature_plan.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/strings.h"
#include "data/limits.h"
#include "feature/kinds/kinds.h"

namespace fourfold {

std::size_t PlanBuilder::AddTimeline(StateEntity entity, TimelineFamily::Split split,
                                     std::string_view field) {
  const int index = split == TimelineFamily::Split::kField ? AddActionField(field, true) : -1;
  const auto found = std::find_if(
      schema.families.begin(), schema.families.end(), [&](const TimelineFamily& family) {
        return family.entity == entity && family.split == split && family.field == index;
      });
  const auto place = static_cast<std::size_t>(found - schema.families.begin());
  if (found == schema.families.end()) schema.families.push_back({entity, split, index, {}});
  use.families.resize(schema.families.size());
  use.families[place] = true;
  use.actions[static_cast<std::size_t>(entity)] = true;
  return place;
}

std::size_t PlanBuilder::AddAggregate(std::size_t family, const Aggregate& aggregate) {
  std::vector<Aggregate>& aggregates = schema.families[family].aggregates;
  const auto found = std::find(aggregates.begin(), aggregates.end(), aggregate);
  if (found != aggregates.end()) return static_cast<std::size_t>(found - aggregates.begin());
  aggregates.push_back(aggregate);
  return aggregates.size() - 1;
}

int PlanBuilder::AddActionField(std::string_view name, bool is_text) {
  const ActionField field{std::string(name), is_text};
  auto& fields = schema.action_fields;
  const auto found = std::find(fields.begin(), fields.end(), field);
  if (found != fields.end()) return static_cast<int>(found - fields.begin());
  fields.push_back(field);
  return static_cast<int>(fields.size()) - 1;
}

namespace {

void AddOnce(std::string_view name, std::vector<std::string>* names) {
  if (std::find(names->begin(), names->end(), name) == names->end()) names->emplace_back(name);
}

}  // namespace

void PlanBuilder::AddItemField(std::string_view name) {
  AddOnce(name, &schema.item_fields);
  use.facts[static_cast<std::size_t>(StateEntity::kItem)] = true;
}
void PlanBuilder::AddUserField(std::string_view name) {
  AddOnce(name, &schema.user_fields);
  use.facts[static_cast<std::size_t>(StateEntity::kUser)] = true;
}

bool PlanBuilder::AddTypes(const std::vector<std::string>& types, std::uint64_t* mask) {
  *mask = types.empty() ? ~std::uint64_t{0} : 0;
  for (const std::string& type : types) {
    AddOnce(type, &schema.action_types);
    if (schema.action_types.size() > StateSchema::kActionTypesMax) return false;
    *mask |= std::uint64_t{1} << schema.TypeOf(type);
  }
  return true;
}

bool PlanBuilder::FindFeature(std::string_view name, std::size_t* feature,
                              bool* per_candidate) const {
  for (std::size_t i = 0; i < numeric.size(); ++i) {
    if (numeric[i].name != name) continue;
    *feature = i;
    *per_candidate = numeric[i].per_candidate;
    return true;
  }
  return false;
}

namespace {

// Null where there is no kind of this name.
FeatureFactory FindKind(std::string_view name) {
  for (const NamedKind& kind : FeatureKinds()) {
    if (kind.name == name) return kind.make;
  }
  return nullptr;
}

std::string KindNames() {
  std::string names;
  for (const NamedKind& kind : FeatureKinds()) {
    StrAppend(&names, names.empty() ? "" : ", ", kind.name);
  }
  return names;
}

bool IsTaken(std::string_view name, const auto& features) {
  return std::any_of(features.begin(), features.end(),
                     [&](const auto& feature) { return feature.name == name; });
}

}  // namespace

absl::StatusOr<std::shared_ptr<const FeaturePlan>> FeaturePlan::Compile(
    const std::vector<FeatureDeclaration>& declarations, std::vector<DeclarationProblem>* problems,
    StateSchema onto) {
  std::vector<DeclarationProblem> found;
  const auto plan = std::shared_ptr<FeaturePlan>(new FeaturePlan());
  PlanBuilder builder(std::move(onto));
  if (declarations.size() > kFeaturesMax) {
    found.push_back({kFeaturesMax, "", StrCat("more than ", kFeaturesMax, " features")});
  }
  for (std::size_t i = 0; i < std::min(declarations.size(), kFeaturesMax); ++i) {
    const FeatureDeclaration& declaration = declarations[i];
    if (declaration.name.empty() || declaration.name.size() > limits::kIdBytesMax) {
      found.push_back({i, "name", StrCat("must have 1 to ", limits::kIdBytesMax, " bytes")});
    }
    if (IsTaken(declaration.name, std::span(declarations).first(i))) {
      found.push_back({i, "name", "another feature has this name"});
    }
    const FeatureFactory make = FindKind(declaration.kind);
    if (make == nullptr) {
      found.push_back({i, "kind", StrCat("must be one of ", KindNames())});
      continue;
    }
    ParameterReader parameters(&declaration);
    Output output{declaration.name, false, make(&parameters, &builder)};
    parameters.Finish();
    for (auto& [parameter, message] : parameters.problems()) {
      found.push_back({i, std::move(parameter), std::move(message)});
    }
    output.per_candidate = output.kind->per_candidate();
    plan->reads_learned_ |= output.kind->learned().has_value();
    if (const FeatureOrigin origin = output.kind->origin();
        origin.of == FeatureOrigin::Of::kTimeline) {
      plan->reach_ms_ = std::max(plan->reach_ms_, origin.reach_ms);
    }
    if (!output.kind->is_sequence()) {
      builder.numeric.push_back({output.kind->is_code() ? "" : output.name, output.per_candidate});
      plan->columns_.push_back(std::move(output));
      continue;
    }
    for (std::size_t code = 0; code < output.kind->item_codes(); ++code) {
      auto [name, kind] = output.kind->ItemCode(code);
      name = StrCat(output.name, ".", name);
      if (IsTaken(name, declarations) || IsTaken(name, plan->columns_)) {
        found.push_back({i, "item_fields", StrCat("another feature has the name ", name)});
      }
      builder.numeric.push_back({"", true});
      plan->columns_.push_back({std::move(name), true, std::move(kind), output.name});
    }
    plan->sequences_.push_back(std::move(output));
  }
  if (problems != nullptr) *problems = found;
  if (!found.empty()) {
    const DeclarationProblem& first = found.front();
    const std::string name =
        first.feature < declarations.size() ? declarations[first.feature].name : "";
    return InvalidArgument("feature \"", name, "\"", first.parameter.empty() ? "" : ": ",
                           first.parameter, ": ", first.message);
  }
  plan->declarations_ = declarations;
  plan->schema_ = std::move(builder.schema);
  plan->use_ = std::move(builder.use);
  return std::shared_ptr<const FeaturePlan>(plan);
}

}  // namespace fourfold
