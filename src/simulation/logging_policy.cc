#include "simulation/logging_policy.h"

#include <algorithm>

namespace fourfold::simulation {

double LoggingPolicy::ShareOf(const Items& items, const User& user, std::uint32_t slot) const {
  const double by_exposure = 1 - options_.uniform - options_.personal;
  double share = options_.uniform / items.size() + by_exposure * items.Exposure(slot);
  for (int i = 0; i < user.known_topics; ++i) {
    if (user.known_topic[i] != items[slot].main_topic) continue;
    share += options_.personal * user.known_share[i] * items.TopicExposure(slot);
  }
  return share;
}

std::uint32_t LoggingPolicy::Draw(const Items& items, const User& user, Draws* draws) const {
  const double way = draws->Unit();
  if (way < options_.uniform) return draws->Below(items.size());
  if (way >= options_.uniform + options_.personal) return items.DrawByExposure(draws);
  double left = draws->Unit();
  int known = 0;
  while (known + 1 < user.known_topics && left >= user.known_share[known]) {
    left -= user.known_share[known++];
  }
  return items.DrawOfTopic(user.known_topic[known], draws);
}

void LoggingPolicy::Choose(const World& world, const Moment& moment,
                           std::vector<PlacedItem>* slate) const {
  const Items& items = world.items();
  const User& user = *moment.user;
  Draws draws(DeriveKey(moment.session->key, Purpose::kPolicy,
                        static_cast<std::uint64_t>(moment.session->slates_shown)));
  slate->clear();
  double taken = 0;
  while (slate->size() < static_cast<std::size_t>(options_.size)) {
    const std::uint32_t slot = Draw(items, user, &draws);
    const bool is_in = std::any_of(slate->begin(), slate->end(), [slot](const PlacedItem& placed) {
      return placed.slot == slot;
    });
    if (is_in) continue;
    const double share = ShareOf(items, user, slot);
    slate->push_back({slot, share / (1 - taken)});
    taken += share;
  }
}

}  // namespace fourfold::simulation
