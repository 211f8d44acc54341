#pragma once

#include <array>
#include <vector>

#include "simulation/items.h"
#include "simulation/sigmoid.h"
#include "simulation/users.h"
#include "simulation/world_options.h"

namespace fourfold::simulation {

// What a user would do with an item that is looked at.
struct Attraction {
  double click = 0;
  double repin_after_click = 0;
  double purchase_after_click = 0;
  double hide_without_click = 0;
};

using ActionProbabilities = std::array<float, kActionKinds>;  // by ActionKind

// The chance that an impression gets at least one action of the kinds that count.
double ChanceOfAny(const ActionProbabilities& probabilities,
                   const std::array<bool, kActionKinds>& counts);

// The equations of docs/world.md: from interests to probabilities. Immutable.
class Preference {
 public:
  explicit Preference(const WorldOptions& options);

  Attraction Of(const User& user, const Item& item, const TopicVector& trend) const;
  // Of an impression at a place (0 is first), whether or not it is looked at.
  ActionProbabilities At(const Attraction& attraction, int place) const;
  // Chance that a place is looked at; 1 at place 0.
  double LookedAt(int place) const { return looked_at_[static_cast<std::size_t>(place)]; }
  // What an impression that is looked at is worth on average, in the recipe's values.
  double Value(const Attraction& attraction) const;

 private:
  FatigueOptions fatigue_;
  std::array<ActionOptions, kActionKinds> actions_;
  std::vector<double> looked_at_;
  Sigmoid sigmoid_;
};

}  // namespace fourfold::simulation
