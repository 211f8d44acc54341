#pragma once

#include <cstdint>
#include <string>

#include "base/strings.h"
#include "feature/event_store.h"

namespace fourfold {

// Gives live events their times (Time, rule 1). Facts about one item or user that are acknowledged
// one after the other get rising event times, although the clock may stand still between them:
// else the digests of their ids would decide which of them holds. Where it must, that moves the
// store's clock ahead of the wall's, by kLeadMsMax at most; facts that come faster than one a
// millisecond for longer than that share times. Not thread-safe.
class LiveDates {
 public:
  static constexpr std::int64_t kLeadMsMax = 1000;

  // `last_known_ms`: of an earlier process, whose facts are not remembered one by one.
  explicit LiveDates(std::int64_t last_known_ms) : earlier_ms_(last_known_ms) {}

  // `wall_ms` is the clock's time, *now_ms the store's, at or after it; moved on where needed.
  void Date(std::int64_t wall_ms, std::int64_t* now_ms, LoggedEvent* logged);

 private:
  const std::int64_t earlier_ms_;
  // By entity, the time of its newest fact; only of those that may be at newest_ms_.
  StringMap<std::int64_t> facts_;
  std::int64_t newest_ms_ = 0;
  std::string entity_;  // reused from event to event
};

}  // namespace fourfold
