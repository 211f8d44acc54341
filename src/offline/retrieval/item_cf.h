#pragma once

#include <cstdint>

#include "index/item_to_item_map.h"
#include "offline/retrieval/training_actions.h"
#include "servable/servable.h"

namespace fourfold {

// Item-based collaborative filtering as RetrieverSpec's kItemCf part says. With x_ui =
// 2^(-age of the user's newest action on the item at as_of_ms / user_item_half_life_ms), 0 where
// there is none:
//   score(i, j) = sum_u x_ui x_uj 2^(-|t_ui - t_uj| / pair_half_life_ms)
//                 / (|x_i| |x_j| + shrink),   |x_i| = sqrt(sum_u x_ui^2)
// Time: the sum over users of their distinct items squared.
ItemToItemMap TrainItemCf(const TrainingActions& actions, const RetrieverSpec& spec,
                          std::int64_t as_of_ms, int threads);

}  // namespace fourfold
