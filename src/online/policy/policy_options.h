#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/expression.h"

namespace fourfold {

// What may be shown; the recipe's `policy:` section.
struct PolicyOptions {
  std::optional<Expression> filter;  // on item fields; candidates for which it is false are dropped
  struct SeenRule {
    std::string action_type;     // an item with such an action is dropped ...
    std::int64_t within_ms = 0;  // ... while that is younger than this; 0: for ever
  };
  std::vector<SeenRule> seen_actions;
  int seen_impressions = 0;                     // dropped once shown this often ...
  std::int64_t seen_impressions_within_ms = 0;  // ... within this time; 0: ever. 0 times: off
  // The newest actions that are read per request; more where a retriever wants more.
  int history_actions = 200;
  std::int64_t history_window_ms = 0;  // ... and that are younger than this; 0: all that is kept
  // What lies further back is not seen any more: the newest actions that seen_actions looks
  // through, and the newest slates that are read where seen_impressions is on.
  int seen_history_actions = 10'000;
  int seen_slates = 50;
};

}  // namespace fourfold
