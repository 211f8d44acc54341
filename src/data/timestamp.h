#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Times and durations as people and files write them. All times are milliseconds since the Unix
// epoch, UTC, within limits::kTimeMsMin and kTimeMsMax; finer fractions are rounded down.
namespace fourfold {

// A time that states what it is: ISO-8601 with a zone ("2011-12-09T12:50:00Z",
// "2011-12-09 13:50:00.250+01:00") or whole Unix milliseconds ("1323435000000").
absl::StatusOr<std::int64_t> ParseTimestamp(std::string_view text);

// How a column of a file writes its times. Made once per file. Const and thread-safe.
class TimeFormat {
 public:
  // "unix_s" (fractions allowed), "unix_ms", "iso8601" (with a zone), or a format of
  // absl::ParseTime such as "%Y-%m-%d %H:%M:%S", read as UTC unless it has a zone.
  static absl::StatusOr<TimeFormat> Make(std::string_view name);
  absl::StatusOr<std::int64_t> Parse(std::string_view text) const;

 private:
  enum class Kind : std::uint8_t { kUnixSeconds, kUnixMilliseconds, kIso8601, kFormat };
  TimeFormat(Kind kind, std::string format) : kind_(kind), format_(std::move(format)) {}
  Kind kind_;
  std::string format_;
};

// "2011-12-09T12:50:00Z", with ".250" after the seconds where there are milliseconds;
// "since_for_ever" and "no_time" for kSinceForEverMs and kNoTimeMs.
std::string FormatTimestamp(std::int64_t time_ms);

// A whole number and a unit: "30d", "12h", "15m", "90s", "500ms", or "0". Never negative, at most
// 10,000 years.
absl::StatusOr<std::int64_t> ParseDuration(std::string_view text);
// In the largest unit that states it exactly.
std::string FormatDuration(std::int64_t duration_ms);

}  // namespace fourfold
