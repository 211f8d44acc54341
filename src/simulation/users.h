#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "simulation/draws.h"
#include "simulation/world_options.h"

namespace fourfold::simulation {

inline constexpr int kRememberedImpressions = 40;
inline constexpr int kKnownTopicsMax = 4;

using TopicVector = std::array<float, kTopicsMax>;  // the first WorldOptions::topics count

struct User {
  std::uint32_t number = 0;  // counts up from 1; the id is "u" and this
  bool core = false;
  bool leaves = false;  // after the session under way
  std::int64_t arrived_ms = 0;
  std::int64_t last_session_ms = 0;
  std::uint32_t sessions = 0;
  std::uint64_t key = 0;    // of all draws that concern this user
  TopicVector long_term{};  // length 1
  TopicVector short_term{};
  TopicVector fatigue{};                                     // slates' worth of each topic lately
  std::array<std::uint32_t, kRememberedImpressions> seen{};  // item numbers, a ring; 0: none
  std::uint32_t seen_next = 0;
  // What the user said to like at the beginning; all that the logging policy knows.
  int known_topics = 0;
  std::array<std::uint8_t, kKnownTopicsMax> known_topic{};
  std::array<float, kKnownTopicsMax> known_share{};  // sum 1

  int TimesSeen(std::uint32_t item) const {
    int times = 0;
    for (const std::uint32_t number : seen) times += number == item ? 1 : 0;
    return times;
  }
  void Remember(std::uint32_t item) {
    seen[seen_next] = item;
    seen_next = (seen_next + 1) % kRememberedImpressions;
  }
};

// Somebody who has never been here: class and interests, drawn from what is common and in fashion.
User MakeUser(const WorldOptions& options, std::uint64_t seed, std::uint32_t number,
              std::int64_t now_ms, std::span<const double> topic_weights, const TopicVector& trend);

// What the time since the last session, and a new intent, do to the interests.
void BeginSession(const WorldOptions& options, std::int64_t now_ms, Draws* draws, User* user);

Segment SegmentAt(const UserOptions& options, const User& user, std::int64_t now_ms);

// When the next session begins after one that began at now_ms: after a gap of the user's class, at
// an hour at which people are up. At least half an hour later.
std::int64_t NextSessionMs(const UserOptions& options, const User& user, std::int64_t now_ms,
                           Draws* draws);

}  // namespace fourfold::simulation
