#pragma once

#include <memory>

#include "engine/recipe_section.h"
#include "feature/plan/feature_plan.h"

namespace fourfold {

// The section `features:`, a list of declarations. The plan stays null where there is none, or
// something is wrong with it.
void ReadFeatureDeclarations(RecipeSection& root, std::shared_ptr<const FeaturePlan>* plan);

}  // namespace fourfold
