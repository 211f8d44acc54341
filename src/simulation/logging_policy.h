#pragma once

#include <vector>

#include "simulation/world.h"

namespace fourfold::simulation {

// The feed that makes the log: each place is drawn from a mixture of all items alike, items by
// exposure, and items by exposure of a topic that the user signed up for; what the slate holds
// already is drawn again. So a place's propensity, given the places before it, is the mixture's
// share of the item over the share of all that are not in the slate yet, and the slate's
// is the product of its places'.
class LoggingPolicy {
 public:
  explicit LoggingPolicy(const SlateOptions& options) : options_(options) {}

  // The probability of the item for one place, before anything is in the slate.
  double ShareOf(const Items& items, const User& user, std::uint32_t slot) const;
  // For whom the world's moment is about.
  void Choose(const World& world, const Moment& moment, std::vector<PlacedItem>* slate) const;

 private:
  std::uint32_t Draw(const Items& items, const User& user, Draws* draws) const;

  SlateOptions options_;
};

}  // namespace fourfold::simulation
