#include "offline/ranking/moments.h"

#include <algorithm>
#include <tuple>

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

std::vector<Moments::Moment> Moments::Take() {
  std::vector<Moment> moments;
  struct Group {
    const Action* first = nullptr;  // with a label or without
    bool is_moment = false;
  };
  absl::flat_hash_map<std::uint64_t, Group> groups;
  for (auto& [who, actions] : actions_) {
    std::sort(actions.begin(), actions.end(), [](const Action& a, const Action& b) {
      return std::tie(a.event_time_ms, a.step, a.position) <
             std::tie(b.event_time_ms, b.step, b.position);
    });
    groups.clear();
    std::optional<std::int64_t> last_time_ms;  // of a moment without a tie group
    for (const Action& action : actions) {
      if (action.tie_group != 0) {
        Group& group = groups.try_emplace(action.tie_group, Group{&action}).first->second;
        if (!action.is_wanted() || group.is_moment) continue;
        group.is_moment = true;
        moments.push_back(
            {group.first->event_time_ms, group.first->position, who, action.tie_group});
      } else if (action.is_wanted() && last_time_ms != action.event_time_ms) {
        last_time_ms = action.event_time_ms;
        moments.push_back({action.event_time_ms, action.position, who, 0});
      }
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
  for (auto action = from; action != actions.end(); ++action) {
    const bool is_own = moment.tie_group != 0 && action->tie_group == moment.tie_group;
    if (!is_own && action->event_time_ms - moment.event_time_ms > window_ms) continue;
    std::optional<ActionMeaning>& all = (*outcome)[action->item];
    if (!action->meaning.has_value()) continue;
    const ActionMeaning before = all.value_or(ActionMeaning());
    all = {std::max(before.label, action->meaning->label), before.heads | action->meaning->heads};
  }
}

}  // namespace fourfold
