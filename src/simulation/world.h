#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <span>
#include <utility>
#include <vector>

#include "simulation/items.h"
#include "simulation/preference.h"
#include "simulation/users.h"
#include "simulation/world_options.h"

namespace fourfold::simulation {

// What somebody did with an impression. Identified by the slate and the item.
struct Action {
  ActionKind kind = ActionKind::kClick;
  std::uint32_t item = 0;
  std::uint64_t ranking = 0;
};

// A visit under way.
struct Session {
  std::uint32_t user_slot = 0;
  std::uint32_t user = 0;    // number
  std::uint32_t number = 0;  // of this user's, from 1
  Segment segment = Segment::kCore;
  std::int64_t started_ms = 0;
  std::uint64_t key = 0;
  int slates_shown = 0;
  int slates_left = 0;
  std::int64_t next_slate_ms = 0;
  std::vector<std::uint32_t> shown;  // item numbers, all slates
  struct Pending {
    std::int64_t time_ms = 0;
    Action action;
  };
  std::vector<Pending> pending;  // actions to come, the next one last
};

// The next thing that happens.
struct Moment {
  enum class Kind : std::uint8_t {
    kDay,             // midnight: what is in fashion has changed
    kItemBorn,        // item
    kItemDied,        // item
    kUserArrived,     // user
    kSessionStarted,  // session, user
    kSlateDue,        // session, user: World::Show must be called before the next moment
    kAction,          // session, user, action
  } kind = Kind::kDay;
  std::int64_t time_ms = 0;
  Item item;
  const User* user = nullptr;  // these two hold until the next call of Next
  const Session* session = nullptr;
  Action action;
};

struct PlacedItem {
  std::uint32_t slot = kNoSlot;  // kNoSlot: nobody acts on what is not alive
  double propensity = 0;         // given the places before it; 0: unknown
};

struct Impression {
  std::uint32_t item = 0;  // 0: not alive
  float propensity = 0;
  ActionProbabilities probabilities{};
};

struct ShownSlate {
  std::uint64_t ranking = 0;  // counts up from 1; the id is "r" and this
  std::int64_t time_ms = 0;
  const Session* session = nullptr;
  const User* user = nullptr;
  std::vector<Impression> impressions;
};

// Users who come back, items that are born and die, and what they do with each other, moment by
// moment. What it needs in memory depends on the populations, not on how long it lives.
//
// When somebody comes, how many slates they look at, what they have in mind and what is in fashion
// do not depend on what they are shown, and chance is drawn by user, session, slate and item. So
// two copies that are shown different slates differ only in what follows from that. Copyable. Not
// thread-safe.
class World {
 public:
  World(const WorldOptions& options, std::uint64_t seed);

  // What happens next before until_ms; null when nothing more does. The moment holds until the next
  // call.
  const Moment* Next(std::int64_t until_ms);
  // Shows a slate of 1 to kSlateSizeMax items to whom the last moment was about. Holds until the
  // next call of Show.
  const ShownSlate& Show(std::span<const PlacedItem> slate);

  const WorldOptions& options() const { return options_; }
  const Items& items() const { return items_; }
  const Preference& preference() const { return preference_; }
  const TopicVector& trend() const { return trend_; }
  std::int64_t end_ms() const { return options_.start_ms + options_.days * kDayMs; }

 private:
  using Due = std::pair<std::int64_t, std::uint32_t>;  // when, and the slot of user or session
  using DueQueue = std::priority_queue<Due, std::vector<Due>, std::greater<>>;

  const Moment* Tell(Moment::Kind kind, std::int64_t time_ms);
  const Moment* TellItem(Moment::Kind kind, std::int64_t time_ms, const Item& item);
  const Moment* FirstDay();
  void BeginDay();
  const Moment* Turnover();
  const Moment* BeginSession();
  const Moment* Continue();
  void EndOrWait(std::uint32_t session);
  void Schedule(std::uint32_t user_slot, std::int64_t from_ms);
  void Act(const Impression& impression, int place, std::uint64_t slate_key, Session* session,
           User* user);

  WorldOptions options_;
  std::uint64_t seed_;
  Preference preference_;
  Items items_;
  TopicVector trend_{};
  std::vector<User> users_;  // by slot
  std::uint32_t users_made_ = 0;
  std::uint64_t slates_made_ = 0;

  std::uint32_t told_items_ = 0;  // of those alive at the start
  std::uint32_t told_users_ = 0;
  std::uint64_t day_ = 0;  // of next_midnight_ms_
  std::int64_t next_midnight_ms_;
  std::vector<std::uint32_t> dying_;  // slots, the next one last
  bool newborn_is_due_ = false;       // in the slot that died last
  std::uint32_t newborn_slot_ = 0;

  DueQueue asleep_;  // when each user who is away comes back
  DueQueue awake_;   // what each session does next
  std::vector<Session> sessions_;
  std::vector<std::uint32_t> free_sessions_;
  std::uint32_t current_session_ = 0;  // that the last moment was about
  Moment moment_;
  ShownSlate shown_;
};

}  // namespace fourfold::simulation
