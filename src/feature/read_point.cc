#include "feature/read_point.h"

#include "fourfold/event.h"

namespace fourfold {

bool ReadPoint::Sees(const HistoryEntry& entry) const {
  if (entry.position >= position_end) return false;
  if (!hidden_tie_group.empty() && entry.tie_group == hidden_tie_group) return false;
  if (entry.event_time_ms <= as_of_ms && entry.known_time_ms <= known_at_ms) return true;
  if (own_session.empty() || entry.session != own_session || entry.step >= before_step) {
    return false;
  }
  // Subtracting from the entry's side, as the bounds may be the largest number there is.
  return entry.event_time_ms > kSinceForEverMs && entry.known_time_ms > kSinceForEverMs &&
         entry.event_time_ms - 1 <= as_of_ms && entry.known_time_ms - 1 <= known_at_ms;
}

ReadPoint BeforeRow(const HistoryEntry& row) {
  ReadPoint point;
  if (row.event_time_ms == kSinceForEverMs) {
    point.position_end = 0;  // nothing was before
    return point;
  }
  point.as_of_ms = row.event_time_ms - 1;
  point.known_at_ms = row.event_time_ms - 1;
  point.own_session = row.session;
  point.before_step = row.step;
  point.hidden_tie_group = row.tie_group;
  return point;
}

}  // namespace fourfold
