#pragma once

#include <optional>
#include <vector>

#include "engine/recipe_section.h"
#include "feature/plan/feature_plan.h"
#include "offline/ranking/ranker_spec.h"
#include "servable/servable.h"

namespace fourfold {

// The section `ranker:`. `plan`: the recipe's features, or null; `retrievers`: all of the recipe's.
void ReadRanker(RecipeSection& root, const FeaturePlan* plan,
                const std::vector<RetrieverSpec>& retrievers, std::optional<RankerSpec>* ranker);

}  // namespace fourfold
