#pragma once

#include "feature/event_store.h"
#include "online/pipeline/stage.h"

namespace fourfold {

// Leaves the answer in the log as a `ranking` event with the read point that it came from: when it
// returns, the impressions are in the user's state. Nothing is left of a request of nobody, or with
// log_slate off, or of an empty slate. Where one event does not hold how all items were found, they
// are logged without it, and the observer fails, so that the answer says so.
class SlateLogger final : public Observer {
 public:
  explicit SlateLogger(EventStore* store);
  absl::Status Observe(const RecommendRequest& request, const ReadPoint& at,
                       const RecommendResponse& response) const override;

 private:
  EventStore* store_;
};

}  // namespace fourfold
