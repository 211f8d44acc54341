#include "online/policy/pages_hydrator.h"

#include <utility>

#include "base/strings.h"
#include "data/limits.h"

namespace fourfold {
namespace {

// A first page may have been an anonymous session's that has become a user's since.
bool IsSameVisitor(const Event& page, const Query& query) {
  if (!page.user.empty() && !query.user.empty()) return page.user == query.user;
  return !page.session.empty() && page.session == query.session;
}

absl::StatusOr<Event> ReadPage(const EventStore& store, const std::string& id, const Query& query) {
  auto found = store.FindEvent(id);
  if (!found.ok()) {
    if (found.status().code() != absl::StatusCode::kNotFound) return found.status();
    return InvalidArgument("after_request: no slate ", id, " is known");
  }
  if (found->event.kind != EventKind::kRanking) {
    return InvalidArgument("after_request: ", id, " is no slate");
  }
  if (!IsSameVisitor(found->event, query)) {
    return InvalidArgument("after_request: ", id, " was shown to another user or session");
  }
  return std::move(found->event);
}

}  // namespace

PagesHydrator::PagesHydrator(const EventStore* store)
    : Hydrator({.name = "pages",
                .reads = {},
                .writes = {Column::kPages},
                .on_failure = OnFailure::kFailRequest}),
      store_(store) {}

absl::Status PagesHydrator::Fetch(const Query& query, QueryColumns* columns) const {
  std::string id(query.after_request);
  for (int pages = 0; !id.empty(); ++pages) {
    if (pages == limits::kPagesMax) {
      return InvalidArgument("after_request: more than ", limits::kPagesMax, " pages");
    }
    absl::StatusOr<Event> page = ReadPage(*store_, id, query);
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
