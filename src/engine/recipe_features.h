#pragma once

#include <memory>
#include <vector>

#include "engine/recipe_section.h"
#include "feature/plan/feature_plan.h"
#include "servable/servable.h"

namespace fourfold {

// The section `features:`, a list of declarations, some of which read what `retrievers` learn. The
// plan stays null where there is none, or something is wrong with it.
void ReadFeatureDeclarations(RecipeSection& root, const std::vector<RetrieverSpec>& retrievers,
                             std::int64_t retain_ms, std::shared_ptr<const FeaturePlan>* plan);

}  // namespace fourfold
