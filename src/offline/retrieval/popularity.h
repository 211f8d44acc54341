#pragma once

#include <cstdint>
#include <vector>

#include "offline/retrieval/training_actions.h"
#include "servable/servable.h"

namespace fourfold {

// The score of each item as RetrieverSpec's kPopular part says. The window is (as_of_ms -
// window_ms, as_of_ms]. An action weighs 2^(-age at as_of_ms / half_life_ms); of a user's actions
// on one item only the newest counts where users are to be distinct.
std::vector<float> PopularityScores(const TrainingActions& actions, const RetrieverSpec& spec,
                                    std::int64_t as_of_ms);

}  // namespace fourfold
