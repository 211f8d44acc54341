#include "model/transact/transact_sequence.h"

#include <algorithm>

#include "base/strings.h"

namespace fourfold {

std::vector<std::uint8_t> HiddenRows(const TransActSequence& sequence, std::int64_t request_time_ms,
                                     std::int64_t window_ms) {
  std::vector<std::uint8_t> hidden;
  FillHiddenRows(sequence, request_time_ms, window_ms, &hidden);
  return hidden;
}

void FillHiddenRows(const TransActSequence& sequence, std::int64_t request_time_ms,
                    std::int64_t window_ms, std::vector<std::uint8_t>* hidden) {
  hidden->assign(sequence.types.size(), 0);
  for (std::size_t row = 1; row < hidden->size(); ++row) {
    const std::int64_t age_ms = request_time_ms - sequence.times_ms[row];
    (*hidden)[row] = sequence.types[row] == 0 || age_ms < window_ms;
  }
}

absl::Status CheckSequence(const TransActSequence& sequence, const TransActShape& shape) {
  if (sequence.types.size() != shape.actions || sequence.times_ms.size() != shape.actions ||
      sequence.items.size() != shape.actions * shape.item_dimension) {
    return InvalidArgument("the sequence does not have ", shape.actions, " rows of ",
                           shape.item_dimension, " numbers");
  }
  const auto bad =
      std::find_if(sequence.types.begin(), sequence.types.end(), [&](std::int32_t type) {
        return type < 0 || static_cast<std::size_t>(type) >= shape.action_types;
      });
  if (bad != sequence.types.end()) {
    return InvalidArgument("row ", bad - sequence.types.begin(), ": no action type ", *bad,
                           " among ", shape.action_types);
  }
  return absl::OkStatus();
}

}  // namespace fourfold
