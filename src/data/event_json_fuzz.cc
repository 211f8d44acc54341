#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "data/event_json.h"

// Whatever is taken in comes back the same from its own JSON.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fourfold;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto events = ParseEventsJson(body);
  if (!events.ok()) return 0;
  for (const absl::StatusOr<Event>& event : *events) {
    if (!event.ok()) {
      FOURFOLD_CHECK(!event.status().message().empty());
      continue;
    }
    FOURFOLD_CHECK(CheckEvent(*event).ok());
    const auto again = ParseEventJson(EventToJson(*event));
    FOURFOLD_CHECK(again.ok() && *again == *event);
  }
  return 0;
}
