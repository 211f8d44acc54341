#include "data/event_id.h"

#include "absl/strings/escaping.h"
#include "base/coding.h"
#include "base/digest.h"
#include "base/strings.h"
#include "data/event_codec.h"

namespace fourfold {

std::string ContentIdOfRecord(std::string_view record, std::uint64_t occurrence) {
  std::string content(record);
  AppendBigEndian64(&content, occurrence);
  const Digest digest = DigestOf(content);
  const absl::string_view bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
  return absl::WebSafeBase64Escape(bytes);
}

std::string ContentId(const Event& event, std::uint64_t occurrence) {
  Event without_id = event;
  without_id.id.clear();
  std::string record;
  EncodeEvent(without_id, &record);
  return ContentIdOfRecord(record, occurrence);
}

}  // namespace fourfold
