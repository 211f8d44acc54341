#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "data/event_codec.h"
#include "data/event_id.h"

// A record that decodes encodes to a record of the same event. Compared as records, since a number
// may be no number.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fourfold;
  const auto event = DecodeEvent(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!event.ok()) return 0;
  std::string record;
  EncodeEvent(*event, &record);
  FOURFOLD_CHECK(record.size() <= size);
  const auto again = DecodeEvent(record);
  FOURFOLD_CHECK(again.ok());
  std::string record_again;
  EncodeEvent(*again, &record_again);
  FOURFOLD_CHECK(record == record_again);
  FOURFOLD_CHECK(ContentId(*event, 0).size() == 22);
  return 0;
}
