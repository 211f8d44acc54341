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

void Moments::Note(const LoggedEvent& logged, std::optional<float> label) {
  const Event& event = logged.event;
  if (event.user.empty() && event.session.empty()) return;
  actions_[WhoOf(event)].push_back(
      {.event_time_ms = event.event_time_ms,
       .item = HashOfId(event.item),
       .tie_group = event.tie_group.empty() ? 0 : HashOfId(event.tie_group),
       .position = logged.position,
       .label = label.value_or(-1)});
}

std::vector<Moments::Moment> Moments::Take() {
  std::vector<Moment> moments;
  absl::flat_hash_map<std::uint64_t, std::size_t> of_groups;
  for (auto& [who, actions] : actions_) {
    std::sort(actions.begin(), actions.end(), [](const Action& a, const Action& b) {
      return std::tie(a.event_time_ms, a.position) < std::tie(b.event_time_ms, b.position);
    });
    of_groups.clear();
    const std::size_t first = moments.size();
    for (const Action& action : actions) {
      if (action.label <= 0) continue;
      if (action.tie_group != 0) {
        if (!of_groups.try_emplace(action.tie_group, moments.size()).second) continue;
      } else if (moments.size() > first && moments.back().tie_group == 0 &&
                 moments.back().event_time_ms == action.event_time_ms) {
        continue;
      }
      moments.push_back({action.event_time_ms, action.position, who, action.tie_group});
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
    std::optional<float>& best = (*outcome)[action->item];
    if (action->label >= 0) best = std::max(best.value_or(0), action->label);
  }
}

}  // namespace fourfold
