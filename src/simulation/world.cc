#include "simulation/world.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "math/exp2.h"

namespace fourfold::simulation {
namespace {

constexpr int kSlatesOfASessionMax = 20;
// From one slate to the next, and from a slate to the actions on it.
constexpr std::int64_t kSlateMinMs = 10'000;
constexpr std::uint32_t kSlateSpreadMs = 20'000;
constexpr std::int64_t kPlaceMs = 800;
constexpr std::uint32_t kPlaceSpreadMs = 700;
constexpr std::uint32_t kRepinWithinMs = 9'000;
constexpr std::uint32_t kPurchaseWithinMs = 90'000;
constexpr std::int64_t kAfterClickMs = 1'000;

// 1 and more, with the given mean.
int DrawSlates(double mean, Draws* draws) {
  int slates = 1;
  while (slates < kSlatesOfASessionMax && draws->Chance(1 - 1 / mean)) ++slates;
  return slates;
}

}  // namespace

World::World(const WorldOptions& options, std::uint64_t seed)
    : options_(options),
      seed_(seed),
      preference_(options),
      items_(options, seed),
      next_midnight_ms_(options.start_ms + kDayMs) {
  Draws draws(DeriveKey(seed_, Purpose::kTrend));
  for (int t = 0; t < options_.topics; ++t) {
    trend_[t] = static_cast<float>(options_.trend.strength * draws.Normal());
  }
  const std::int64_t arrived_ms = options_.start_ms - options_.users.new_for_ms;
  users_.reserve(static_cast<std::size_t>(options_.users.population));
  for (int i = 0; i < options_.users.population; ++i) {
    users_.push_back(
        MakeUser(options_, seed_, ++users_made_, arrived_ms, items_.topic_weights(), trend_));
    User& user = users_.back();
    user.last_session_ms = options_.start_ms;
    // Somewhere within a gap.
    Draws gap(DeriveKey(user.key, Purpose::kGap));
    const std::int64_t next_ms = NextSessionMs(options_.users, user, options_.start_ms, &gap);
    const double left = gap.Unit() * static_cast<double>(next_ms - options_.start_ms);
    asleep_.emplace(options_.start_ms + static_cast<std::int64_t>(left),
                    static_cast<std::uint32_t>(i));
  }
}

const Moment* World::Tell(Moment::Kind kind, std::int64_t time_ms) {
  moment_.kind = kind;
  moment_.time_ms = time_ms;
  return &moment_;
}

const Moment* World::TellItem(Moment::Kind kind, std::int64_t time_ms, const Item& item) {
  moment_.item = item;
  return Tell(kind, time_ms);
}

const Moment* World::FirstDay() {
  if (told_items_ < items_.size()) {
    return TellItem(Moment::Kind::kItemBorn, options_.start_ms, items_[told_items_++]);
  }
  moment_.user = &users_[told_users_++];
  return Tell(Moment::Kind::kUserArrived, options_.start_ms);
}

const Moment* World::Next(std::int64_t until_ms) {
  if (told_items_ < items_.size() || told_users_ < users_.size()) {
    return until_ms > options_.start_ms ? FirstDay() : nullptr;
  }
  if (!dying_.empty() || newborn_is_due_) return Turnover();
  const std::int64_t asleep_ms = asleep_.empty() ? until_ms : asleep_.top().first;
  const std::int64_t awake_ms = awake_.empty() ? until_ms : awake_.top().first;
  const std::int64_t next_ms = std::min({next_midnight_ms_, asleep_ms, awake_ms});
  if (next_ms >= until_ms) return nullptr;
  if (next_ms == next_midnight_ms_) {
    BeginDay();
    return Tell(Moment::Kind::kDay, next_ms);
  }
  return next_ms == asleep_ms ? BeginSession() : Continue();
}

void World::BeginDay() {
  ++day_;
  Draws draws(DeriveKey(seed_, Purpose::kTrend, day_));
  const double kept = HalfLifeDecay(kDayMs, options_.trend.half_life_ms);
  const double fresh = options_.trend.strength * std::sqrt(1 - kept * kept);
  for (int t = 0; t < options_.topics; ++t) {
    trend_[t] = static_cast<float>(kept * trend_[t] + fresh * draws.Normal());
  }
  // Shares of an item are saved up.
  const double daily = options_.items.daily_turnover * options_.items.alive;
  const auto day = static_cast<double>(day_);
  const auto deaths =
      static_cast<std::size_t>(std::floor(day * daily) - std::floor((day - 1) * daily));
  Draws deadly(DeriveKey(seed_, Purpose::kTurnover, day_));
  while (dying_.size() < deaths) {
    const std::uint32_t slot = deadly.Below(items_.size());
    if (std::find(dying_.begin(), dying_.end(), slot) == dying_.end()) dying_.push_back(slot);
  }
  next_midnight_ms_ += kDayMs;
}

const Moment* World::Turnover() {
  const std::int64_t midnight_ms = next_midnight_ms_ - kDayMs;
  if (newborn_is_due_) {
    newborn_is_due_ = false;
    return TellItem(Moment::Kind::kItemBorn, midnight_ms, items_[newborn_slot_]);
  }
  newborn_slot_ = dying_.back();
  newborn_is_due_ = true;
  dying_.pop_back();
  const Item dead = items_[newborn_slot_];
  items_.Replace(newborn_slot_);
  return TellItem(Moment::Kind::kItemDied, midnight_ms, dead);
}

void World::Schedule(std::uint32_t user_slot, std::int64_t from_ms) {
  const User& user = users_[user_slot];
  Draws draws(DeriveKey(user.key, Purpose::kGap, user.sessions));
  asleep_.emplace(NextSessionMs(options_.users, user, from_ms, &draws), user_slot);
}

const Moment* World::BeginSession() {
  const auto [now_ms, user_slot] = asleep_.top();
  User& user = users_[user_slot];
  if (user.leaves) {
    user = MakeUser(options_, seed_, ++users_made_, now_ms, items_.topic_weights(), trend_);
    moment_.user = &user;
    return Tell(Moment::Kind::kUserArrived, now_ms);
  }
  asleep_.pop();
  if (free_sessions_.empty()) {
    free_sessions_.push_back(static_cast<std::uint32_t>(sessions_.size()));
    sessions_.emplace_back();
  }
  current_session_ = free_sessions_.back();
  free_sessions_.pop_back();
  Session& session = sessions_[current_session_];
  session.segment = SegmentAt(options_.users, user, now_ms);
  session.key = DeriveKey(user.key, Purpose::kSession, user.sessions);
  Draws draws(session.key);
  simulation::BeginSession(options_, now_ms, &draws, &user);
  session.user_slot = user_slot;
  session.user = user.number;
  session.number = user.sessions;
  session.started_ms = now_ms;
  session.slates_shown = 0;
  const VisitOptions& visits = user.core ? options_.users.core : options_.users.casual;
  session.slates_left = DrawSlates(visits.slates, &draws);
  session.next_slate_ms = now_ms;
  session.shown.clear();
  user.leaves = draws.Chance(options_.users.leaving);
  Schedule(user_slot, now_ms);
  awake_.emplace(now_ms, current_session_);
  moment_.user = &user;
  moment_.session = &session;
  return Tell(Moment::Kind::kSessionStarted, now_ms);
}

const Moment* World::Continue() {
  const auto [now_ms, index] = awake_.top();
  awake_.pop();
  current_session_ = index;
  Session& session = sessions_[index];
  moment_.user = &users_[session.user_slot];
  moment_.session = &session;
  if (session.pending.empty() || session.pending.back().time_ms > now_ms) {
    return Tell(Moment::Kind::kSlateDue, now_ms);
  }
  moment_.action = session.pending.back().action;
  session.pending.pop_back();
  EndOrWait(index);
  return Tell(Moment::Kind::kAction, now_ms);
}

void World::EndOrWait(std::uint32_t index) {
  const Session& session = sessions_[index];
  if (session.slates_left == 0 && session.pending.empty()) {
    free_sessions_.push_back(index);
    return;
  }
  std::int64_t next_ms = session.next_slate_ms;
  if (!session.pending.empty()) {
    const std::int64_t action_ms = session.pending.back().time_ms;
    next_ms = session.slates_left == 0 ? action_ms : std::min(next_ms, action_ms);
  }
  awake_.emplace(next_ms, index);
}

const ShownSlate& World::Show(std::span<const PlacedItem> slate) {
  FOURFOLD_CHECK(moment_.kind == Moment::Kind::kSlateDue && !slate.empty() &&
                 slate.size() <= kSlateSizeMax);
  Session& session = sessions_[current_session_];
  User& user = users_[session.user_slot];
  const std::uint64_t slate_key =
      DeriveKey(session.key, Purpose::kSlate, static_cast<std::uint64_t>(session.slates_shown));
  shown_.ranking = ++slates_made_;
  shown_.time_ms = moment_.time_ms;
  shown_.session = &session;
  shown_.user = &user;
  shown_.impressions.assign(slate.size(), {});
  for (std::size_t i = 0; i < slate.size(); ++i) {
    if (slate[i].slot == kNoSlot) continue;
    const Item& item = items_[slate[i].slot];
    const int place = static_cast<int>(i);
    shown_.impressions[i] = {
        .item = item.number,
        .propensity = static_cast<float>(slate[i].propensity),
        .probabilities = preference_.At(preference_.Of(user, item, trend_), place)};
  }
  // All are decided on the state before the slate; then it changes the state.
  for (std::size_t i = 0; i < slate.size(); ++i) {
    const Impression& impression = shown_.impressions[i];
    if (impression.item == 0) continue;
    Act(impression, static_cast<int>(i), slate_key, &session, &user);
    session.shown.push_back(impression.item);
    user.Remember(impression.item);
    user.fatigue[items_[slate[i].slot].main_topic] += 1 / static_cast<float>(slate.size());
  }
  Draws draws(DeriveKey(slate_key, Purpose::kTiming));
  for (int t = 0; t < options_.topics; ++t) {
    user.short_term[t] += static_cast<float>(options_.interests.slate_noise * draws.Normal());
  }
  std::sort(session.pending.begin(), session.pending.end(),
            [](const Session::Pending& a, const Session::Pending& b) {
              if (a.time_ms != b.time_ms) return a.time_ms > b.time_ms;
              return a.action.item > b.action.item;
            });
  ++session.slates_shown;
  --session.slates_left;
  session.next_slate_ms = moment_.time_ms + kSlateMinMs + draws.Below(kSlateSpreadMs);
  EndOrWait(current_session_);
  moment_.kind = Moment::Kind::kDay;  // shown once
  return shown_;
}

void World::Act(const Impression& impression, int place, std::uint64_t slate_key, Session* session,
                User* user) {
  const auto probability = [&](ActionKind kind) -> double {
    return impression.probabilities[static_cast<std::size_t>(kind)];
  };
  Draws draws(DeriveKey(slate_key, Purpose::kAction, impression.item));
  const double luck = draws.Unit();
  const double click = probability(ActionKind::kClick);
  const bool clicks = luck < click;
  if (!clicks && luck >= click + probability(ActionKind::kHide)) return;

  const std::int64_t looked_ms =
      moment_.time_ms + kPlaceMs * (place + 1) + draws.Below(kPlaceSpreadMs);
  const auto add = [&](ActionKind kind, std::int64_t time_ms) {
    session->pending.push_back(
        {time_ms, {.kind = kind, .item = impression.item, .ranking = shown_.ranking}});
  };
  add(clicks ? ActionKind::kClick : ActionKind::kHide, looked_ms);
  const Item& item = items_[items_.SlotOf(impression.item)];
  const double pull = clicks ? options_.interests.click_pull : -options_.interests.click_pull;
  user->short_term[item.main_topic] += static_cast<float>(pull * item.main_weight);
  user->short_term[item.second_topic] += static_cast<float>(pull * item.second_weight);
  if (!clicks) return;
  if (draws.Unit() * click < probability(ActionKind::kRepin)) {
    add(ActionKind::kRepin, looked_ms + kAfterClickMs + draws.Below(kRepinWithinMs));
  }
  if (draws.Unit() * click < probability(ActionKind::kPurchase)) {
    add(ActionKind::kPurchase, looked_ms + kAfterClickMs + draws.Below(kPurchaseWithinMs));
  }
}

}  // namespace fourfold::simulation
