#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/transact/transact_parameters.h"

namespace fourfold {

// A user's latest actions as the model takes them: `actions` rows of the shape, newest first, those
// that are missing at the end with type 0 and an item of zeros.
struct TransActSequence {
  std::span<const std::int32_t> types;     // below action_types; 0 is padding
  std::span<const float> items;            // [actions, item_dimension]
  std::span<const std::int64_t> times_ms;  // of the actions
};

// Which rows attention must not look at: padding, and what happened less than window_ms before the
// request. A window of 0 hides what lies after the request alone, as in serving; training draws one
// below its limit for each step, so that the model does not lean on the very last actions. The
// newest row always stays, even when it is padding.
std::vector<std::uint8_t> HiddenRows(const TransActSequence& sequence, std::int64_t request_time_ms,
                                     std::int64_t window_ms);
// The same into a vector that is used again.
void FillHiddenRows(const TransActSequence& sequence, std::int64_t request_time_ms,
                    std::int64_t window_ms, std::vector<std::uint8_t>* hidden);

// InvalidArgument when the sizes do not fit the shape or a type is not in the table.
absl::Status CheckSequence(const TransActSequence& sequence, const TransActShape& shape);

}  // namespace fourfold
