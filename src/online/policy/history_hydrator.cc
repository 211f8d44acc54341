#include "online/policy/history_hydrator.h"

namespace fourfold {

HistoryHydrator::HistoryHydrator(const EventStore* store, int actions, std::int64_t window_ms)
    : Hydrator({.name = "history",
                .reads = {},
                .writes = {Column::kHistory},
                .on_failure = OnFailure::kSkipStage}),
      store_(store),
      actions_(actions),
      window_ms_(window_ms) {}

absl::Status HistoryHydrator::Fetch(const Query& query, QueryColumns* columns) const {
  if (store_ == nullptr || (query.user.empty() && query.session.empty())) return absl::OkStatus();
  absl::Status status = store_->ReadHistory(
      {.user = query.user,
       .session = query.session,
       .since_ms = window_ms_ == 0 ? kSinceForEverMs : query.at.as_of_ms - window_ms_ + 1,
       .limit = static_cast<std::size_t>(actions_)},
      query.at, &columns->history);
  if (!status.ok()) columns->history.clear();
  return status;
}

absl::Status HistoryHydrator::Resolve(const Query& query, QueryColumns* columns) const {
  columns->history_items.reserve(columns->history.size());
  for (const HistoryEntry& action : columns->history) {
    columns->history_items.push_back(query.catalogue->Find(action.item));
  }
  return absl::OkStatus();
}

}  // namespace fourfold
