#include "engine/recipe_features.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "data/timestamp.h"
#include "feature/kinds/kinds.h"
#include "servable/learned_items.h"

namespace fourfold {
namespace {

// What a kind takes; of all kinds together where there is none of this name.
std::vector<std::string> ParametersOf(std::string_view kind_name) {
  std::vector<std::string> names;
  const std::span<const NamedKind> kinds = FeatureKinds();
  const bool is_kind = std::any_of(kinds.begin(), kinds.end(),
                                   [&](const NamedKind& kind) { return kind.name == kind_name; });
  for (const NamedKind& kind : kinds) {
    if (is_kind && kind.name != kind_name) continue;
    ParameterReader collecting(nullptr);
    PlanBuilder unused;
    kind.make(&collecting, &unused);
    for (const ParameterReader::Known& known : collecting.known()) {
      if (std::find(names.begin(), names.end(), known.name) == names.end()) {
        names.push_back(known.name);
      }
    }
  }
  return names;
}

FeatureDeclaration ReadDeclaration(RecipeSection& element) {
  FeatureDeclaration declaration;
  element.RequireKey("name");
  element.Text("name", &declaration.name);
  element.RequireKey("kind");
  element.Text("kind", &declaration.kind);
  for (const std::string& name : ParametersOf(declaration.kind)) {
    FieldValue value;
    element.Value(name, &value);
    if (element.Has(name)) declaration.parameters.push_back({name, std::move(value)});
  }
  return declaration;
}

// What is wrong with the retriever that a feature names, if anything.
std::string ProblemOf(const LearnedRead& read, const std::vector<RetrieverSpec>& retrievers) {
  std::vector<std::string> names;
  for (const RetrieverSpec& spec : retrievers) {
    if (spec.name != read.retriever) {
      names.push_back(spec.name);
    } else if (!Leaves(spec, read.what)) {
      return StrCat("\"", spec.name, "\" has no ", NameOf(read.what));
    } else {
      return "";
    }
  }
  std::string problem = StrCat("no retriever is named \"", read.retriever, "\"");
  if (!names.empty())
    StrAppend(&problem, "; did you mean ", NearestName(read.retriever, names), "?");
  return problem;
}

// Nothing is computed of history that may be gone.
void CheckReach(const FeatureDeclaration& declaration, const FeaturePlan& alone,
                std::int64_t retain_ms, RecipeSection& element) {
  if (retain_ms == 0 || alone.reach_ms() <= retain_ms) return;
  const std::vector<std::string> parameters = ParametersOf(declaration.kind);
  const bool has_window =
      std::find(parameters.begin(), parameters.end(), "window") != parameters.end();
  const std::string retained = StrCat("`retain` keeps no more than ", FormatDuration(retain_ms));
  if (!has_window) {
    element.Problem("kind", StrCat(declaration.kind, " looks back for ever, and ", retained));
  } else if (element.Has("window")) {
    element.Problem("window", StrCat("is too long: ", retained));
  } else {
    element.Problem("window", StrCat("is required: ", retained));
  }
}

}  // namespace

void ReadFeatureDeclarations(RecipeSection& root, const std::vector<RetrieverSpec>& retrievers,
                             std::int64_t retain_ms, std::shared_ptr<const FeaturePlan>* plan) {
  std::vector<FeatureDeclaration> declarations;
  root.List("features", [&](RecipeSection& element) {
    declarations.push_back(ReadDeclaration(element));
    if (element.collecting()) return;
    if (declarations.size() > FeaturePlan::kFeaturesMax) {
      declarations.pop_back();
      element.Problem("name", StrCat("more than ", FeaturePlan::kFeaturesMax, " features"));
      return;
    }
    // Each with those above it, so that what is wrong is told at its own lines.
    std::vector<DeclarationProblem> problems;
    (void)FeaturePlan::Compile(declarations, &problems);
    for (const DeclarationProblem& problem : problems) {
      if (problem.feature + 1 == declarations.size()) {
        element.Problem(problem.parameter, problem.message);
      }
    }
    // On its own, which is enough for a kind that reads a retriever.
    const auto alone = FeaturePlan::Compile({declarations.back()});
    if (!alone.ok()) return;
    CheckReach(declarations.back(), **alone, retain_ms, element);
    if ((*alone)->columns().empty()) return;
    const std::optional<LearnedRead> read = (*alone)->columns().front().kind->learned();
    if (!read.has_value()) return;
    const std::string problem = ProblemOf(*read, retrievers);
    if (!problem.empty()) element.Problem("retriever", problem);
  });
  if (declarations.empty() || root.collecting()) return;
  auto compiled = FeaturePlan::Compile(declarations);
  if (compiled.ok()) *plan = *std::move(compiled);
}

}  // namespace fourfold
