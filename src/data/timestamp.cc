#include "data/timestamp.h"

#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>

#include "absl/time/time.h"
#include "base/strings.h"
#include "data/limits.h"
#include "fourfold/event.h"

namespace fourfold {
namespace {

constexpr char kIsoWithT[] = "%Y-%m-%d%ET%H:%M:%E*S%Ez";
constexpr char kIsoWithSpace[] = "%Y-%m-%d %H:%M:%E*S%Ez";
constexpr char kIsoExpected[] = "is not an ISO-8601 time with a zone, like 2011-12-09T12:50:00Z";

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr Unit kUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
constexpr std::int64_t kDurationMsMax = limits::kTimeMsMax - limits::kTimeMsMin;

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

absl::StatusOr<std::int64_t> InRange(std::int64_t time_ms, std::string_view text) {
  if (time_ms < limits::kTimeMsMin || time_ms > limits::kTimeMsMax) {
    return InvalidArgument("\"", text, "\" is outside of the years 1 to 9999");
  }
  return time_ms;
}

absl::StatusOr<std::int64_t> ParseUnix(std::string_view text, int units_per_second) {
  const int milliseconds_per_unit = 1000 / units_per_second;
  if (const auto whole = ParseNumber<std::int64_t>(text)) {
    std::int64_t time_ms = 0;
    if (__builtin_mul_overflow(*whole, milliseconds_per_unit, &time_ms)) {
      return InvalidArgument("\"", text, "\" is outside of the years 1 to 9999");
    }
    return InRange(time_ms, text);
  }
  const auto number = ParseNumber<double>(text);
  if (!number) return InvalidArgument("\"", text, "\" is not a number");
  const double time_ms = std::floor(*number * milliseconds_per_unit);
  if (!(std::fabs(time_ms) < 1e15)) {
    return InvalidArgument("\"", text, "\" is outside of the years 1 to 9999");
  }
  return InRange(static_cast<std::int64_t>(time_ms), text);
}

std::optional<absl::Time> ParseWith(const char* format, std::string_view text) {
  absl::Time time;
  // Abseil also reads "infinite-future"; a time begins with a digit of its year.
  if (!absl::ParseTime(format, ToAbsl(text), &time, nullptr)) return std::nullopt;
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return std::nullopt;
  return time;
}

absl::StatusOr<std::int64_t> ParseIso(std::string_view text) {
  const bool has_space = text.size() > 10 && text[10] == ' ';
  const auto time = ParseWith(has_space ? kIsoWithSpace : kIsoWithT, text);
  if (!time) return InvalidArgument("\"", text, "\" ", kIsoExpected);
  return InRange(absl::ToUnixMillis(*time), text);
}

}  // namespace

absl::StatusOr<std::int64_t> ParseTimestamp(std::string_view text) {
  if (const auto whole = ParseNumber<std::int64_t>(text)) return InRange(*whole, text);
  auto time_ms = ParseIso(text);
  if (!time_ms.ok() && time_ms.status().code() == absl::StatusCode::kInvalidArgument &&
      MessageOf(time_ms.status()).ends_with(kIsoExpected)) {
    return InvalidArgument("\"", text, "\" ", kIsoExpected, ", or Unix milliseconds");
  }
  return time_ms;
}

absl::StatusOr<TimeFormat> TimeFormat::Make(std::string_view name) {
  if (name == "unix_s") return TimeFormat(Kind::kUnixSeconds, "");
  if (name == "unix_ms") return TimeFormat(Kind::kUnixMilliseconds, "");
  if (name == "iso8601") return TimeFormat(Kind::kIso8601, "");
  if (name.find('%') == std::string_view::npos) {
    return InvalidArgument("time format \"", name,
                           "\" is none of unix_s, unix_ms, iso8601, and holds no % either");
  }
  return TimeFormat(Kind::kFormat, std::string(name));
}

absl::StatusOr<std::int64_t> TimeFormat::Parse(std::string_view text) const {
  switch (kind_) {
    case Kind::kUnixSeconds:
      return ParseUnix(text, 1);
    case Kind::kUnixMilliseconds:
      return ParseUnix(text, 1000);
    case Kind::kIso8601:
      return ParseIso(text);
    case Kind::kFormat:
      break;
  }
  const auto time = ParseWith(format_.c_str(), text);
  if (!time) return InvalidArgument("\"", text, "\" is not a time like ", format_);
  return InRange(absl::ToUnixMillis(*time), text);
}

std::string FormatTimestamp(std::int64_t time_ms) {
  if (time_ms == kSinceForEverMs) return "since_for_ever";
  if (time_ms == kNoTimeMs) return "no_time";
  return absl::FormatTime("%E4Y-%m-%d%ET%H:%M:%E*SZ", absl::FromUnixMillis(time_ms),
                          absl::UTCTimeZone());
}

absl::StatusOr<std::int64_t> ParseDuration(std::string_view text) {
  if (text == "0") return 0;
  std::int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [number_end, error] = std::from_chars(text.data(), end, count);
  if (error == std::errc() && count >= 0) {
    const std::string_view unit_name(number_end, static_cast<std::size_t>(end - number_end));
    for (const Unit& unit : kUnits) {
      if (unit.name != unit_name) continue;
      if (count > kDurationMsMax / unit.milliseconds) {
        return InvalidArgument("\"", text, "\" is longer than 10,000 years");
      }
      return count * unit.milliseconds;
    }
  }
  return InvalidArgument("\"", text,
                         "\" is not a duration: a whole number and one of d, h, m, s, ms");
}

std::string FormatDuration(std::int64_t duration_ms) {
  if (duration_ms == 0) return "0";
  for (const Unit& unit : kUnits) {
    if (duration_ms % unit.milliseconds == 0) {
      return StrCat(duration_ms / unit.milliseconds, unit.name);
    }
  }
  return "";
}

}  // namespace fourfold
