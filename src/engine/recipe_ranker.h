#pragma once

#include <optional>

#include "engine/recipe_section.h"
#include "feature/plan/feature_plan.h"
#include "offline/ranking/ranker_spec.h"

namespace fourfold {

// The section `ranker:`. `plan`: the recipe's features, or null.
void ReadRanker(RecipeSection& root, const FeaturePlan* plan, std::optional<RankerSpec>* ranker);

}  // namespace fourfold
