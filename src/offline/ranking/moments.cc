#include "offline/ranking/moments.h"

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_set.h"
#include "base/check.h"
#include "base/strings.h"
#include "feature/state/action_entry.h"

namespace fourfold {
namespace {

// Users and sessions are apart, even where they are named alike.
std::uint64_t WhoOf(const Event& event) {
  return HashOfId(event.user.empty() ? StrCat("s", event.session) : StrCat("u", event.user));
}

}  // namespace

void Moments::Note(const LoggedEvent& logged, const std::optional<ActionMeaning>& meaning) {
  const Event& event = logged.event;
  if (event.user.empty() && event.session.empty()) return;
  actions_[WhoOf(event)].push_back(
      {.event_time_ms = event.event_time_ms,
       .item = HashOfId(event.item),
       .tie_group = event.tie_group.empty() ? 0 : HashOfId(event.tie_group),
       .position = logged.position,
       .step = event.step,
       .meaning = meaning});
}

void Moments::SortActions() {
  for (auto& entry : actions_) {
    std::sort(entry.second.begin(), entry.second.end(), [](const Action& a, const Action& b) {
      return std::tie(a.event_time_ms, a.step, a.position) <
             std::tie(b.event_time_ms, b.step, b.position);
    });
  }
}

std::vector<Moments::Moment> Moments::Take() {
  SortActions();
  std::vector<Moment> moments;
  struct Group {
    const Action* first = nullptr;  // with a label or without
    bool is_moment = false;
  };
  absl::flat_hash_map<std::uint64_t, Group> groups;
  for (const auto& [who, actions] : actions_) {
    groups.clear();
    std::optional<std::int64_t> last_time_ms;  // of a moment without a tie group
    for (const Action& action : actions) {
      if (action.tie_group != 0) {
        Group& group = groups.try_emplace(action.tie_group, Group{&action}).first->second;
        if (!action.is_wanted() || group.is_moment) continue;
        group.is_moment = true;
        moments.push_back({.event_time_ms = group.first->event_time_ms,
                           .position = group.first->position,
                           .who = who,
                           .tie_group = action.tie_group});
      } else if (action.is_wanted() && last_time_ms != action.event_time_ms) {
        last_time_ms = action.event_time_ms;
        moments.push_back(
            {.event_time_ms = action.event_time_ms, .position = action.position, .who = who});
      }
    }
  }
  return moments;
}

std::vector<Moments::Moment> Moments::TakeEvery(std::int64_t every_ms, std::int64_t last_ms,
                                                std::int64_t window_ms) {
  FOURFOLD_CHECK(every_ms > 0);
  SortActions();
  std::vector<Moment> moments;
  for (const auto& [who, actions] : actions_) {
    const Action* next = nullptr;  // the first wanted one from `at` on
    std::int64_t at = last_ms;
    for (auto action = actions.rbegin(); action != actions.rend(); ++action) {
      if (!action->is_wanted()) continue;
      for (; at > action->event_time_ms; at -= every_ms) {
        if (next == nullptr || next->event_time_ms - at > window_ms) continue;
        moments.push_back(
            {.event_time_ms = at, .position = next->position, .who = who, .is_regular = true});
      }
      next = &*action;
    }
  }
  return moments;
}

void Moments::OutcomeOf(const Moment& moment, std::int64_t window_ms, Outcome* outcome) const {
  outcome->clear();
  const auto found = actions_.find(moment.who);
  if (found == actions_.end()) return;
  const std::vector<Action>& actions = found->second;
  const auto from = std::lower_bound(
      actions.begin(), actions.end(), moment.event_time_ms,
      [](const Action& action, std::int64_t time) { return action.event_time_ms < time; });
  absl::flat_hash_set<std::uint64_t> begun;
  if (moment.is_regular) {
    for (auto action = actions.begin(); action != from; ++action) begun.insert(action->tie_group);
    begun.erase(0);
  }
  for (auto action = from; action != actions.end(); ++action) {
    const bool is_own = moment.tie_group != 0 && action->tie_group == moment.tie_group;
    if (!is_own && action->event_time_ms - moment.event_time_ms > window_ms) continue;
    if (begun.contains(action->tie_group)) continue;
    std::optional<ActionMeaning>& all = (*outcome)[action->item];
    if (!action->meaning.has_value()) continue;
    const ActionMeaning before = all.value_or(ActionMeaning());
    all = {std::max(before.label, action->meaning->label), before.heads | action->meaning->heads};
  }
}

}  // namespace fourfold
