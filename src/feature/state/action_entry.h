#pragma once

#include <cstdint>
#include <string_view>

#include "base/digest.h"
#include "data/action.h"
#include "feature/read_point.h"

namespace fourfold {

// Texts that are only ever compared stand as 64-bit hashes in feature state; 0 is "none". Two
// different ids of one log share a hash with a chance of about n^2 / 2^65.
inline std::uint64_t HashOfId(std::string_view id) {
  if (id.empty()) return 0;
  const std::uint64_t hash = StableHash(id);
  return hash == 0 ? 1 : hash;
}

// A dense number for an item or a text of one feature state (feature/state/interner.h).
using TextIndex = std::uint32_t;

// One action as features see it. Ordered by (event time, event digest), as every history is.
struct ActionEntry {
  std::int64_t event_time_ms = 0;
  std::int64_t known_time_ms = 0;
  Position position = 0;
  Digest event_digest{};
  std::uint64_t user = 0;  // HashOfId, like the next two
  std::uint64_t session = 0;
  std::uint64_t tie_group = 0;
  std::int64_t step = 0;
  TextIndex item = 0;
  TextIndex type_name = 0;
  std::uint16_t type = 0;  // of StateSchema::action_types

  friend bool operator==(const ActionEntry&, const ActionEntry&) = default;
};

inline bool IsOlder(const ActionEntry& a, const ActionEntry& b) {
  if (a.event_time_ms != b.event_time_ms) return a.event_time_ms < b.event_time_ms;
  return a.event_digest < b.event_digest;
}

// A read point (feature/read_point.h) in the terms of entries, and the moment that ages and windows
// count from.
struct StateRead {
  std::int64_t as_of_ms = 0;
  std::int64_t known_at_ms = 0;
  Position position_end = 0;
  std::uint64_t own_session = 0;
  std::int64_t before_step = 0;
  std::uint64_t hidden_tie_group = 0;
  std::int64_t now_ms = 0;

  // `Times` has the event time, known time and position of an entry.
  template <typename Times>
  bool SeesRegularly(const Times& times) const {
    return times.event_time_ms <= as_of_ms && times.known_time_ms <= known_at_ms &&
           times.position < position_end;
  }
  // As ReadPoint::Sees; `entry` says the rest of what has these times.
  template <typename Times>
  bool Sees(const Times& times, const ActionEntry& entry) const {
    if (hidden_tie_group != 0 && entry.tie_group == hidden_tie_group) return false;
    if (SeesRegularly(times)) return true;
    return own_session != 0 && entry.session == own_session && entry.step < before_step &&
           times.position < position_end && IsAlmostSeen(times);
  }
  bool Sees(const ActionEntry& entry) const { return Sees(entry, entry); }
  // Whether its times are not past what earlier steps of the own session may have.
  template <typename Times>
  bool IsAlmostSeen(const Times& times) const {
    return times.event_time_ms > INT64_MIN && times.known_time_ms > INT64_MIN &&
           times.event_time_ms - 1 <= as_of_ms && times.known_time_ms - 1 <= known_at_ms;
  }
};

inline StateRead MakeStateRead(const ReadPoint& at, std::int64_t now_ms) {
  return {.as_of_ms = at.as_of_ms,
          .known_at_ms = at.known_at_ms,
          .position_end = at.position_end,
          .own_session = HashOfId(at.own_session),
          .before_step = at.before_step,
          .hidden_tie_group = HashOfId(at.hidden_tie_group),
          .now_ms = now_ms};
}

}  // namespace fourfold
