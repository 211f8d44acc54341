#pragma once

#include <cstdint>

#include "index/item_to_item_map.h"
#include "offline/retrieval/training_actions.h"
#include "servable/servable.h"

namespace fourfold {

// Co-visitation as RetrieverSpec's kCovisitation part says. Steps are places in the user's history
// of the counted types; members of one tie group have no order among themselves and are never a
// pair of steps.
ItemToItemMap TrainCovisitation(const TrainingActions& actions, const RetrieverSpec& spec,
                                std::int64_t as_of_ms, int threads);

}  // namespace fourfold
