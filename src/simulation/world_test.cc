#include "simulation/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "simulation/logging_policy.h"
#include "simulation/test_options.h"

namespace fourfold::simulation {
namespace {

// Lives a world under the logging policy and tells each moment and slate.
template <typename OnMoment, typename OnSlate>
void Live(World* world, std::int64_t until_ms, OnMoment on_moment, OnSlate on_slate) {
  const LoggingPolicy policy(world->options().slates);
  std::vector<PlacedItem> slate;
  while (const Moment* moment = world->Next(until_ms)) {
    on_moment(*moment);
    if (moment->kind != Moment::Kind::kSlateDue) continue;
    policy.Choose(*world, *moment, &slate);
    on_slate(world->Show(slate));
  }
}

// Counts against the sum of the probabilities that they were drawn with.
struct Frequency {
  double expected = 0, variance = 0;
  int drawn = 0;

  void Add(double probability, bool happened) {
    expected += probability;
    variance += probability * (1 - probability);
    drawn += happened ? 1 : 0;
  }
  double Deviations() const { return (drawn - expected) / std::sqrt(variance); }
};

TEST(WorldTest, DrawnFrequenciesMatchTheStatedProbabilities) {
  WorldOptions options = SmallWorld();
  options.users.population = 2000;
  World world(options, 21);
  using Key = std::tuple<std::uint64_t, std::uint32_t>;  // slate, item
  std::map<Key, std::pair<ActionProbabilities, int>> shown;
  std::map<Key, std::set<ActionKind>> acted;
  Live(
      &world, world.end_ms(),
      [&](const Moment& moment) {
        if (moment.kind != Moment::Kind::kAction) return;
        const Key impression{moment.action.ranking, moment.action.item};
        EXPECT_TRUE(acted[impression].insert(moment.action.kind).second);
      },
      [&](const ShownSlate& slate) {
        for (std::size_t i = 0; i < slate.impressions.size(); ++i) {
          const Impression& impression = slate.impressions[i];
          shown[{slate.ranking, impression.item}] = {impression.probabilities, static_cast<int>(i)};
        }
      });
  // Late actions of the last minutes fall out.
  std::array<Frequency, kActionKinds> all;
  std::map<std::pair<int, int>, Frequency> by_place, by_probability;
  for (const auto& [key, impression] : shown) {
    if (std::get<0>(key) + 200 > std::get<0>(shown.rbegin()->first)) break;
    const auto found = acted.find(key);
    for (int kind = 0; kind < kActionKinds; ++kind) {
      const double probability = impression.first[kind];
      const bool happened =
          found != acted.end() && found->second.contains(static_cast<ActionKind>(kind));
      all[kind].Add(probability, happened);
      by_place[{kind, impression.second}].Add(probability, happened);
      by_probability[{kind, std::ilogb(probability)}].Add(probability, happened);
    }
  }
  EXPECT_GT(shown.size(), 300'000u);
  for (int kind = 0; kind < kActionKinds; ++kind) {
    EXPECT_GT(all[kind].expected, 1000) << kActionNames[kind];
    EXPECT_LT(std::abs(all[kind].Deviations()), 3.5) << kActionNames[kind];
  }
  for (const auto& slices : {by_place, by_probability}) {
    for (const auto& [slice, frequency] : slices) {
      if (frequency.variance < 20) continue;
      EXPECT_LT(std::abs(frequency.Deviations()), 4.5)
          << kActionNames[slice.first] << ", slice " << slice.second << ": " << frequency.drawn
          << " of " << frequency.expected;
    }
  }
}

TEST(WorldTest, ActionsBelongTogetherAsStated) {
  World world(SmallWorld(), 3);
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::vector<ActionKind>> acted;
  Live(
      &world, world.end_ms(),
      [&](const Moment& moment) {
        if (moment.kind != Moment::Kind::kAction) return;
        acted[{moment.action.ranking, moment.action.item}].push_back(moment.action.kind);
      },
      [](const ShownSlate&) {});
  for (const auto& [impression, kinds] : acted) {
    EXPECT_TRUE(kinds[0] == ActionKind::kClick || kinds[0] == ActionKind::kHide);
    if (kinds[0] == ActionKind::kHide) {
      EXPECT_EQ(kinds.size(), 1u);
    }
  }
}

TEST(WorldTest, TimeNeverGoesBackAndTheRestIsOrderly) {
  const WorldOptions options = SmallWorld();
  World world(options, 5);
  std::int64_t now_ms = options.start_ms;
  std::set<std::uint32_t> alive, dead, users;
  int days = 0;
  std::map<std::uint32_t, std::uint32_t> sessions;
  Live(
      &world, world.end_ms(),
      [&](const Moment& moment) {
        ASSERT_GE(moment.time_ms, now_ms);
        now_ms = moment.time_ms;
        switch (moment.kind) {
          case Moment::Kind::kDay:
            ++days;
            break;
          case Moment::Kind::kItemBorn:
            EXPECT_TRUE(alive.insert(moment.item.number).second);
            break;
          case Moment::Kind::kItemDied:
            EXPECT_EQ(alive.erase(moment.item.number), 1u);
            EXPECT_TRUE(dead.insert(moment.item.number).second);
            break;
          case Moment::Kind::kUserArrived:
            EXPECT_TRUE(users.insert(moment.user->number).second);
            break;
          case Moment::Kind::kSessionStarted:
            EXPECT_TRUE(users.contains(moment.session->user));
            EXPECT_EQ(++sessions[moment.session->user], moment.session->number);
            break;
          case Moment::Kind::kSlateDue:
          case Moment::Kind::kAction:
            EXPECT_EQ(moment.session->user, moment.user->number);
            break;
        }
      },
      [&](const ShownSlate& slate) {
        std::set<std::uint32_t> items;
        for (const Impression& impression : slate.impressions) {
          EXPECT_TRUE(alive.contains(impression.item));
          EXPECT_TRUE(items.insert(impression.item).second);
        }
        EXPECT_EQ(items.size(), 10u);
      });
  EXPECT_EQ(days, 19);
  EXPECT_EQ(alive.size(), 200u);
  EXPECT_EQ(dead.size(), 19u * 2) << "one in a hundred a day";
  EXPECT_GT(users.size(), 320u) << "whoever leaves is followed";
}

using Visit = std::tuple<std::int64_t, std::uint32_t, std::uint32_t, Segment>;

std::vector<Visit> VisitsWhenShown(World world, bool rotate) {
  std::vector<Visit> visits;
  std::vector<PlacedItem> slate(10);
  std::uint32_t next = 0;
  while (const Moment* moment = world.Next(world.end_ms())) {
    if (moment->kind == Moment::Kind::kSlateDue) {
      visits.emplace_back(moment->time_ms, moment->session->user, moment->session->number,
                          moment->session->segment);
      for (PlacedItem& placed : slate)
        placed = {rotate ? next++ % world.items().size() : next++ % 10, 0};
      world.Show(slate);
    }
  }
  return visits;
}

TEST(WorldTest, WhoComesWhenDoesNotDependOnWhatIsShown) {
  const World world(SmallWorld(), 8);
  const std::vector<Visit> visits = VisitsWhenShown(world, false);
  EXPECT_GT(visits.size(), 3000u);
  EXPECT_EQ(visits, VisitsWhenShown(world, true));
}

TEST(WorldTest, ACopyInTheMiddleLivesOnAsTheOriginal) {
  const auto actions_of = [](World* world, std::int64_t until_ms) {
    std::vector<std::tuple<std::int64_t, std::uint64_t, std::uint32_t, ActionKind>> actions;
    Live(
        world, until_ms,
        [&](const Moment& moment) {
          if (moment.kind != Moment::Kind::kAction) return;
          actions.emplace_back(moment.time_ms, moment.action.ranking, moment.action.item,
                               moment.action.kind);
        },
        [](const ShownSlate&) {});
    return actions;
  };
  World world(SmallWorld(), 8);
  actions_of(&world, world.end_ms() - 10 * kDayMs);
  World copy = world;
  const auto rest = actions_of(&world, world.end_ms());
  EXPECT_GT(rest.size(), 1000u);
  EXPECT_EQ(rest, actions_of(&copy, copy.end_ms()));
}

TEST(WorldTest, WhatIsNotAliveIsNotActedOn) {
  World world(SmallWorld(), 8);
  const std::vector<PlacedItem> slate(10);
  int slates = 0;
  while (const Moment* moment = world.Next(world.end_ms())) {
    ASSERT_NE(moment->kind, Moment::Kind::kAction);
    if (moment->kind != Moment::Kind::kSlateDue) continue;
    for (const Impression& impression : world.Show(slate).impressions) {
      EXPECT_EQ(impression.item, 0u);
    }
    ++slates;
  }
  EXPECT_GT(slates, 1000);
}

// How well what was true of the items on the last day of a log still is days later.
double AgreementAfter(const WorldOptions& options, int days) {
  World world(options, 77);
  const auto appeal = [&] {
    User everybody;
    std::vector<double> clicks;
    for (std::uint32_t slot = 0; slot < world.items().size(); ++slot) {
      clicks.push_back(world.preference().Of(everybody, world.items()[slot], world.trend()).click);
    }
    return clicks;
  };
  const auto live = [&](std::int64_t until_ms) {
    Live(
        &world, until_ms, [](const Moment&) {}, [](const ShownSlate&) {});
  };
  live(options.start_ms + kDayMs + 1);
  const std::vector<double> then = appeal();
  live(options.start_ms + (1 + days) * kDayMs + 1);
  const std::vector<double> now = appeal();
  double a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  const auto n = static_cast<double>(then.size());
  for (std::size_t i = 0; i < then.size(); ++i) {
    a += then[i] / n, b += now[i] / n;
    aa += then[i] * then[i] / n, bb += now[i] * now[i] / n, ab += then[i] * now[i] / n;
  }
  return (ab - a * b) / std::sqrt((aa - a * a) * (bb - b * b));
}

TEST(WorldTest, AnOldModelDecays) {
  WorldOptions options = SmallWorld();
  options.users.population = 10;
  options.topics = 12;
  options.items.alive = 2000;
  options.trend = {.strength = 1, .half_life_ms = 10 * kDayMs};
  const double after_a_day = AgreementAfter(options, 1);
  const double after_ten = AgreementAfter(options, 10);
  const double after_fifty = AgreementAfter(options, 50);
  EXPECT_GT(after_a_day, 0.9);
  EXPECT_LT(after_ten, after_a_day - 0.1);
  EXPECT_LT(after_fifty, after_ten - 0.1);
  options.trend.strength = 0;
  options.items.daily_turnover = 0;
  EXPECT_NEAR(AgreementAfter(options, 50), 1, 1e-9) << "nothing drifts";
}

TEST(LoggingPolicyTest, SharesAddUpToOne) {
  const World world(SmallWorld(), 8);
  const LoggingPolicy policy(world.options().slates);
  for (std::uint32_t number = 1; number < 20; ++number) {
    const User user = MakeUser(world.options(), 8, number, 0, world.items().topic_weights(), {});
    double sum = 0;
    for (std::uint32_t slot = 0; slot < world.items().size(); ++slot) {
      sum += policy.ShareOf(world.items(), user, slot);
    }
    EXPECT_NEAR(sum, 1, 1e-6);
  }
}

// Inverse propensities add up to the number of items that could have been shown, whatever they are.
TEST(LoggingPolicyTest, ItemsComeWithTheirPropensities) {
  WorldOptions options = SmallWorld();
  options.items.alive = 100;
  options.slates.uniform = 0.3;
  World world(options, 8);
  const Moment* moment = world.Next(world.end_ms());
  while (moment->kind != Moment::Kind::kSlateDue) moment = world.Next(world.end_ms());
  const LoggingPolicy policy(options.slates);
  Session session = *moment->session;
  Moment asking = *moment;
  asking.session = &session;
  constexpr int kSlates = 40'000;
  std::vector<PlacedItem> slate;
  std::vector<double> inverse(10), tenth_inverse(2);
  std::vector<int> first(options.items.alive);
  for (int i = 0; i < kSlates; ++i) {
    session.key = static_cast<std::uint64_t>(i);
    policy.Choose(world, asking, &slate);
    ++first[slate[0].slot];
    for (std::size_t place = 0; place < 10; ++place) inverse[place] += 1 / slate[place].propensity;
    tenth_inverse[slate[9].slot % 2] += 1 / slate[9].propensity;
  }
  for (std::size_t place = 0; place < 10; ++place) {
    EXPECT_NEAR(inverse[place] / kSlates, 100 - static_cast<double>(place), 2) << place;
  }
  EXPECT_NEAR((tenth_inverse[0] + tenth_inverse[1]) / kSlates, 91, 2);
  for (std::uint32_t slot = 0; slot < world.items().size(); ++slot) {
    const double share = policy.ShareOf(world.items(), *moment->user, slot);
    EXPECT_NEAR(first[slot], kSlates * share, 4.5 * std::sqrt(kSlates * share)) << slot;
  }
}

}  // namespace
}  // namespace fourfold::simulation
