#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "online/policy/policy_options.h"

namespace fourfold {

// How far back the seen rules look; 0: for ever. None where there are none.
inline std::optional<std::int64_t> SeenReachMs(const PolicyOptions& policy) {
  std::optional<std::int64_t> reach_ms;
  const auto add = [&](std::int64_t within_ms) {
    const bool is_for_ever = within_ms == 0 || reach_ms == 0;
    reach_ms = is_for_ever ? 0 : std::max(reach_ms.value_or(0), within_ms);
  };
  for (const PolicyOptions::SeenRule& rule : policy.seen_actions) add(rule.within_ms);
  if (policy.seen_impressions > 0) add(policy.seen_impressions_within_ms);
  return reach_ms;
}

}  // namespace fourfold
