#include "feature/event_store_superfluous.h"

#include <algorithm>
#include <iterator>

namespace fourfold {

bool SeenWith(const Sight& other, const Sight& event, const Horizon& horizon) {
  const bool is_known = other.known_time_ms <= horizon.time_ms ||
                        // Strictly: steps of a row's own session are seen a millisecond early.
                        other.known_time_ms < event.known_time_ms;
  return is_known && (other.position < horizon.position || other.position < event.position);
}

void SightSet::Add(const Sight& sight) {
  const auto later = earliest_.upper_bound(sight.known_time_ms);
  if (later != earliest_.begin() && std::prev(later)->second <= sight.position) return;
  auto place = earliest_.lower_bound(sight.known_time_ms);
  while (place != earliest_.end() && place->second >= sight.position) {
    place = earliest_.erase(place);
  }
  earliest_.emplace_hint(place, sight.known_time_ms, sight.position);
}

bool SightSet::HasSeenWith(const Sight& event, const Horizon& horizon) const {
  const auto unknown = event.known_time_ms > horizon.time_ms
                           ? earliest_.lower_bound(event.known_time_ms)
                           : earliest_.upper_bound(horizon.time_ms);
  // Of those that are known the last has the earliest position.
  return unknown != earliest_.begin() &&
         std::prev(unknown)->second < std::max(horizon.position, event.position);
}

bool SuperfluousFacts::Add(const LoggedEvent& fact) {
  const Sight sight{fact.known_time_ms, fact.position};
  // What makes another superfluous may go itself only for a third that does so, too: those that
  // stay are enough.
  if (IsSuperfluous(fact, sight)) return true;
  all_.Add(sight);
  if (fact.event.deleted) tombstones_.Add(sight);
  for (const Field& field : fact.event.fields) naming_[field.name].Add(sight);
  return false;
}

bool SuperfluousFacts::IsSuperfluous(const LoggedEvent& fact, const Sight& sight) const {
  if (tombstones_.HasSeenWith(sight, horizon_)) return true;
  // A tombstone stays for facts older than itself that are yet to come.
  if (fact.event.deleted || !all_.HasSeenWith(sight, horizon_)) return false;
  return std::all_of(fact.event.fields.begin(), fact.event.fields.end(), [&](const Field& field) {
    const auto newer = naming_.find(field.name);
    return newer != naming_.end() && newer->second.HasSeenWith(sight, horizon_);
  });
}

}  // namespace fourfold
