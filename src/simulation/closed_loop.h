#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "math/bootstrap.h"
#include "simulation/feed.h"
#include "simulation/world.h"

// A world that goes on living after its log ended, once for each feed, and what its users do.
namespace fourfold::simulation {

// What is counted of each session: its actions by kind, and what they are worth.
inline constexpr int kScores = kActionKinds + 1;
inline constexpr int kValueScore = kActionKinds;

struct SessionScore {
  std::uint32_t user = 0;
  std::uint32_t session = 0;  // number of this user's
  Segment segment = Segment::kCore;
  int slates = 0;
  std::array<double, kScores> scores{};  // by ActionKind, then value
};

// The world as it is when its log of WorldOptions::days ends; `feeds` learn from that log.
absl::StatusOr<World> LiveThroughLog(const WorldOptions& options, std::uint64_t seed,
                                     const std::vector<Feed*>& feeds);

// Lives on under one feed until then. A score for each session that begins meanwhile, in the order
// in which they begin, which is the same whatever the feed.
absl::StatusOr<std::vector<SessionScore>> LiveOn(World world, std::int64_t until_ms, Feed* feed,
                                                 const std::function<void(double done)>& progress);

using Scores = std::array<Interval, kScores>;

// Means per session with 95 % intervals; users are drawn, since sessions of one are alike.
struct ArmScore {
  std::string name;
  std::uint64_t sessions = 0, slates = 0;
  Scores all;
  std::array<std::uint64_t, kSegments> segment_sessions{};
  std::array<Scores, kSegments> by_segment;
  // The first arm minus this one, session by session; of the first arm itself 0.
  Scores first_ahead;
  std::array<Scores, kSegments> first_ahead_by_segment;
};

// `arms` are parallel to `names`; all have the same sessions.
std::vector<ArmScore> ScoreArms(const std::vector<std::string>& names,
                                const std::vector<std::vector<SessionScore>>& arms);

}  // namespace fourfold::simulation
