#include "online/surfaces/slate_logger.h"

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {

SlateLogger::SlateLogger(EventStore* store)
    : Observer({.name = "slate_log",
                .reads = {Column::kSlate},
                .writes = {},
                .on_failure = OnFailure::kSkipStage}),
      store_(store) {}

absl::Status SlateLogger::Observe(const RecommendRequest& request, const ReadPoint& at,
                                  const RecommendResponse& response) const {
  if (!request.log_slate || response.items.empty() ||
      (request.user.empty() && request.session.empty())) {
    return absl::OkStatus();
  }
  Event event;
  event.kind = EventKind::kRanking;
  event.id = response.request_id;
  event.user = request.user;
  event.session = request.session;
  event.surface = request.surface;
  event.items.reserve(response.items.size());
  event.fields = request.fields;
  for (const RecommendedItem& shown : response.items) {
    event.items.push_back({shown.item, shown.retrieval_fields});
  }
  event.served_from = {.as_of_ms = at.as_of_ms,
                       .known_at_ms = at.known_at_ms,
                       .position_end = at.position_end,
                       .servable = response.servable,
                       .after_request = request.after_request};
  FOURFOLD_ASSIGN_OR_RETURN(std::vector<AppendResult> results,
                            store_->Append({&event, 1}, Durability::kBuffered));
  if (results[0].outcome != EventOutcome::kRejected) return absl::OkStatus();
  // How 500 candidates were found may be more than an event holds; that they were shown counts
  // more.
  for (RankedItem& item : event.items) item.fields.clear();
  const absl::Status with_fields = results[0].status;
  FOURFOLD_ASSIGN_OR_RETURN(results, store_->Append({&event, 1}, Durability::kBuffered));
  if (results[0].outcome == EventOutcome::kRejected) return results[0].status;
  return Annotate(with_fields, "logged without how its items were found");
}

}  // namespace fourfold
