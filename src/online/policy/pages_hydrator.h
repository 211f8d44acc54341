#pragma once

#include "feature/event_store.h"
#include "online/pipeline/stage.h"

namespace fourfold {

// Marks what stood on the pages before this one: the slate that `after_request` names and, from
// its served_from.after_request on, those before it. InvalidArgument when a page is unknown (slates
// must be logged), no slate, somebody else's, or one of more than limits::kPagesMax. The page of a
// session that became a user's goes on for the user, with the session named or without.
class PagesHydrator final : public Hydrator {
 public:
  // `slates_logged`: by the recipe; else the refusal of an unknown page says so.
  PagesHydrator(const EventStore* store, bool slates_logged);
  absl::Status Fetch(const Query& query, QueryColumns* columns) const override;
  absl::Status Resolve(const Query& query, QueryColumns* columns) const override;

 private:
  absl::StatusOr<Event> ReadPage(const std::string& id, const Query& query) const;

  const EventStore* store_;
  const bool slates_logged_;
};

}  // namespace fourfold
