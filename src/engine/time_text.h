#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace fourfold {

// A time as people write it in recipes and on the command line: what ParseTimestamp reads
// (data/timestamp.h), and also a date or a time without a zone, which are UTC: "2011-12-09",
// "2011-12-09 12:50", "2011-12-09T12:50:00".
absl::StatusOr<std::int64_t> ParseTimeMs(std::string_view text);

}  // namespace fourfold
