#include "feature/event_store_codec.h"

#include <utility>

#include "base/coding.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "data/event_codec.h"

namespace fourfold {
namespace {

// The first byte of a line: its kind in the low bits.
constexpr unsigned char kKindBits = 0x0f;
constexpr unsigned char kHasRest = 0x10;  // ranking, tie group and step follow

// A log record begins with this when the client's own time follows.
constexpr char kPlain = 0;
constexpr char kWithClientTime = 1;

bool IsUserStream(Stream stream) {
  return stream == Stream::kUserActions || stream == Stream::kUserSlates;
}
bool IsSessionStream(Stream stream) {
  return stream == Stream::kSessionAnonymousActions || stream == Stream::kSessionAnonymousSlates ||
         stream == Stream::kSessionKnown;
}

HistoryKind KindOf(EventKind kind) {
  switch (kind) {
    case EventKind::kInteraction:
      return HistoryKind::kAction;
    case EventKind::kRanking:
      return HistoryKind::kImpression;
    default:
      return HistoryKind::kFields;
  }
}

}  // namespace

std::string EngineValueKey(std::string_view key) { return StrCat("v", key); }
std::string ErasedKey(std::string_view user) {
  const Digest digest = DigestOf(user);
  return StrCat("e", std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}
std::string AnonymousKey(std::string_view session) { return StrCat("a", session); }
std::string MemberPrefix(std::string_view session) {
  std::string key = "m";
  AppendBytes(&key, session);
  return key;
}
std::string MemberKey(std::string_view session, std::string_view user) {
  std::string key = MemberPrefix(session);
  key.append(user);
  return key;
}

std::string EncodeState(const StoreState& state) {
  std::string bytes;
  AppendVarint(&bytes, state.end);
  AppendBigEndian64(&bytes, static_cast<std::uint64_t>(state.last_known_ms));
  AppendBigEndian64(&bytes, static_cast<std::uint64_t>(state.last_event_time_ms));
  const Horizon& horizon = state.horizon;
  if (horizon.time_ms == kSinceForEverMs) return bytes;
  AppendBigEndian64(&bytes, static_cast<std::uint64_t>(horizon.time_ms));
  AppendVarint(&bytes, horizon.position);
  AppendBigEndian64(&bytes, static_cast<std::uint64_t>(horizon.floor_ms));
  AppendVarint(&bytes, ZigZag(horizon.retain_ms));
  bytes.push_back(horizon.is_removed ? 1 : 0);
  return bytes;
}

absl::StatusOr<StoreState> DecodeState(std::string_view bytes) {
  Decoder decoder(bytes);
  StoreState state;
  state.end = decoder.Varint();
  state.last_known_ms = static_cast<std::int64_t>(decoder.BigEndian64());
  state.last_event_time_ms = static_cast<std::int64_t>(decoder.BigEndian64());
  if (decoder.ok() && !decoder.AtEnd()) {
    Horizon& horizon = state.horizon;
    horizon.time_ms = static_cast<std::int64_t>(decoder.BigEndian64());
    horizon.position = decoder.Varint();
    horizon.floor_ms = static_cast<std::int64_t>(decoder.BigEndian64());
    horizon.retain_ms = decoder.SignedVarint();
    horizon.is_removed = decoder.Raw(1) == std::string_view("\1", 1);
  }
  if (!decoder.ok() || !decoder.AtEnd()) return DataLoss("the event store's state is not readable");
  return state;
}

void EncodeLogged(const LoggedEvent& logged, std::string* out) {
  const bool is_plain = logged.client_time_ms == kNoTimeMs;
  out->push_back(is_plain ? kPlain : kWithClientTime);
  AppendVarint(out, ZigZag(logged.known_time_ms));
  if (!is_plain) AppendVarint(out, ZigZag(logged.client_time_ms));
  EncodeEvent(logged.event, out);
}

absl::StatusOr<LoggedEvent> DecodeLogged(Position position, std::string_view record) {
  Decoder decoder(record);
  LoggedEvent logged;
  logged.position = position;
  const std::string_view form = decoder.Raw(1);
  logged.known_time_ms = decoder.SignedVarint();
  if (form.size() == 1 && form[0] == kWithClientTime) {
    logged.client_time_ms = decoder.SignedVarint();
  }
  if (!decoder.ok() || (form[0] != kPlain && form[0] != kWithClientTime)) {
    return DataLoss("log position ", position, ": the record is not readable");
  }
  absl::StatusOr<Event> event = DecodeEvent(decoder.rest());
  if (!event.ok()) return Annotate(event.status(), StrCat("log position ", position));
  logged.event = *std::move(event);
  return logged;
}

void EncodeLine(Stream stream, const LoggedEvent& logged, std::string* out) {
  const Event& event = logged.event;
  const HistoryKind kind = KindOf(event.kind);
  const bool has_rest = !event.ranking.empty() || !event.tie_group.empty() || event.step != 0;
  out->push_back(static_cast<char>(static_cast<unsigned char>(kind) | (has_rest ? kHasRest : 0)));
  AppendVarint(out, logged.position);
  AppendVarint(out, ZigZag(logged.known_time_ms));
  if (!IsUserStream(stream)) AppendBytes(out, event.user);
  if (!IsSessionStream(stream)) AppendBytes(out, event.session);
  if (kind == HistoryKind::kAction) {
    if (stream != Stream::kItemActions) AppendBytes(out, event.item);
    AppendBytes(out, event.type);
  }
  if (has_rest) {
    AppendBytes(out, event.ranking);
    AppendBytes(out, event.tie_group);
    AppendVarint(out, ZigZag(event.step));
  }
  if (kind == HistoryKind::kImpression) {
    AppendBytes(out, event.id);
    AppendVarint(out, event.items.size());
    for (const RankedItem& ranked : event.items) AppendBytes(out, ranked.item);
  }
}

absl::Status DecodeLine(Stream stream, std::string_view id, std::string_view record,
                        HistoryEntry* entry) {
  Decoder decoder(record);
  const std::string_view form = decoder.Raw(1);
  const auto bits = static_cast<unsigned char>(form.empty() ? 0 : form[0]);
  const auto kind = static_cast<HistoryKind>(bits & kKindBits);
  entry->kind = kind;
  entry->position = decoder.Varint();
  entry->known_time_ms = decoder.SignedVarint();
  entry->user = IsUserStream(stream) ? id : decoder.Bytes();
  entry->session = IsSessionStream(stream) ? id : decoder.Bytes();
  if (kind == HistoryKind::kAction) {
    entry->item = stream == Stream::kItemActions ? id : decoder.Bytes();
    entry->type = decoder.Bytes();
  }
  if ((bits & kHasRest) != 0) {
    entry->ranking = decoder.Bytes();
    entry->tie_group = decoder.Bytes();
    entry->step = decoder.SignedVarint();
  }
  if (kind == HistoryKind::kImpression) {
    entry->ranking = decoder.Bytes();
    const std::uint64_t count = decoder.Varint();
    for (std::uint64_t i = 0; i < count && decoder.ok(); ++i) {
      entry->impressions.emplace_back(decoder.Bytes());
    }
  }
  const bool is_known_kind = kind == HistoryKind::kAction || kind == HistoryKind::kImpression ||
                             kind == HistoryKind::kFields;
  if (!decoder.ok() || !decoder.AtEnd() || !is_known_kind) {
    return DataLoss("history of \"", id, "\": a line is not readable");
  }
  return absl::OkStatus();
}

void EncodeFacts(const LoggedEvent& logged, std::string* out) {
  AppendVarint(out, logged.position);
  EncodeLogged(logged, out);
}

absl::StatusOr<LoggedEvent> DecodeFacts(std::string_view record) {
  Decoder decoder(record);
  const Position position = decoder.Varint();
  if (!decoder.ok()) return DataLoss("a line of facts is not readable");
  return DecodeLogged(position, decoder.rest());
}

HistoryEntry LineOf(const LoggedEvent& logged) {
  const Event& event = logged.event;
  HistoryEntry entry;
  entry.kind = KindOf(event.kind);
  entry.event_time_ms = event.event_time_ms;
  entry.known_time_ms = logged.known_time_ms;
  entry.position = logged.position;
  entry.event_digest = DigestOf(event.id);
  entry.user = event.user;
  entry.session = event.session;
  entry.item = event.item;
  entry.type = event.type;
  entry.ranking = event.kind == EventKind::kRanking ? event.id : event.ranking;
  entry.tie_group = event.tie_group;
  entry.step = event.step;
  for (const RankedItem& ranked : event.items) entry.impressions.push_back(ranked.item);
  entry.deleted = event.deleted;
  return entry;
}

}  // namespace fourfold
