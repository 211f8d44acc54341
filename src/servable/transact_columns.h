#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "feature/plan/feature_plan.h"
#include "model/transact/transact_ranker_model.h"

namespace fourfold {

// What the columns of a plan are to a TransAct ranker whose actions are this sequence of it
// (TransActRankerModel::columns), in the order of RowFeatureNames.
std::vector<TransActRankerModel::Column> TransActColumnsOf(const FeaturePlan& plan,
                                                           std::string_view sequence);

// The item_fields of a sequence, in its order.
std::vector<std::string> ItemFieldsOf(const FeaturePlan& plan, std::string_view sequence);

}  // namespace fourfold
