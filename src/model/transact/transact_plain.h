#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/transact/transact_sequence.h"

namespace fourfold {

// The model for one candidate, as the paper says it: the plain twin of TransActEncoder. `hidden` as
// HiddenRows gives it, `candidate` of item_dimension; the result of output_width.
std::vector<float> EncodePlainly(const TransActParameters& parameters,
                                 const TransActSequence& sequence,
                                 std::span<const std::uint8_t> hidden,
                                 std::span<const float> candidate);

}  // namespace fourfold
