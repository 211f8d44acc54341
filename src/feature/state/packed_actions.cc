#include "feature/state/packed_actions.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/coding.h"

namespace fourfold {
namespace {

// Which parts of an action follow; each that does not is that of the one before, or 0. Above them
// stands its type.
constexpr std::uint64_t kKnownTime = 1;  // where it is not the event time
constexpr std::uint64_t kUser = 2;
constexpr std::uint64_t kSession = 4;
constexpr std::uint64_t kTieGroup = 8;
constexpr std::uint64_t kStep = 16;
constexpr std::uint64_t kItem = 32;
constexpr std::uint64_t kType = 64;  // its name
constexpr int kPartBits = 7;
constexpr std::size_t kRowBytesMax = 128;  // without values

// Differences wrap around, as those of the smallest number do.
std::uint64_t Difference(std::int64_t value, std::int64_t from) {
  return ZigZag(static_cast<std::int64_t>(static_cast<std::uint64_t>(value) -
                                          static_cast<std::uint64_t>(from)));
}
std::int64_t Sum(std::int64_t from, std::uint64_t difference) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(from) +
                                   static_cast<std::uint64_t>(UnZigZag(difference)));
}

template <typename Number>
void AppendRaw(std::string* bytes, Number number) {
  char raw[sizeof(number)];
  std::memcpy(raw, &number, sizeof(number));
  bytes->append(raw, sizeof(raw));
}

template <typename Number>
Number ReadRaw(Decoder* decoder) {
  const std::string_view raw = decoder->Raw(sizeof(Number));
  Number number{};
  if (!raw.empty()) std::memcpy(&number, raw.data(), sizeof(number));
  return number;
}

}  // namespace

void ActionPacker::Append(const ActionEntry& entry, std::span<const double> values,
                          std::string* bytes) {
  const std::size_t needed = kRowBytesMax + values.size() * (sizeof(double) + 1);
  if (bytes->capacity() - bytes->size() < needed) {
    // Doubling, as a string grows by itself, would waste what packing saves.
    std::string grown;
    grown.reserve(bytes->size() + bytes->size() / 8 + needed);
    grown.append(*bytes);
    bytes->swap(grown);
  }
  std::uint64_t parts = std::uint64_t{entry.type} << kPartBits;
  if (entry.known_time_ms != entry.event_time_ms) parts |= kKnownTime;
  if (entry.user != last_.user) parts |= kUser;
  if (entry.session != last_.session) parts |= kSession;
  if (entry.tie_group != 0) parts |= kTieGroup;
  if (entry.step != 0) parts |= kStep;
  if (entry.item != last_.item) parts |= kItem;
  if (entry.type_name != last_.type_name) parts |= kType;
  AppendVarint(bytes, parts);
  AppendVarint(bytes, Difference(entry.event_time_ms, last_.event_time_ms));
  AppendVarint(bytes, Difference(static_cast<std::int64_t>(entry.position),
                                 static_cast<std::int64_t>(last_.position)));
  AppendRaw(bytes, entry.event_digest);
  if ((parts & kKnownTime) != 0) {
    AppendVarint(bytes, Difference(entry.known_time_ms, entry.event_time_ms));
  }
  if ((parts & kUser) != 0) AppendRaw(bytes, entry.user);
  if ((parts & kSession) != 0) AppendRaw(bytes, entry.session);
  if ((parts & kTieGroup) != 0) AppendRaw(bytes, entry.tie_group);
  if ((parts & kStep) != 0) AppendVarint(bytes, ZigZag(entry.step));
  if ((parts & kItem) != 0) AppendVarint(bytes, entry.item);
  if ((parts & kType) != 0) AppendVarint(bytes, entry.type_name);
  for (const double value : values) {
    bytes->push_back(std::isnan(value) ? 0 : 1);
    if (!std::isnan(value)) AppendRaw(bytes, value);
  }
  last_ = {entry.event_time_ms, entry.position, entry.user,
           entry.session,       entry.item,     entry.type_name};
}

void ActionUnpacker::Read(std::string_view bytes, Visitor visit) {
  Decoder decoder(bytes);
  ActionEntry entry;
  while (!decoder.AtEnd()) {
    const std::uint64_t parts = decoder.Varint();
    entry.event_time_ms = Sum(last_.event_time_ms, decoder.Varint());
    entry.position =
        static_cast<Position>(Sum(static_cast<std::int64_t>(last_.position), decoder.Varint()));
    entry.event_digest = ReadRaw<Digest>(&decoder);
    entry.known_time_ms = (parts & kKnownTime) == 0 ? entry.event_time_ms
                                                    : Sum(entry.event_time_ms, decoder.Varint());
    entry.user = (parts & kUser) == 0 ? last_.user : ReadRaw<std::uint64_t>(&decoder);
    entry.session = (parts & kSession) == 0 ? last_.session : ReadRaw<std::uint64_t>(&decoder);
    entry.tie_group = (parts & kTieGroup) == 0 ? 0 : ReadRaw<std::uint64_t>(&decoder);
    entry.step = (parts & kStep) == 0 ? 0 : decoder.SignedVarint();
    entry.item = (parts & kItem) == 0 ? last_.item : static_cast<TextIndex>(decoder.Varint());
    entry.type_name =
        (parts & kType) == 0 ? last_.type_name : static_cast<TextIndex>(decoder.Varint());
    entry.type = static_cast<std::uint16_t>(parts >> kPartBits);
    for (double& value : values_) {
      const std::string_view is_there = decoder.Raw(1);
      value = is_there == std::string_view("\1", 1) ? ReadRaw<double>(&decoder)
                                                    : std::numeric_limits<double>::quiet_NaN();
    }
    FOURFOLD_CHECK(decoder.ok());
    visit(entry, std::span<const double>(values_));
    last_ = {entry.event_time_ms, entry.position, entry.user,
             entry.session,       entry.item,     entry.type_name};
  }
}

}  // namespace fourfold
