#include "engine/time_text.h"

#include <string>

#include "absl/time/time.h"
#include "base/strings.h"
#include "data/limits.h"
#include "data/timestamp.h"

namespace fourfold {

absl::StatusOr<std::int64_t> ParseTimeMs(std::string_view text) {
  for (const char* format : {"%Y-%m-%d", "%Y-%m-%d%ET%H:%M:%E*S", "%Y-%m-%d%ET%H:%M",
                             "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M"}) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(format, ToAbsl(text), absl::UTCTimeZone(), &time, &error)) continue;
    const std::int64_t time_ms = absl::ToUnixMillis(time);
    if (time_ms >= limits::kTimeMsMin && time_ms <= limits::kTimeMsMax) return time_ms;
  }
  // A year alone is a date that somebody forgot to finish, not two seconds after 1970.
  if (text.size() > 4) {
    absl::StatusOr<std::int64_t> timestamp = ParseTimestamp(text);
    if (timestamp.ok()) return timestamp;
  }
  return InvalidArgument("\"", text,
                         "\" is not a time such as 2011-12-09, 2011-12-09T12:50:00Z or "
                         "milliseconds since 1970");
}

}  // namespace fourfold
