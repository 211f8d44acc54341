#include "online/policy/seen.h"

#include <algorithm>

#include "base/status_macros.h"
#include "base/strings.h"
#include "data/timestamp.h"

namespace fourfold {
namespace {

// The bits of an item's mark above the named ones count its impressions.
constexpr std::uint32_t kOneImpression = 1u << 8;

bool IsWithin(std::int64_t event_time_ms, std::int64_t as_of_ms, std::int64_t within_ms) {
  return within_ms == 0 || event_time_ms > as_of_ms - within_ms;
}

bool IsSeen(const PolicyOptions& policy, const HistoryEntry& action, std::int64_t as_of_ms) {
  for (const PolicyOptions::SeenRule& rule : policy.seen_actions) {
    if (action.type == rule.action_type &&
        IsWithin(action.event_time_ms, as_of_ms, rule.within_ms)) {
      return true;
    }
  }
  return false;
}

}  // namespace

SeenHydrator::SeenHydrator(const EventStore* store, const PolicyOptions* policy,
                           int history_actions)
    : Hydrator({.name = "seen_slates",
                .reads = {Column::kHistory},
                .writes = {Column::kShownSlates, Column::kSeen},
                .on_failure = OnFailure::kSkipStage}),
      store_(store),
      policy_(policy),
      history_actions_(static_cast<std::size_t>(history_actions)) {}

absl::Status SeenHydrator::Fetch(const Query& query, QueryColumns* columns) const {
  if (store_ == nullptr || !query.apply_policy || (query.user.empty() && query.session.empty())) {
    return absl::OkStatus();
  }
  absl::Status status = FetchSeenBefore(query, columns);
  status.Update(FetchSlates(query, columns));  // each rule for itself
  return status;
}

absl::Status SeenHydrator::FetchSeenBefore(const Query& query, QueryColumns* columns) const {
  const std::vector<HistoryEntry>& history = columns->history;
  const auto limit = static_cast<std::size_t>(policy_->seen_history_actions);
  const auto since = [&](std::int64_t within_ms) {
    return within_ms == 0 ? kSinceForEverMs : query.at.as_of_ms - within_ms + 1;
  };
  std::int64_t since_ms = INT64_MAX;
  for (const PolicyOptions::SeenRule& rule : policy_->seen_actions) {
    since_ms = std::min(since_ms, since(rule.within_ms));
  }
  const std::int64_t held_since_ms = history.size() < history_actions_
                                         ? since(policy_->history_window_ms)
                                         : history.back().event_time_ms + 1;
  if (since_ms >= held_since_ms || history.size() >= limit) return absl::OkStatus();
  // One read of all of it: among actions at the same time, where the history ends is not for a
  // second read to guess.
  std::vector<HistoryEntry>& before = columns->seen_before;
  before.clear();
  absl::Status status = store_->ReadHistory(
      {.user = query.user, .session = query.session, .since_ms = since_ms, .limit = limit},
      query.at, &before);
  if (!status.ok()) {
    before.clear();
    return status;
  }
  before.erase(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(
                                                    std::min(history.size(), before.size())));
  std::erase_if(before, [&](const HistoryEntry& action) {
    return !IsSeen(*policy_, action, query.at.as_of_ms);
  });
  return absl::OkStatus();
}

absl::Status SeenHydrator::FetchSlates(const Query& query, QueryColumns* columns) const {
  if (policy_->seen_impressions <= 0) return absl::OkStatus();
  const std::int64_t within_ms = policy_->seen_impressions_within_ms;
  absl::Status status = store_->ReadHistory(
      {.user = query.user,
       .session = query.session,
       .since_ms = within_ms == 0 ? kSinceForEverMs : query.at.as_of_ms - within_ms + 1,
       .limit = static_cast<std::size_t>(policy_->seen_slates),
       .actions = false,
       .impressions = true},
      query.at, &columns->slates);
  if (!status.ok()) columns->slates.clear();
  return status;
}

absl::Status SeenHydrator::Resolve(const Query& query, QueryColumns* columns) const {
  if (!query.apply_policy) return absl::OkStatus();
  ItemMarks& marks = columns->marks;
  for (std::size_t a = 0; a < columns->history.size(); ++a) {
    const ItemIndex item = columns->history_items[a];
    if (item != kNoItem && IsSeen(*policy_, columns->history[a], query.at.as_of_ms)) {
      marks.Add(item, mark::kActedOn);
    }
  }
  for (const HistoryEntry& action : columns->seen_before) {
    const ItemIndex item = query.catalogue->Find(action.item);
    if (item != kNoItem) marks.Add(item, mark::kActedOn);
  }
  for (const HistoryEntry& slate : columns->slates) {
    for (const std::string& shown : slate.impressions) {
      const ItemIndex item = query.catalogue->Find(shown);
      if (item == kNoItem) continue;
      marks.Set(item, marks.Get(item) + kOneImpression);
      if (marks.Get(item) / kOneImpression >=
          static_cast<std::uint32_t>(policy_->seen_impressions)) {
        marks.Add(item, mark::kShownOften);
      }
    }
  }
  return absl::OkStatus();
}

SeenFilter::SeenFilter(const PolicyOptions* policy)
    : Filter({.name = "seen",
              .reads = {Column::kSeen},
              .writes = {Column::kDropped},
              .on_failure = OnFailure::kFailRequest}),
      policy_(policy) {}

void SeenFilter::Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if ((query.columns->marks.Get(items[i]) & (mark::kActedOn | mark::kShownOften)) != 0) {
      drop->Drop(i);
    }
  }
}

std::string SeenFilter::Reason(const Query& query, ItemIndex item) const {
  const QueryColumns& columns = *query.columns;
  const auto had = [](const HistoryEntry& action) {
    return StrCat("had the action ", action.type, " at ", FormatTimestamp(action.event_time_ms));
  };
  for (std::size_t a = 0; a < columns.history.size(); ++a) {
    if (columns.history_items[a] == item &&
        IsSeen(*policy_, columns.history[a], query.at.as_of_ms)) {
      return had(columns.history[a]);
    }
  }
  for (const HistoryEntry& action : columns.seen_before) {
    if (query.catalogue->Find(action.item) == item) return had(action);
  }
  return StrCat("was shown ", columns.marks.Get(item) / kOneImpression, " times");
}

}  // namespace fourfold
