#include "feature/position.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"

namespace fourfold {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
// Of a 64-bit number in base 36.
constexpr std::size_t kDigitsMax = 13;

}  // namespace

std::string FormatPosition(Position position) {
  std::string digits;
  do {
    digits.push_back(kDigits[position % 36]);
    position /= 36;
  } while (position != 0);
  std::reverse(digits.begin(), digits.end());
  return "0-" + digits;
}

absl::StatusOr<Position> ParsePosition(std::string_view text) {
  const absl::Status malformed = InvalidArgument("\"", text, "\" is not a position of this log");
  if (!text.starts_with("0-")) return malformed;
  const std::string_view digits = text.substr(2);
  const bool has_leading_zero = digits.size() > 1 && digits.front() == '0';
  if (digits.empty() || digits.size() > kDigitsMax || has_leading_zero) return malformed;
  Position position = 0;
  for (const char c : digits) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return malformed;
    if (position > (std::numeric_limits<Position>::max() - digit) / 36) return malformed;
    position = position * 36 + digit;
  }
  return position;
}

}  // namespace fourfold
