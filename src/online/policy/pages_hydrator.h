#pragma once

#include "feature/event_store.h"
#include "online/pipeline/stage.h"

namespace fourfold {

// Marks what stood on the pages before this one: the slate that `after_request` names and, from
// its served_from.after_request on, those before it. InvalidArgument when a page is unknown (slates
// must be logged), no slate, somebody else's, or one of more than limits::kPagesMax.
class PagesHydrator final : public Hydrator {
 public:
  explicit PagesHydrator(const EventStore* store);
  absl::Status Fetch(const Query& query, QueryColumns* columns) const override;
  absl::Status Resolve(const Query& query, QueryColumns* columns) const override;

 private:
  const EventStore* store_;
};

}  // namespace fourfold
