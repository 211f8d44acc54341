#include "simulation/closed_loop.h"

#include <optional>

#include "absl/container/flat_hash_map.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace fourfold::simulation {
namespace {

// Of some rows: means of columns of kScores, users drawn.
Scores Estimate(const std::vector<double>& values, const std::vector<std::uint32_t>& users) {
  const std::vector<Interval> intervals = BootstrapMeans(values, kScores, users, {});
  Scores scores;
  std::copy(intervals.begin(), intervals.end(), scores.begin());
  return scores;
}

// The mean difference of a and b (null: of a alone) over the sessions of a segment (or all).
Scores Compare(const std::vector<SessionScore>& a, const std::vector<SessionScore>* b,
               std::optional<Segment> segment) {
  std::vector<double> values;
  std::vector<std::uint32_t> users;
  absl::flat_hash_map<std::uint32_t, std::uint32_t> numbers;  // users without gaps
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (segment.has_value() && a[i].segment != *segment) continue;
    const auto next = static_cast<std::uint32_t>(numbers.size());
    users.push_back(numbers.try_emplace(a[i].user, next).first->second);
    for (std::size_t s = 0; s < kScores; ++s) {
      values.push_back(a[i].scores[s] - (b == nullptr ? 0 : (*b)[i].scores[s]));
    }
  }
  return Estimate(values, users);
}

}  // namespace

absl::StatusOr<World> LiveThroughLog(const WorldOptions& options, std::uint64_t seed,
                                     const std::vector<Feed*>& feeds) {
  World world(options, seed);
  const LoggingPolicy policy(options.slates);
  std::vector<PlacedItem> slate;
  while (const Moment* moment = world.Next(world.end_ms())) {
    if (moment->kind == Moment::Kind::kSlateDue) {
      policy.Choose(world, *moment, &slate);
      world.Show(slate);
      continue;
    }
    for (Feed* feed : feeds) FOURFOLD_RETURN_IF_ERROR(feed->Observe(world, *moment));
  }
  return world;
}

absl::StatusOr<std::vector<SessionScore>> LiveOn(World world, std::int64_t until_ms, Feed* feed,
                                                 const std::function<void(double done)>& progress) {
  std::vector<SessionScore> scores;
  absl::flat_hash_map<std::uint32_t, std::size_t> under_way;  // user -> place in scores
  const std::int64_t from_ms = world.end_ms();
  std::vector<PlacedItem> slate;
  const auto score_of = [&](const Session& session) -> SessionScore* {
    const auto found = under_way.find(session.user);
    // A session that began under the log is nobody's.
    if (found == under_way.end() || scores[found->second].session != session.number) return nullptr;
    return &scores[found->second];
  };
  while (const Moment* moment = world.Next(until_ms)) {
    if (moment->kind == Moment::Kind::kSlateDue) {
      if (SessionScore* score = score_of(*moment->session)) ++score->slates;
      FOURFOLD_RETURN_IF_ERROR(feed->Choose(world, *moment, &slate));
      FOURFOLD_RETURN_IF_ERROR(feed->Shown(world.Show(slate)));
      if (progress) {
        progress(static_cast<double>(moment->time_ms - from_ms) /
                 static_cast<double>(until_ms - from_ms));
      }
      continue;
    }
    if (moment->kind == Moment::Kind::kSessionStarted) {
      const Session& session = *moment->session;
      under_way[session.user] = scores.size();
      scores.push_back(
          {.user = session.user, .session = session.number, .segment = session.segment});
    }
    if (moment->kind == Moment::Kind::kAction) {
      const auto kind = static_cast<std::size_t>(moment->action.kind);
      if (SessionScore* score = score_of(*moment->session)) {
        ++score->scores[kind];
        score->scores[kValueScore] += world.options().actions[kind].value;
      }
    }
    FOURFOLD_RETURN_IF_ERROR(feed->Observe(world, *moment));
  }
  return scores;
}

std::vector<ArmScore> ScoreArms(const std::vector<std::string>& names,
                                const std::vector<std::vector<SessionScore>>& arms) {
  std::vector<ArmScore> results;
  const std::vector<SessionScore>& first = arms.front();
  for (std::size_t arm = 0; arm < arms.size(); ++arm) {
    const std::vector<SessionScore>& sessions = arms[arm];
    FOURFOLD_CHECK(sessions.size() == first.size());
    ArmScore result;
    result.name = names[arm];
    result.sessions = sessions.size();
    for (std::size_t i = 0; i < sessions.size(); ++i) {
      const SessionScore& session = sessions[i];
      FOURFOLD_CHECK(session.user == first[i].user && session.session == first[i].session);
      result.slates += static_cast<std::uint64_t>(session.slates);
      ++result.segment_sessions[static_cast<std::size_t>(session.segment)];
    }
    result.all = Compare(sessions, nullptr, std::nullopt);
    result.first_ahead = Compare(first, &sessions, std::nullopt);
    for (std::size_t s = 0; s < kSegments; ++s) {
      const auto segment = static_cast<Segment>(s);
      result.by_segment[s] = Compare(sessions, nullptr, segment);
      result.first_ahead_by_segment[s] = Compare(first, &sessions, segment);
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace fourfold::simulation
