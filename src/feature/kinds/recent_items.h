#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "feature/kinds/action_view.h"

namespace fourfold {

// What the user (or session) acted on last, for the kinds that hold candidates against it: the
// items of the newest `actions`, each once, at its newest action, newest first. An item weighs
// decay^(its place among these, 0 first), multiplied out from place to place.
class RecentItems {
 public:
  struct Item {
    std::uint32_t number = 0;  // LearnedItems::Find's
    double weight = 1;
  };

  // Reads entity, types, window, actions, decay.
  RecentItems(ParameterReader* parameters, PlanBuilder* plan);

  FeatureOrigin origin() const { return view_.origin(); }
  std::vector<Item> Read(const FeatureContext& context) const;

 private:
  ActionView view_;
  std::size_t actions_;
  double decay_;
};

}  // namespace fourfold
