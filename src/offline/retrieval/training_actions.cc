#include "offline/retrieval/training_actions.h"

#include <algorithm>

#include "data/limits.h"

namespace fourfold {

TrainingActions SelectActions(const InteractionTable& table,
                              const std::vector<std::string>& action_types) {
  std::vector<bool> wanted(table.types.size(), action_types.empty());
  for (std::size_t type = 0; type < table.types.size(); ++type) {
    if (std::ranges::find(action_types, table.types[type]) != action_types.end()) {
      wanted[type] = true;
    }
  }
  TrainingActions actions;
  actions.items = table.items.size();
  actions.user_begin.push_back(0);
  for (std::size_t user = 0; user < table.users.size(); ++user) {
    for (std::size_t row = table.user_begin[user]; row < table.user_begin[user + 1]; ++row) {
      if (!wanted[table.type[row]]) continue;
      actions.user.push_back(static_cast<std::uint32_t>(user));
      actions.item.push_back(table.item[row]);
      // "Since for ever" becomes the oldest time there is, so that ages fit into 64 bits.
      actions.event_time_ms.push_back(std::max(table.event_time_ms[row], limits::kTimeMsMin));
      actions.tie_group.push_back(table.tie_group[row]);
    }
    actions.user_begin.push_back(actions.rows());
  }
  return actions;
}

UserItems DistinctUserItems(const TrainingActions& actions) {
  UserItems result;
  result.user_begin.push_back(0);
  std::vector<std::uint32_t> last_user(actions.items, 0xffffffffu);
  for (std::size_t user = 0; user < actions.users(); ++user) {
    const std::size_t first = result.item.size();
    for (std::size_t row = actions.user_begin[user + 1]; row-- > actions.user_begin[user];) {
      const std::uint32_t item = actions.item[row];
      if (last_user[item] == user) continue;
      last_user[item] = static_cast<std::uint32_t>(user);
      result.item.push_back(item);
      result.newest_ms.push_back(actions.event_time_ms[row]);
    }
    const auto begin = static_cast<std::ptrdiff_t>(first);
    std::reverse(result.item.begin() + begin, result.item.end());
    std::reverse(result.newest_ms.begin() + begin, result.newest_ms.end());
    result.user_begin.push_back(result.item.size());
  }
  return result;
}

InvertedIndex Invert(std::span<const std::uint32_t> values, std::size_t count) {
  InvertedIndex index;
  index.begin.assign(count + 1, 0);
  for (const std::uint32_t value : values) ++index.begin[value + 1];
  for (std::size_t value = 0; value < count; ++value) index.begin[value + 1] += index.begin[value];
  index.places.resize(values.size());
  std::vector<std::size_t> next(index.begin.begin(), index.begin.end() - 1);
  for (std::size_t place = 0; place < values.size(); ++place) {
    index.places[next[values[place]]++] = place;
  }
  return index;
}

}  // namespace fourfold
