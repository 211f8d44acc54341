#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

// Every parameter of a simulated world. docs/world.md has the equations that they stand in and
// lists the recipe's keys; engine/world_recipe.h reads them and holds their ranges.
namespace fourfold::simulation {

inline constexpr int kTopicsMax = 32;
inline constexpr int kSlateSizeMax = 50;
inline constexpr int kActionKinds = 4;

enum class ActionKind : std::uint8_t { kClick, kRepin, kHide, kPurchase };
inline constexpr std::array<std::string_view, kActionKinds> kActionNames = {"click", "repin",
                                                                            "hide", "purchase"};

// Who a user is when a session begins.
enum class Segment : std::uint8_t { kCore, kCasual, kNew, kReturning };
inline constexpr int kSegments = 4;
inline constexpr std::array<std::string_view, kSegments> kSegmentNames = {"core", "casual", "new",
                                                                          "returning"};

inline constexpr std::int64_t kHourMs = 3'600'000;
inline constexpr std::int64_t kDayMs = 24 * kHourMs;

struct VisitOptions {
  std::int64_t gap_ms = 0;  // median from one session to the next, before the hour of day
  double gap_spread = 1;    // standard deviation of its logarithm
  double slates = 3;        // mean of a session
};

struct UserOptions {
  int population = 4000;    // at any time: whoever leaves is followed by a newcomer
  double leaving = 0.02;    // chance to leave for good after a session
  double core_share = 0.2;  // of newcomers; the others are casual
  VisitOptions core{.gap_ms = 20 * kHourMs, .gap_spread = 0.7, .slates = 4};
  VisitOptions casual{.gap_ms = 3 * kDayMs, .gap_spread = 1.1, .slates = 3};
  std::int64_t new_for_ms = 7 * kDayMs;
  std::int64_t returning_after_ms = 14 * kDayMs;
};

struct ItemOptions {
  int alive = 2000;               // at any time
  double daily_turnover = 0.01;   // share that dies each midnight, each followed by a newborn
  double zipf = 0.8;              // exposure falls with the rank to this power
  double topic_skew = 0.5;        // how common a topic is falls with its number to this power
  double second_topic = 0.4;      // weight of an item's second topic beside 1 for its main topic
  double quality_exposure = 0.3;  // correlation of quality with the place in the exposure
};

struct SlateOptions {
  int size = 10;
  double uniform = 0.1;        // share of the logging policy that is uniform over all items
  double personal = 0.4;       // share that picks one of the topics that the user signed up for
  double position_bias = 0.6;  // position k is looked at with probability k^-position_bias
};

struct InterestOptions {
  int topics = 3;                            // that a newcomer likes
  double long_term_drift = 0.02;             // per square root of a day, each topic
  std::int64_t half_life_ms = 12 * kHourMs;  // of short-term interests
  double session_intent = 0.7;               // chance that a session begins with one topic in mind
  double intent_strength = 0.8;
  double click_pull = 0.15;   // what a click adds along the item's topics; a hide takes it away
  double slate_noise = 0.05;  // of each topic from slate to slate
};

struct TrendOptions {
  double strength = 0.5;                    // standard deviation of what is in fashion, by topic
  std::int64_t half_life_ms = 20 * kDayMs;  // of its memory
};

struct FatigueOptions {
  double item = 0.5;    // per time that the item is among the user's last 40 impressions
  double topic = 0.15;  // per slate's worth of the topic shown
  std::int64_t half_life_ms = 1 * kDayMs;  // of the topic's
};

// The log-odds of an action, given that the position is looked at.
struct ActionOptions {
  double base = 0;
  double long_term = 0, short_term = 0, quality = 0, trend = 0, fatigue = 0;
  double value = 0;  // what one is worth: the order of the best possible slate
};

struct DeliveryOptions {
  double late = 0.02;                     // share of rankings and actions
  std::int64_t late_by_ms = 1 * kHourMs;  // median
  double out_of_order = 0.02;             // these come up to out_of_order_by after their time
  std::int64_t out_of_order_by_ms = 60'000;
  double duplicate = 0.01;  // these come a second time within a minute
};

struct WorldOptions {
  std::string name = "world";
  std::string description;
  std::int64_t start_ms = 1'767'225'600'000;  // 2026-01-01
  int days = 60;
  int topics = 16;
  UserOptions users;
  ItemOptions items;
  SlateOptions slates;
  InterestOptions interests;
  TrendOptions trend;
  FatigueOptions fatigue;
  // By ActionKind. Repins and purchases follow a click; a hide comes instead of one.
  std::array<ActionOptions, kActionKinds> actions = {ActionOptions{.base = -3.2,
                                                                   .long_term = 2.4,
                                                                   .short_term = 1.6,
                                                                   .quality = 0.8,
                                                                   .trend = 1,
                                                                   .fatigue = 1,
                                                                   .value = 1},
                                                     ActionOptions{.base = -2.4,
                                                                   .long_term = 1.5,
                                                                   .short_term = 0.5,
                                                                   .quality = 0.5,
                                                                   .trend = 0,
                                                                   .fatigue = 0.5,
                                                                   .value = 2},
                                                     ActionOptions{.base = -4.2,
                                                                   .long_term = -1.5,
                                                                   .short_term = -0.5,
                                                                   .quality = -0.6,
                                                                   .trend = 0,
                                                                   .fatigue = -0.6,
                                                                   .value = -3},
                                                     ActionOptions{.base = -4,
                                                                   .long_term = 1,
                                                                   .short_term = 1.5,
                                                                   .quality = 0.5,
                                                                   .trend = 0,
                                                                   .fatigue = 0,
                                                                   .value = 5}};
  DeliveryOptions delivery;
};

}  // namespace fourfold::simulation
