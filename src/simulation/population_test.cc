#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "simulation/items.h"
#include "simulation/preference.h"
#include "simulation/test_options.h"
#include "simulation/users.h"

namespace fourfold::simulation {
namespace {

TEST(ItemsTest, ExposureFallsWithTheRankAsStated) {
  WorldOptions options = SmallWorld();
  options.items.zipf = 1;
  const Items items(options, 1);
  double sum = 0;
  for (std::uint32_t slot = 0; slot < items.size(); ++slot) {
    EXPECT_NEAR(items.Exposure(slot), items.Exposure(0) / (slot + 1), 1e-12);
    sum += items.Exposure(slot);
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(ItemsTest, TopicsShareTheExposureOfTheirItems) {
  const WorldOptions options = SmallWorld();
  const Items items(options, 1);
  std::vector<double> all(6), within(6);
  for (std::uint32_t slot = 0; slot < items.size(); ++slot) {
    all[items[slot].main_topic] += items.Exposure(slot);
    within[items[slot].main_topic] += items.TopicExposure(slot);
  }
  for (std::uint32_t slot = 0; slot < items.size(); ++slot) {
    EXPECT_NEAR(items.TopicExposure(slot) * all[items[slot].main_topic], items.Exposure(slot),
                1e-12);
    const Item& item = items[slot];
    EXPECT_NE(item.main_topic, item.second_topic);
    EXPECT_NEAR(std::hypot(item.main_weight, item.second_weight), 1, 1e-6);
  }
  for (const double sum : within) EXPECT_NEAR(sum, 1, 1e-12) << "no topic is empty";
}

TEST(ItemsTest, ANewbornTakesSlotAndTopicOfTheDead) {
  Items items(SmallWorld(), 1);
  const Item dead = items[17];
  const Item newborn = items.Replace(17);
  EXPECT_EQ(newborn.number, 201u);
  EXPECT_EQ(newborn.main_topic, dead.main_topic);
  EXPECT_EQ(items.SlotOf(dead.number), kNoSlot);
  EXPECT_EQ(items.SlotOf(newborn.number), 17u);
  EXPECT_EQ(items.SlotOf(12345), kNoSlot);
}

TEST(ItemsTest, QualityGoesWithExposureAsStated) {
  WorldOptions options = SmallWorld();
  options.items.alive = 20'000;
  options.items.quality_exposure = 0.6;
  const Items items(options, 5);
  double sum = 0, squares = 0, product = 0;
  for (std::uint32_t slot = 0; slot < items.size(); ++slot) {
    const double place = std::sqrt(3.0) * (1 - 2 * (slot + 0.5) / items.size());
    sum += items[slot].quality;
    squares += items[slot].quality * items[slot].quality;
    product += items[slot].quality * place;
  }
  EXPECT_NEAR(sum / items.size(), 0, 0.03);
  EXPECT_NEAR(squares / items.size(), 1, 0.03);
  EXPECT_NEAR(product / items.size(), 0.6, 0.03);
}

class UsersTest : public testing::Test {
 protected:
  User Make(std::uint32_t number) const {
    return MakeUser(options_, 9, number, options_.start_ms, items_.topic_weights(), {});
  }

  WorldOptions options_ = SmallWorld();
  Items items_{options_, 9};
};

TEST_F(UsersTest, LikeWhatTheySignedUpForMost) {
  int core = 0;
  for (std::uint32_t number = 1; number <= 1000; ++number) {
    const User user = Make(number);
    core += user.core ? 1 : 0;
    ASSERT_EQ(user.known_topics, 3);
    double squares = 0, shares = 0;
    for (const float interest : user.long_term) squares += interest * interest;
    EXPECT_NEAR(squares, 1, 1e-5);
    for (int i = 0; i < user.known_topics; ++i) {
      shares += user.known_share[i];
      EXPECT_GT(user.long_term[user.known_topic[i]], 0);
    }
    EXPECT_NEAR(shares, 1, 1e-6);
  }
  EXPECT_NEAR(core, 200, 4 * std::sqrt(1000 * 0.2 * 0.8));
}

TEST_F(UsersTest, NewcomersLikeWhatIsInFashion) {
  TopicVector trend{};
  trend[5] = 2;  // e^2 times as likely
  int usual = 0, fashionable = 0;
  for (std::uint32_t number = 1; number <= 1000; ++number) {
    usual += Make(number).known_topic[0] == 5 ? 1 : 0;
    const User user = MakeUser(options_, 9, number, 0, items_.topic_weights(), trend);
    fashionable += user.known_topic[0] == 5 ? 1 : 0;
  }
  EXPECT_GT(fashionable, 2 * usual);
}

TEST_F(UsersTest, ShortTermInterestsFadeAndLongTermOnesDrift) {
  options_.interests.session_intent = 0;
  User user = Make(1);
  user.short_term[2] = 0.8F;
  Draws draws(1);
  BeginSession(options_, options_.start_ms + options_.interests.half_life_ms, &draws, &user);
  EXPECT_FLOAT_EQ(user.short_term[2], 0.4F);
  EXPECT_EQ(user.sessions, 1u);

  double turned = 0;
  for (std::uint32_t number = 1; number <= 500; ++number) {
    User drifting = Make(number);
    const User fresh = drifting;
    Draws drift(number);
    BeginSession(options_, options_.start_ms + 25 * kDayMs, &drift, &drifting);
    for (int t = 0; t < options_.topics; ++t) {
      const double change = drifting.long_term[t] - fresh.long_term[t];
      turned += change * change;
    }
  }
  // Five directions at right angles to a vector of length 1 move by 0.02 * sqrt(25) each; the
  // length is kept.
  EXPECT_NEAR(turned / 500, 5 * 0.1 * 0.1, 0.006);
}

TEST_F(UsersTest, SegmentsGoByAgeAndAbsence) {
  User user = Make(1);
  user.core = true;
  const std::int64_t now = user.arrived_ms;
  EXPECT_EQ(SegmentAt(options_.users, user, now + 7 * kDayMs - 1), Segment::kNew);
  user.last_session_ms = now + 6 * kDayMs;
  EXPECT_EQ(SegmentAt(options_.users, user, now + 7 * kDayMs), Segment::kCore);
  EXPECT_EQ(SegmentAt(options_.users, user, now + 20 * kDayMs), Segment::kReturning);
  user.core = false;
  EXPECT_EQ(SegmentAt(options_.users, user, now + 20 * kDayMs - 1), Segment::kCasual);
}

TEST_F(UsersTest, GapsHaveTheirMedianAndFallIntoTheDay) {
  User user = Make(1);
  user.core = true;
  std::vector<double> hours;
  std::array<int, 24> begun{};
  for (std::uint64_t i = 0; i < 4000; ++i) {
    Draws draws(DeriveKey(1, Purpose::kGap, i));
    const std::int64_t now_ms =
        options_.start_ms + static_cast<std::int64_t>(i) * 7 * kHourMs;  // any hour
    const std::int64_t next_ms = NextSessionMs(options_.users, user, now_ms, &draws);
    EXPECT_GE(next_ms - now_ms, kHourMs / 2);
    hours.push_back(static_cast<double>(next_ms - now_ms) / kHourMs);
    ++begun[static_cast<std::size_t>(next_ms % kDayMs / kHourMs)];
  }
  std::sort(hours.begin(), hours.end());
  EXPECT_NEAR(hours[2000], 20 + 1.5, 2) << "a little more than stated: nights are passed over";
  EXPECT_GT(hours[3800] / hours[2000], 2.5) << "a long tail";
  EXPECT_GT(begun[20], 4 * begun[3]);
}

// By hand from docs/world.md: an item of topics 0 (0.8) and 1 (0.6), and so on.
TEST(PreferenceTest, FollowsTheEquations) {
  WorldOptions options;
  options.fatigue = {.item = 0.5, .topic = 0.25, .half_life_ms = kDayMs};
  options.actions = {};
  options.actions[0] = {.base = -1,
                        .long_term = 2,
                        .short_term = 3,
                        .quality = 0.5,
                        .trend = 4,
                        .fatigue = 1,
                        .value = 1};
  options.actions[1] = {.base = 0, .value = 2};                   // repin: 1/2
  options.actions[2] = {.base = -1, .fatigue = -1, .value = -4};  // hide
  options.actions[3] = {.base = -20, .value = 1000};              // purchase: next to never
  User user;
  user.long_term[0] = 0.5F;
  user.long_term[1] = 0.25F;
  user.short_term[1] = 0.5F;
  user.fatigue[0] = 2;
  user.Remember(7);
  user.Remember(7);
  user.Remember(8);
  TopicVector trend{};
  trend[0] = -0.25F;
  const Item item{.number = 7,
                  .main_topic = 0,
                  .second_topic = 1,
                  .main_weight = 0.8F,
                  .second_weight = 0.6F,
                  .quality = 2};
  // long term .4 + .15, short term .3, quality 2, trend -.2, fatigue 2 * .5 + .25 * 2 = 1.5
  const double click = 1 / (1 + std::exp(-(-1 + 2 * 0.55 + 3 * 0.3 + 1 - 0.8 - 1.5)));
  const double hide = 1 / (1 + std::exp(-(-1 + 1.5)));
  const Preference preference(options);
  const Attraction attraction = preference.Of(user, item, trend);
  EXPECT_NEAR(attraction.click, click, 5e-6);
  EXPECT_NEAR(attraction.repin_after_click, 0.5, 5e-6);
  EXPECT_NEAR(attraction.hide_without_click, hide, 5e-6);
  EXPECT_NEAR(preference.Value(attraction), click * (1 + 0.5 * 2) - 4 * (1 - click) * hide, 2e-4);

  const ActionProbabilities third = preference.At(attraction, 2);
  const double looked_at = std::pow(3, -options.slates.position_bias);
  EXPECT_NEAR(preference.LookedAt(2), looked_at, 1e-12);
  EXPECT_NEAR(third[0], looked_at * click, 5e-6);
  EXPECT_NEAR(third[1], looked_at * click / 2, 5e-6);
  EXPECT_NEAR(third[2], looked_at * (1 - click) * hide, 5e-6);
}

// click 1/2; given it, repin 1/2 and purchase 1/4, apart; hide 1/10.
TEST(PreferenceTest, ChancesOfActionsAddUpAsTheyBelongTogether) {
  const ActionProbabilities probabilities = {0.5F, 0.25F, 0.1F, 0.125F};
  EXPECT_NEAR(ChanceOfAny(probabilities, {true, true, false, true}), 0.5, 1e-7);
  EXPECT_NEAR(ChanceOfAny(probabilities, {true, false, true, false}), 0.6, 1e-7);
  EXPECT_NEAR(ChanceOfAny(probabilities, {false, true, false, true}), 0.5 * (1 - 0.5 * 0.75), 1e-7);
  EXPECT_NEAR(ChanceOfAny(probabilities, {false, false, false, true}), 0.125, 1e-7);
  EXPECT_EQ(ChanceOfAny({}, {true, true, true, true}), 0);
}

}  // namespace
}  // namespace fourfold::simulation
