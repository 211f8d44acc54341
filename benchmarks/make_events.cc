#include "make_events.h"

#include "base/strings.h"

namespace fourfold::bench {
namespace {

constexpr const char* kTypes[] = {"view", "view", "view", "view", "add_to_cart", "purchase"};
constexpr const char* kColours[] = {"red", "white", "blue", "green", "ivory", "pink"};
constexpr const char* kThings[] = {"mug",       "lantern",   "cake stand",
                                   "tea towel", "lunch bag", "clock"};
constexpr std::uint64_t kDisorderMs = 60'000;

}  // namespace

void EventMaker::AppendLine(std::string* out) {
  time_ms_ += static_cast<std::int64_t>(Below(400));
  const std::uint64_t kind = Below(100);
  if (kind < 5) {
    AppendItem(out);
  } else if (kind < 6) {
    AppendUser(out);
  } else {
    AppendInteraction(out);
  }
  ++lines_;
}

// Density falling with the number: the product of two uniform numbers.
std::uint64_t EventMaker::Skewed(std::uint64_t end) {
  constexpr std::uint64_t kScale = std::uint64_t{1} << 20;
  return Below(kScale) * Below(kScale) / kScale * end / kScale;
}

void EventMaker::AppendHead(const char* kind, std::string* out) {
  StrAppend(out, "{\"event\":\"", kind, "\"");
  if (options_.ids) StrAppend(out, ",\"id\":\"", options_.seed, "-", lines_, "\"");
  const std::int64_t time_ms = time_ms_ - static_cast<std::int64_t>(Below(kDisorderMs));
  StrAppend(out, ",\"timestamp\":\"", time_ms, "\"");
}

void EventMaker::AppendItem(std::string* out) {
  AppendHead("item", out);
  StrAppend(out, ",\"item\":\"i", Skewed(options_.items), "\",\"fields\":[{\"name\":\"title\",",
            "\"value\":\"", kColours[Below(6)], " ", kThings[Below(6)], "\"},{\"name\":\"price\",");
  StrAppend(out, "\"value\":", Below(50), ".", 10 + Below(90), "}]}\n");
}

void EventMaker::AppendUser(std::string* out) {
  AppendHead("user", out);
  StrAppend(out, ",\"user\":\"u", Skewed(options_.users),
            "\",\"fields\":[{\"name\":\"country\",\"value\":\"UK\"}]}\n");
}

void EventMaker::AppendInteraction(std::string* out) {
  AppendHead("interaction", out);
  const std::uint64_t user = Skewed(options_.users);
  StrAppend(out, ",\"user\":\"u", user, "\",\"session\":\"s", user, "-", time_ms_ / 3'600'000,
            "\",\"type\":\"", kTypes[Below(6)]);
  StrAppend(out, "\",\"item\":\"i", Skewed(options_.items),
            "\",\"fields\":[{\"name\":\"quantity\",\"value\":", 1 + Below(12), "}]}\n");
}

}  // namespace fourfold::bench
