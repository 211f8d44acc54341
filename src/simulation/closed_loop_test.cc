#include "simulation/closed_loop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "simulation/test_options.h"

namespace fourfold::simulation {
namespace {

std::vector<SessionScore> Live(const World& world, Feed* feed) {
  const auto scores = LiveOn(world, world.end_ms() + 5 * kDayMs, feed, {});
  EXPECT_TRUE(scores.ok()) << scores.status();
  return scores.ok() ? *scores : std::vector<SessionScore>();
}

class ClosedLoopTest : public testing::Test {
 protected:
  ClosedLoopTest() : popularity_(MakePopularityFeed(options_)) {
    absl::StatusOr<World> world = LiveThroughLog(options_, 4, {popularity_.get()});
    EXPECT_TRUE(world.ok()) << world.status();
    world_.emplace(*std::move(world));
  }

  const WorldOptions options_ = SmallWorld();
  std::unique_ptr<Feed> popularity_;
  std::optional<World> world_;
};

TEST_F(ClosedLoopTest, TheTruthIsAheadOfPopularityAndPopularityOfTheLog) {
  const auto truth = MakeTruthFeed();
  const auto logging = MakeLoggingFeed(options_);
  const std::vector<ArmScore> arms = ScoreArms(
      {"popularity", "truth", "logging"},
      {Live(*world_, popularity_.get()), Live(*world_, truth.get()), Live(*world_, logging.get())});
  ASSERT_EQ(arms.size(), 3u);
  for (const int score : {0, kValueScore}) {
    EXPECT_LT(arms[0].all[score].high, arms[1].all[score].low);
    EXPECT_LT(arms[1].first_ahead[score].high, 0);
    EXPECT_GT(arms[2].first_ahead[score].low, 0);
  }
  EXPECT_EQ(arms[0].first_ahead[0], Interval{});
  EXPECT_EQ(arms[0].slates, arms[1].slates);
}

TEST_F(ClosedLoopTest, ArmsHaveTheSameSessionsInTheSameOrder) {
  const std::vector<SessionScore> one = Live(*world_, popularity_.get());
  const std::vector<SessionScore> other = Live(*world_, MakeTruthFeed().get());
  ASSERT_GT(one.size(), 300u);
  ASSERT_EQ(one.size(), other.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].user, other[i].user);
    EXPECT_EQ(one[i].session, other[i].session);
    EXPECT_EQ(one[i].segment, other[i].segment);
    EXPECT_EQ(one[i].slates, other[i].slates);
  }
}

// Two arms with the same feed are the same world.
TEST_F(ClosedLoopTest, TheSameFeedTwiceDiffersInNothing) {
  const auto truth = MakeTruthFeed();
  const std::vector<ArmScore> arms =
      ScoreArms({"a", "b"}, {Live(*world_, truth.get()), Live(*world_, truth.get())});
  for (const Interval& difference : arms[1].first_ahead) EXPECT_EQ(difference, Interval{});
}

TEST_F(ClosedLoopTest, NoSessionIsShownAnItemTwiceByTheFeedsOfTheHouse) {
  const auto truth = MakeTruthFeed();
  for (Feed* feed : {popularity_.get(), truth.get()}) {
    World world = *world_;
    std::vector<PlacedItem> slate;
    while (const Moment* moment = world.Next(world.end_ms() + kDayMs)) {
      if (moment->kind != Moment::Kind::kSlateDue) continue;
      const std::vector<std::uint32_t> before = moment->session->shown;
      ASSERT_TRUE(feed->Choose(world, *moment, &slate).ok());
      EXPECT_EQ(slate.size(), 10u);
      std::set<std::uint32_t> items(before.begin(), before.end());
      const bool began_here = items.size() == before.size();
      for (const Impression& impression : world.Show(slate).impressions) {
        EXPECT_TRUE(items.insert(impression.item).second || !began_here);
      }
    }
  }
}

// By hand: two users, three sessions.
TEST(ScoreArmsTest, CountsSessionsOfAllAndOfEachSegment) {
  const auto session = [](std::uint32_t user, Segment segment, double clicks, double value) {
    SessionScore score{.user = user, .session = 1, .segment = segment, .slates = 2};
    score.scores[0] = clicks;
    score.scores[kValueScore] = value;
    return score;
  };
  const std::vector<SessionScore> first = {session(1, Segment::kCore, 3, 5),
                                           session(2, Segment::kNew, 1, 1),
                                           session(3, Segment::kCore, 2, 3)};
  const std::vector<SessionScore> second = {session(1, Segment::kCore, 1, 1),
                                            session(2, Segment::kNew, 1, 2),
                                            session(3, Segment::kCore, 1, 0)};
  const std::vector<ArmScore> arms = ScoreArms({"a", "b"}, {first, second});
  EXPECT_EQ(arms[0].sessions, 3u);
  EXPECT_EQ(arms[0].slates, 6u);
  EXPECT_DOUBLE_EQ(arms[0].all[0].mean, 2);
  EXPECT_DOUBLE_EQ(arms[0].by_segment[0][0].mean, 2.5);
  EXPECT_DOUBLE_EQ(arms[0].by_segment[2][kValueScore].mean, 1);
  EXPECT_EQ(arms[0].segment_sessions, (std::array<std::uint64_t, kSegments>{2, 0, 1, 0}));
  EXPECT_DOUBLE_EQ(arms[1].first_ahead[0].mean, 1);
  EXPECT_DOUBLE_EQ(arms[1].first_ahead[kValueScore].mean, 2);
  EXPECT_DOUBLE_EQ(arms[1].first_ahead_by_segment[2][kValueScore].mean, -1);
}

}  // namespace
}  // namespace fourfold::simulation
