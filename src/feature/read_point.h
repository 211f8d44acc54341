#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "data/action.h"

// From where in time a state is read (DESIGN.md, Time, rules 3 to 5).
namespace fourfold {

// A value read at a read point is a function of the set of events with
//   event time <= as_of_ms, known time <= known_at_ms, position < position_end
// whatever order they came in. The position bound tells apart events acknowledged within one
// millisecond: a request sees what was acknowledged before it began, not what came right after.
struct ReadPoint {
  std::int64_t as_of_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t known_at_ms = std::numeric_limits<std::int64_t>::max();
  Position position_end = std::numeric_limits<Position>::max();

  // Rule 5, for imported rows: an entry of this session with a smaller step than `before_step` is
  // seen even if its event time is the row's own (as_of_ms + 1) and it became known in that very
  // millisecond (known_at_ms + 1). Empty: no such exception.
  std::string own_session;
  std::int64_t before_step = 0;
  // Entries of this tie group are never seen. Empty: no such exception.
  std::string hidden_tie_group;

  bool Sees(const HistoryEntry& entry) const;

  friend bool operator==(const ReadPoint&, const ReadPoint&) = default;
};

// Everything there is, as known now.
inline ReadPoint EverythingKnown() { return {}; }

// Where an imported slate or action that becomes a training or evaluation row reads: strictly
// before its own event time and known strictly before it too, plus earlier steps of its own
// session, never its own tie group. So with a lag of knowledge an event is seen by the rows later
// than its event time plus the lag, and a log imported with `knowledge: ingest` shows its own rows
// nothing, as nobody could have known it then. A row that holds since for ever sees nothing.
ReadPoint BeforeRow(const HistoryEntry& row);

}  // namespace fourfold
