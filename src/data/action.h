#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"

namespace fourfold {

// A place in the log. One partition today; clients see it only as an opaque string
// (feature/position.h).
using Position = std::uint64_t;

enum class HistoryKind : std::uint8_t {
  kAction = 1,      // an interaction
  kImpression = 2,  // a slate shown: `impressions` holds its items
  kFields = 3,      // an item or user event: its fields stand in the log at `position`
};

// One line of an entity's history. For user and session histories: what this user did or was
// shown. For item histories: what was done to this item, and its own item events (kFields).
struct HistoryEntry {
  HistoryKind kind = HistoryKind::kAction;
  std::int64_t event_time_ms = 0;
  std::int64_t known_time_ms = 0;  // of this entry as read: a joined session's is the join's
  Position position = 0;
  Digest event_digest{};  // of the event id: orders entries of equal event time
  std::string user;       // empty in anonymous sessions
  std::string session;
  std::string item;     // kAction
  std::string type;     // kAction
  std::string ranking;  // kAction: the slate answered; kImpression: the slate's own id
  std::string tie_group;
  std::int64_t step = 0;
  std::vector<std::string> impressions;  // kImpression, in the order shown
  bool deleted = false;                  // kFields: a tombstone

  friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};

}  // namespace fourfold
