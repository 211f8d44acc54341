#include "online/policy/pages_hydrator.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/limits.h"

namespace fourfold {
namespace {

// Slates that a user was shown since one page: past so many, a session's page is not looked for.
constexpr std::size_t kSlatesSinceMax = 1000;

// Whether the page is in the user's history because its anonymous session became theirs.
absl::StatusOr<bool> JoinedHistoryOf(const EventStore& store, const LoggedEvent& page,
                                     const Query& query) {
  EventStore::HistoryRequest request;
  request.user = query.user;
  request.since_ms = page.event.event_time_ms;
  request.limit = kSlatesSinceMax;
  request.actions = false;
  request.impressions = true;
  std::vector<HistoryEntry> shown;
  FOURFOLD_RETURN_IF_ERROR(store.ReadHistory(request, query.at, &shown));
  return std::any_of(shown.begin(), shown.end(),
                     [&](const HistoryEntry& entry) { return entry.position == page.position; });
}

absl::StatusOr<bool> IsSameVisitor(const EventStore& store, const LoggedEvent& page,
                                   const Query& query) {
  const Event& event = page.event;
  if (!event.user.empty() && !query.user.empty()) return event.user == query.user;
  if (!event.session.empty() && event.session == query.session) return true;
  if (query.user.empty() || event.session.empty()) return false;
  return JoinedHistoryOf(store, page, query);
}

}  // namespace

absl::StatusOr<Event> PagesHydrator::ReadPage(const std::string& id, const Query& query) const {
  auto found = store_->FindEvent(id);
  if (!found.ok()) {
    if (found.status().code() != absl::StatusCode::kNotFound) return found.status();
    if (!slates_logged_) {
      return InvalidArgument("after_request: no slate ", id,
                             " is known: the recipe's server.log_slates is off, so slates leave "
                             "nothing behind that a next page could go on from");
    }
    return InvalidArgument("after_request: no slate ", id,
                           " is known; only a slate that was logged has a next page: one with "
                           "items, for a user or a session, without log_slate false");
  }
  if (found->event.kind != EventKind::kRanking) {
    return InvalidArgument("after_request: ", id, " is no slate");
  }
  FOURFOLD_ASSIGN_OR_RETURN(const bool is_same, IsSameVisitor(*store_, *found, query));
  if (!is_same) {
    return InvalidArgument("after_request: ", id, " was shown to another user or session");
  }
  return std::move(found->event);
}

PagesHydrator::PagesHydrator(const EventStore* store, bool slates_logged)
    : Hydrator({.name = "pages",
                .reads = {},
                .writes = {Column::kPages},
                .on_failure = OnFailure::kFailRequest}),
      store_(store),
      slates_logged_(slates_logged) {}

absl::Status PagesHydrator::Fetch(const Query& query, QueryColumns* columns) const {
  std::string id(query.after_request);
  for (int pages = 0; !id.empty(); ++pages) {
    if (pages == limits::kPagesMax) {
      return InvalidArgument("after_request: more than ", limits::kPagesMax, " pages");
    }
    absl::StatusOr<Event> page = ReadPage(id, query);
    if (!page.ok()) return page.status();
    for (RankedItem& shown : page->items) columns->page_items.push_back(std::move(shown.item));
    id = std::move(page->served_from.after_request);
  }
  return absl::OkStatus();
}

absl::Status PagesHydrator::Resolve(const Query& query, QueryColumns* columns) const {
  for (const std::string& item : columns->page_items) {
    if (const ItemIndex index = query.catalogue->Find(item); index != kNoItem) {
      columns->marks.Add(index, mark::kOnAPage);
    }
  }
  return absl::OkStatus();
}

}  // namespace fourfold
