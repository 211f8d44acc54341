#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "data/action.h"

namespace fourfold {

// The opaque form of a position that clients get and give back: "<partition>-<offset>", base 36.
// The position of an event is visible to a read `after` it once EndPosition() > position.
std::string FormatPosition(Position position);
absl::StatusOr<Position> ParsePosition(std::string_view text);

}  // namespace fourfold
