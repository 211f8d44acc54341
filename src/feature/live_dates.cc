#include "feature/live_dates.h"

#include <algorithm>

#include "feature/event_store_codec.h"

namespace fourfold {

void LiveDates::Date(std::int64_t wall_ms, std::int64_t* now_ms, LoggedEvent* logged) {
  Event& event = logged->event;
  const std::int64_t said_ms = event.event_time_ms;
  const bool is_fact = event.kind == EventKind::kItem || event.kind == EventKind::kUser;
  if (is_fact && said_ms >= *now_ms) {
    if (*now_ms > newest_ms_) facts_.clear();
    entity_ = event.kind == EventKind::kItem ? EntityOf(Stream::kItemFacts, event.item)
                                             : EntityOf(Stream::kUserFacts, event.user);
    std::int64_t& fact_ms = facts_.try_emplace(entity_, earlier_ms_).first->second;
    const bool dated_by_clock = said_ms > *now_ms;
    if (dated_by_clock && fact_ms >= *now_ms && *now_ms - wall_ms < kLeadMsMax) {
      *now_ms = fact_ms + 1;
    }
    fact_ms = newest_ms_ = *now_ms;
  }
  logged->known_time_ms = *now_ms;
  if (said_ms > *now_ms && said_ms != kNoTimeMs) logged->client_time_ms = said_ms;
  event.event_time_ms = std::min(said_ms, *now_ms);
}

}  // namespace fourfold
