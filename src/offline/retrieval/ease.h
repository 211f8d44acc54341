#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "index/item_to_item_map.h"
#include "offline/retrieval/cancellation.h"
#include "offline/retrieval/training_actions.h"
#include "offline/retrieval/training_limits.h"
#include "servable/servable.h"

namespace fourfold {

// EASE^R (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019), the linear model of
// a user's items by their other items, in closed form: with X of users by items, 1 where a user
// acted on an item,
//   P = (X'X + regularization I)^-1,   B[i, j] = -P[i, j] / P[j, j],   B[i, i] = 0.
// B[i, j] is what an action on i says for j: it is the map's score, and may be below 0. A row keeps
// the `neighbours` (0: all) that are largest without their sign.
// Of more than `items_max` items with an action those of the most users take part, among equals
// those first in the table; the others get no row and stand in none.
// The last digits may differ between numbers of threads and processors (math/symmetric_inverse.h).
// Cancelled once is_cancelled.
absl::StatusOr<ItemToItemMap> TrainEase(const TrainingActions& actions, const RetrieverSpec& spec,
                                        int threads,
                                        std::size_t items_max = TrainingLimits().ease_items,
                                        const CancellationCheck& is_cancelled = {});

}  // namespace fourfold
