#include "data/event_codec.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>

#include "base/coding.h"
#include "base/strings.h"

namespace fourfold {
namespace {

enum Part : std::uint64_t {
  kId = 1 << 0,
  kEventTime = 1 << 1,
  kUser = 1 << 2,
  kSession = 1 << 3,
  kItem = 1 << 4,
  kType = 1 << 5,
  kRanking = 1 << 6,
  kTieGroup = 1 << 7,
  kStep = 1 << 8,
  kSurface = 1 << 9,
  kQueryText = 1 << 10,
  kFields = 1 << 11,
  kItems = 1 << 12,
  kDeleted = 1 << 13,
  kServedFrom = 1 << 14,
  kAllParts = (1 << 15) - 1,
};

enum Tag : char {
  kNull = 0,
  kFalse = 1,
  kTrue = 2,
  kNumber = 3,
  kString = 4,
  kStrings = 5,
  kNumbers = 6,
  kWhole = 7,
};

constexpr double kWholeMax = 9007199254740991.0;  // 2^53 - 1

bool IsWhole(double value) {
  return std::fabs(value) <= kWholeMax && std::trunc(value) == value &&
         !(value == 0 && std::signbit(value));
}

void EncodeDouble(double value, std::string* out) {
  AppendBigEndian64(out, std::bit_cast<std::uint64_t>(value));
}

struct ValueEncoder {
  std::string* out;
  void operator()(std::monostate) const { out->push_back(kNull); }
  void operator()(bool value) const { out->push_back(value ? kTrue : kFalse); }
  void operator()(double value) const {
    if (IsWhole(value)) {
      out->push_back(kWhole);
      AppendVarint(out, ZigZag(static_cast<std::int64_t>(value)));
    } else {
      out->push_back(kNumber);
      EncodeDouble(value, out);
    }
  }
  void operator()(const std::string& value) const {
    out->push_back(kString);
    AppendBytes(out, value);
  }
  void operator()(const std::vector<std::string>& values) const {
    out->push_back(kStrings);
    AppendVarint(out, values.size());
    for (const std::string& value : values) AppendBytes(out, value);
  }
  void operator()(const std::vector<double>& values) const {
    out->push_back(kNumbers);
    AppendVarint(out, values.size());
    for (const double value : values) EncodeDouble(value, out);
  }
};

void EncodeFields(const std::vector<Field>& fields, std::string* out) {
  AppendVarint(out, fields.size());
  for (const Field& field : fields) {
    AppendBytes(out, field.name);
    std::visit(ValueEncoder{out}, field.value);
  }
}

std::uint64_t PartsOf(const Event& event) {
  std::uint64_t parts = 0;
  const auto add = [&](bool is_present, std::uint64_t part) {
    if (is_present) parts |= part;
  };
  add(!event.id.empty(), kId);
  add(event.event_time_ms != kNoTimeMs, kEventTime);
  add(!event.user.empty(), kUser);
  add(!event.session.empty(), kSession);
  add(!event.item.empty(), kItem);
  add(!event.type.empty(), kType);
  add(!event.ranking.empty(), kRanking);
  add(!event.tie_group.empty(), kTieGroup);
  add(event.step != 0, kStep);
  add(!event.surface.empty(), kSurface);
  add(!event.query_text.empty(), kQueryText);
  add(!event.fields.empty(), kFields);
  add(!event.items.empty(), kItems);
  add(event.deleted, kDeleted);
  add(event.served_from != ServedFrom{}, kServedFrom);
  return parts;
}

FieldValue DecodeValue(Decoder* decoder, bool* is_known) {
  const std::string_view tag = decoder->Raw(1);
  if (tag.empty()) return {};
  // A count is bounded by the bytes that are there before anything is reserved for it.
  const auto count = [&](std::size_t bytes_each) -> std::size_t {
    const std::uint64_t stated = decoder->Varint();
    if (stated <= decoder->rest().size() / bytes_each) return stated;
    *is_known = false;
    return 0;
  };
  switch (tag.front()) {
    case kNull:
      return {};
    case kFalse:
      return false;
    case kTrue:
      return true;
    case kNumber:
      return decoder->Double();
    case kString:
      return std::string(decoder->Bytes());
    case kStrings: {
      std::vector<std::string> values(count(1));
      for (std::string& value : values) value = decoder->Bytes();
      return values;
    }
    case kNumbers: {
      std::vector<double> values(count(sizeof(double)));
      for (double& value : values) value = decoder->Double();
      return values;
    }
    case kWhole:
      return static_cast<double>(decoder->SignedVarint());
    default:
      *is_known = false;
      return {};
  }
}

absl::Status DecodeFields(Decoder* decoder, std::vector<Field>* fields) {
  const std::uint64_t count = decoder->Varint();
  if (count > decoder->rest().size() / 2) {
    return DataLoss("event record: more fields than bytes");
  }
  fields->resize(count);
  bool is_known = true;
  for (Field& field : *fields) {
    field.name = decoder->Bytes();
    field.value = DecodeValue(decoder, &is_known);
    if (!is_known) return DataLoss("event record: field ", field.name, ": malformed value");
    if (!decoder->ok()) return DataLoss("event record: ends within its fields");
  }
  return absl::OkStatus();
}

absl::Status DecodeItems(Decoder* decoder, std::vector<RankedItem>* items) {
  const std::uint64_t count = decoder->Varint();
  if (count > decoder->rest().size() / 2) return DataLoss("event record: more items than bytes");
  items->resize(count);
  for (RankedItem& item : *items) {
    item.item = decoder->Bytes();
    if (absl::Status status = DecodeFields(decoder, &item.fields); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

void EncodeEvent(const Event& event, std::string* out) {
  const std::uint64_t parts = PartsOf(event);
  out->push_back(static_cast<char>(kEventCodecVersion));
  out->push_back(static_cast<char>(event.kind));
  AppendVarint(out, parts);
  if (parts & kId) AppendBytes(out, event.id);
  if (parts & kEventTime) AppendVarint(out, ZigZag(event.event_time_ms));
  if (parts & kUser) AppendBytes(out, event.user);
  if (parts & kSession) AppendBytes(out, event.session);
  if (parts & kItem) AppendBytes(out, event.item);
  if (parts & kType) AppendBytes(out, event.type);
  if (parts & kRanking) AppendBytes(out, event.ranking);
  if (parts & kTieGroup) AppendBytes(out, event.tie_group);
  if (parts & kStep) AppendVarint(out, ZigZag(event.step));
  if (parts & kSurface) AppendBytes(out, event.surface);
  if (parts & kQueryText) AppendBytes(out, event.query_text);
  if (parts & kFields) EncodeFields(event.fields, out);
  if (parts & kItems) {
    AppendVarint(out, event.items.size());
    for (const RankedItem& item : event.items) {
      AppendBytes(out, item.item);
      EncodeFields(item.fields, out);
    }
  }
  if (parts & kServedFrom) {
    const ServedFrom& from = event.served_from;
    AppendVarint(out, ZigZag(from.as_of_ms));
    AppendVarint(out, ZigZag(from.known_at_ms));
    AppendVarint(out, from.position_end);
    AppendBytes(out, from.servable);
    AppendBytes(out, from.after_request);
  }
}

absl::StatusOr<Event> DecodeEvent(std::string_view record) {
  Decoder decoder(record);
  const std::string_view head = decoder.Raw(2);
  if (head.empty()) return DataLoss("event record: of ", record.size(), " bytes");
  if (static_cast<unsigned char>(head[0]) != kEventCodecVersion) {
    return DataLoss("event record: version ", static_cast<int>(static_cast<unsigned char>(head[0])),
                    ", this program reads ", static_cast<int>(kEventCodecVersion));
  }
  Event event;
  event.kind = static_cast<EventKind>(head[1]);
  if (event.kind < EventKind::kItem || event.kind > EventKind::kInteraction) {
    return DataLoss("event record: unknown kind");
  }
  const std::uint64_t parts = decoder.Varint();
  if ((parts & ~std::uint64_t{kAllParts}) != 0) return DataLoss("event record: unknown part");
  if (parts & kId) event.id = decoder.Bytes();
  if (parts & kEventTime) event.event_time_ms = decoder.SignedVarint();
  if (parts & kUser) event.user = decoder.Bytes();
  if (parts & kSession) event.session = decoder.Bytes();
  if (parts & kItem) event.item = decoder.Bytes();
  if (parts & kType) event.type = decoder.Bytes();
  if (parts & kRanking) event.ranking = decoder.Bytes();
  if (parts & kTieGroup) event.tie_group = decoder.Bytes();
  if (parts & kStep) event.step = decoder.SignedVarint();
  if (parts & kSurface) event.surface = decoder.Bytes();
  if (parts & kQueryText) event.query_text = decoder.Bytes();
  if (parts & kFields) {
    if (absl::Status status = DecodeFields(&decoder, &event.fields); !status.ok()) return status;
  }
  if (parts & kItems) {
    if (absl::Status status = DecodeItems(&decoder, &event.items); !status.ok()) return status;
  }
  event.deleted = (parts & kDeleted) != 0;
  if (parts & kServedFrom) {
    ServedFrom& from = event.served_from;
    from.as_of_ms = decoder.SignedVarint();
    from.known_at_ms = decoder.SignedVarint();
    from.position_end = decoder.Varint();
    from.servable = decoder.Bytes();
    from.after_request = decoder.Bytes();
  }
  if (!decoder.ok()) return DataLoss("event record: truncated at ", record.size(), " bytes");
  if (!decoder.AtEnd()) {
    return DataLoss("event record: ", decoder.rest().size(), " bytes left over");
  }
  return event;
}

}  // namespace fourfold
