#pragma once

#include <cstdint>
#include <map>

#include "base/strings.h"
#include "feature/event_store.h"
#include "feature/event_store_codec.h"

// Which events below a horizon other ones make superfluous: the other one must be seen by whoever
// could see it (Time, rule 7).
namespace fourfold {

// What decides who sees an event below the horizon.
struct Sight {
  std::int64_t known_time_ms = 0;
  Position position = 0;
};

// Whether every read point at or above the horizon that sees `event` sees `other`, too.
bool SeenWith(const Sight& other, const Sight& event, const Horizon& horizon);

// Several sights, asked together in the logarithm of their number.
class SightSet {
 public:
  void Add(const Sight& sight);
  // Whether one of them is SeenWith the event.
  bool HasSeenWith(const Sight& event, const Horizon& horizon) const;

 private:
  // By known time, each position before the one before it: whoever sees another that was added sees
  // one of these.
  std::map<std::int64_t, Position> earliest_;
};

// Told of the facts below a horizon of one item or user, the newest first: which of them newer ones
// make superfluous for every read point at or above the horizon.
class SuperfluousFacts {
 public:
  // The horizon must outlive it.
  explicit SuperfluousFacts(const Horizon& horizon) : horizon_(horizon) {}

  // The next older fact; true: no read needs it.
  bool Add(const LoggedEvent& fact);

 private:
  bool IsSuperfluous(const LoggedEvent& fact, const Sight& sight) const;

  // Of those that stay.
  const Horizon& horizon_;
  SightSet all_;
  SightSet tombstones_;
  StringMap<SightSet> naming_;  // a field
};

}  // namespace fourfold
