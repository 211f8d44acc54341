#pragma once

#include "feature/event_store.h"
#include "online/pipeline/stage.h"

namespace fourfold {

// Reads what the user and the session did, newest first. Without a store the history is given: the
// caller has put it into the columns.
class HistoryHydrator final : public Hydrator {
 public:
  // `window_ms`: only what is younger than this; 0: all that the store shows.
  HistoryHydrator(const EventStore* store, int actions, std::int64_t window_ms = 0);
  absl::Status Fetch(const Query& query, QueryColumns* columns) const override;
  absl::Status Resolve(const Query& query, QueryColumns* columns) const override;

 private:
  const EventStore* store_;
  const int actions_;
  const std::int64_t window_ms_;
};

}  // namespace fourfold
