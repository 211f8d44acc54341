#include "simulation/preference.h"

#include "math/exp2.h"
#include "math/log2.h"

namespace fourfold::simulation {

double ChanceOfAny(const ActionProbabilities& probabilities,
                   const std::array<bool, kActionKinds>& counts) {
  const auto chance = [&](ActionKind kind) -> double {
    const auto index = static_cast<std::size_t>(kind);
    return counts[index] ? probabilities[index] : 0;
  };
  const double click = probabilities[static_cast<std::size_t>(ActionKind::kClick)];
  // Whoever repins or buys has clicked; given the click, the two are independent.
  double clicked = chance(ActionKind::kClick);
  if (clicked == 0 && click > 0) {
    const double repin = chance(ActionKind::kRepin);
    const double purchase = chance(ActionKind::kPurchase);
    clicked = repin + purchase - repin * purchase / click;
  }
  return clicked + chance(ActionKind::kHide);
}

Preference::Preference(const WorldOptions& options)
    : fatigue_(options.fatigue), actions_(options.actions) {
  for (int place = 1; place <= kSlateSizeMax; ++place) {
    looked_at_.push_back(Exp2(-options.slates.position_bias * Log2(place)));
  }
}

Attraction Preference::Of(const User& user, const Item& item, const TopicVector& trend) const {
  const int main = item.main_topic;
  const int second = item.second_topic;
  const double a = item.main_weight;
  const double b = item.second_weight;
  const double long_term = a * user.long_term[main] + b * user.long_term[second];
  const double short_term = a * user.short_term[main] + b * user.short_term[second];
  const double fashion = a * trend[main] + b * trend[second];
  const double fatigue =
      fatigue_.item * user.TimesSeen(item.number) + fatigue_.topic * user.fatigue[main];
  const auto probability = [&](ActionKind kind) {
    const ActionOptions& action = actions_[static_cast<std::size_t>(kind)];
    return sigmoid_(action.base + action.long_term * long_term + action.short_term * short_term +
                    action.quality * item.quality + action.trend * fashion -
                    action.fatigue * fatigue);
  };
  return {.click = probability(ActionKind::kClick),
          .repin_after_click = probability(ActionKind::kRepin),
          .purchase_after_click = probability(ActionKind::kPurchase),
          .hide_without_click = probability(ActionKind::kHide)};
}

ActionProbabilities Preference::At(const Attraction& attraction, int place) const {
  const double click = LookedAt(place) * attraction.click;
  ActionProbabilities all{};
  const auto set = [&](ActionKind kind, double probability) {
    all[static_cast<std::size_t>(kind)] = static_cast<float>(probability);
  };
  set(ActionKind::kClick, click);
  set(ActionKind::kRepin, click * attraction.repin_after_click);
  set(ActionKind::kPurchase, click * attraction.purchase_after_click);
  set(ActionKind::kHide, LookedAt(place) * (1 - attraction.click) * attraction.hide_without_click);
  return all;
}

double Preference::Value(const Attraction& attraction) const {
  const auto value = [&](ActionKind kind) {
    return actions_[static_cast<std::size_t>(kind)].value;
  };
  return attraction.click *
             (value(ActionKind::kClick) + attraction.repin_after_click * value(ActionKind::kRepin) +
              attraction.purchase_after_click * value(ActionKind::kPurchase)) +
         (1 - attraction.click) * attraction.hide_without_click * value(ActionKind::kHide);
}

}  // namespace fourfold::simulation
