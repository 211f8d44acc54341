#pragma once

#include <span>
#include <string_view>

#include "feature/plan/feature_kind.h"

// The feature kinds. A new one is a file beside this and a line in kinds.cc.
namespace fourfold {

std::unique_ptr<FeatureKind> MakeAffinity(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeAge(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeAttribute(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeCount(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeCovisit(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeDistinct(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeInputField(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeInputRank(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeLast(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeRate(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeRecency(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeRequest(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeSequence(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeShownPosition(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeSimilarity(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeSlateOffset(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeSlateRank(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeSlateZScore(ParameterReader* parameters, PlanBuilder* plan);
std::unique_ptr<FeatureKind> MakeSum(ParameterReader* parameters, PlanBuilder* plan);

struct NamedKind {
  std::string_view name;
  FeatureFactory make;
};
std::span<const NamedKind> FeatureKinds();  // by name

}  // namespace fourfold
