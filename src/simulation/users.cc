#include "simulation/users.h"

#include <algorithm>
#include <cmath>

#include "math/exp2.h"

namespace fourfold::simulation {
namespace {

constexpr double kLog2E = 1.44269504088896340736;
constexpr double kNextTopicShare = 0.7;  // of the interest in the one before
constexpr double kFaintInterest = 0.1;   // standard deviation of the interest in all other topics
constexpr double kShortTermLengthMax = 1.5;
constexpr std::int64_t kGapMinMs = kHourMs / 2;
constexpr int kHoursTriedMax = 48;

// How likely a session that falls into an hour of day (UTC) takes place then.
constexpr std::array<double, 24> kUp = {0.20, 0.12, 0.08, 0.06, 0.06, 0.10, 0.25, 0.45,
                                        0.60, 0.60, 0.60, 0.65, 0.75, 0.70, 0.60, 0.60,
                                        0.65, 0.75, 0.85, 0.95, 1.00, 0.95, 0.70, 0.40};

double Length(const TopicVector& vector, int topics) {
  double squares = 0;
  for (int t = 0; t < topics; ++t) squares += static_cast<double>(vector[t]) * vector[t];
  return std::sqrt(squares);
}

void Scale(double factor, int topics, TopicVector* vector) {
  for (int t = 0; t < topics; ++t) (*vector)[t] = static_cast<float>((*vector)[t] * factor);
}

// An index in proportion to the weights.
int DrawWeighted(std::span<const double> weights, Draws* draws) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  double left = draws->Unit() * sum;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0) return static_cast<int>(i);
  }
  return static_cast<int>(weights.size()) - 1;
}

}  // namespace

User MakeUser(const WorldOptions& options, std::uint64_t seed, std::uint32_t number,
              std::int64_t now_ms, std::span<const double> topic_weights,
              const TopicVector& trend) {
  User user;
  user.number = number;
  user.key = DeriveKey(seed, Purpose::kUser, number);
  user.arrived_ms = now_ms;
  user.last_session_ms = now_ms;
  Draws draws(user.key);
  user.core = draws.Chance(options.users.core_share);
  std::array<double, kTopicsMax> weights{};
  for (int t = 0; t < options.topics; ++t) {
    weights[t] = topic_weights[t] * Exp2(trend[t] * kLog2E);
    user.long_term[t] = static_cast<float>(kFaintInterest * draws.Normal());
  }
  double interest = 1;
  double known = 0;
  for (int i = 0; i < options.interests.topics; ++i) {
    const int topic =
        DrawWeighted({weights.data(), static_cast<std::size_t>(options.topics)}, &draws);
    weights[topic] = 0;
    user.long_term[topic] += static_cast<float>(interest);
    if (i < kKnownTopicsMax) {
      user.known_topic[i] = static_cast<std::uint8_t>(topic);
      user.known_share[i] = static_cast<float>(interest);
      known += interest;
      user.known_topics = i + 1;
    }
    interest *= kNextTopicShare;
  }
  for (int i = 0; i < user.known_topics; ++i) {
    user.known_share[i] = static_cast<float>(user.known_share[i] / known);
  }
  Scale(1 / Length(user.long_term, options.topics), options.topics, &user.long_term);
  return user;
}

void BeginSession(const WorldOptions& options, std::int64_t now_ms, Draws* draws, User* user) {
  const int topics = options.topics;
  const InterestOptions& interests = options.interests;
  const std::int64_t away_ms = now_ms - user->last_session_ms;
  const double drift = interests.long_term_drift *
                       std::sqrt(static_cast<double>(away_ms) / static_cast<double>(kDayMs));
  for (int t = 0; t < topics; ++t) {
    user->long_term[t] += static_cast<float>(drift * draws->Normal());
  }
  Scale(1 / Length(user->long_term, topics), topics, &user->long_term);
  Scale(HalfLifeDecay(away_ms, interests.half_life_ms), topics, &user->short_term);
  Scale(HalfLifeDecay(away_ms, options.fatigue.half_life_ms), topics, &user->fatigue);
  if (draws->Chance(interests.session_intent)) {
    std::array<double, kTopicsMax> liking{};
    for (int t = 0; t < topics; ++t) {
      const double positive = std::max(user->long_term[t], 0.0F);
      liking[t] = positive * positive;
    }
    const int topic = DrawWeighted({liking.data(), static_cast<std::size_t>(topics)}, draws);
    user->short_term[topic] += static_cast<float>(interests.intent_strength);
  }
  const double length = Length(user->short_term, topics);
  if (length > kShortTermLengthMax) {
    Scale(kShortTermLengthMax / length, topics, &user->short_term);
  }
  user->last_session_ms = now_ms;
  ++user->sessions;
}

Segment SegmentAt(const UserOptions& options, const User& user, std::int64_t now_ms) {
  if (now_ms - user.arrived_ms < options.new_for_ms) return Segment::kNew;
  if (now_ms - user.last_session_ms >= options.returning_after_ms) return Segment::kReturning;
  return user.core ? Segment::kCore : Segment::kCasual;
}

std::int64_t NextSessionMs(const UserOptions& options, const User& user, std::int64_t now_ms,
                           Draws* draws) {
  const VisitOptions& visits = user.core ? options.core : options.casual;
  const double spread = Exp2(visits.gap_spread * draws->Normal() * kLog2E);
  const double gap_ms = static_cast<double>(visits.gap_ms) * spread;
  std::int64_t next_ms = now_ms + std::max(kGapMinMs, static_cast<std::int64_t>(gap_ms));
  for (int i = 0; i < kHoursTriedMax; ++i) {
    const auto hour = static_cast<std::size_t>(next_ms % kDayMs / kHourMs);
    if (draws->Chance(kUp[hour])) break;
    next_ms += kHourMs / 2 + draws->Below(kHourMs);
  }
  return next_ms;
}

}  // namespace fourfold::simulation
