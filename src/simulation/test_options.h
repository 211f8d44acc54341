#pragma once

#include "simulation/world_options.h"

namespace fourfold::simulation {

// A world that lives through its days in a fraction of a second.
inline WorldOptions SmallWorld() {
  WorldOptions options;
  options.days = 20;
  options.topics = 6;
  options.users.population = 300;
  options.users.leaving = 0.02;
  options.items.alive = 200;
  return options;
}

}  // namespace fourfold::simulation
