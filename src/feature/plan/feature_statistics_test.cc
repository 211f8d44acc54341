#include "feature/plan/feature_statistics.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "feature/plan/feature_reader.h"
#include "feature/state/logged_state.h"

namespace fourfold {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

LoggedEvent Click(Position position, std::string user, std::string item, std::int64_t time_ms) {
  LoggedEvent logged;
  logged.position = position;
  logged.known_time_ms = time_ms;
  logged.event.kind = EventKind::kInteraction;
  logged.event.id = StrCat("e", position);
  logged.event.event_time_ms = time_ms;
  logged.event.user = std::move(user);
  logged.event.item = std::move(item);
  logged.event.type = "click";
  return logged;
}

class FeatureStatisticsTest : public ::testing::Test {
 protected:
  const FeatureHealth& Of(std::string_view name) {
    health_ = statistics_.Read();
    for (const FeatureHealth& health : health_) {
      if (health.name == name) return health;
    }
    ADD_FAILURE() << name;
    return health_.front();
  }

  const std::shared_ptr<const FeaturePlan> plan_ =
      FeaturePlan::Compile({{"clicks", "count", {{"entity", std::string("item")}}},
                            {"ratio",
                             "rate",
                             {{"types", std::vector<std::string>{"buy"}},
                              {"of_types", std::vector<std::string>{"click"}},
                              {"prior", 0.25},
                              {"strength", 4.0}}},
                            {"since", "recency", {{"entity", std::string("user_item")}}},
                            {"price",
                             "attribute",
                             {{"entity", std::string("item")}, {"field", std::string("price")}}},
                            {"place", "input_rank", {}},
                            {"latest", "sequence", {{"entity", std::string("user")}}}})
          .value();
  FeatureStatistics statistics_{*plan_};
  LoggedState state_{&plan_->schema()};
  std::vector<FeatureHealth> health_;
};

TEST_F(FeatureStatisticsTest, TellsNullsDefaultsAndHowOldTheNewestEventIs) {
  state_.Add(Click(0, "u", "a", 1'000));
  state_.Add(Click(1, "v", "a", kDayMs - 30'000));
  state_.Add(Click(2, "v", "b", kDayMs - 7'200'000));
  LoggedEvent priced;
  priced.position = 3;
  priced.event.kind = EventKind::kItem;
  priced.event.id = "p";
  priced.event.item = "c";
  priced.event.event_time_ms = priced.known_time_ms = kDayMs - 1'000;
  priced.event.fields = {{"price", 3.0}};
  state_.Add(priced);

  FeatureRequest request;
  request.user = "u";
  request.now_ms = request.at.as_of_ms = request.at.known_at_ms = kDayMs;
  for (const char* item : {"a", "b", "c"}) request.candidates.push_back({item, {}, 0});
  FeatureTable table;
  ASSERT_TRUE(ReadFeatures(*plan_, state_, request, &table, &statistics_).ok());
  request.user = "nobody";
  ASSERT_TRUE(ReadFeatures(*plan_, state_, request, &table, &statistics_).ok());

  // Two requests of three items: a has a click 30 s old, b one of 2 h, c none.
  EXPECT_EQ(Of("clicks").values, 6);
  EXPECT_EQ(Of("clicks").nulls, 0);
  EXPECT_EQ(Of("clicks").defaults, 2);
  using Buckets = std::array<std::uint64_t, FeatureHealth::kStalenessBuckets>;
  EXPECT_EQ(Of("clicks").staleness, (Buckets{2, 0, 2, 0, 0, 0}));
  EXPECT_DOUBLE_EQ(Of("clicks").staleness_seconds, 2 * (30 + 7200));
  // 1/5 for a and b, the prior for c.
  EXPECT_EQ(Of("ratio").defaults, 2);
  // u knows a, since almost a day; nobody knows nothing.
  EXPECT_EQ(Of("since").nulls, 5);
  EXPECT_EQ(Of("since").defaults, 0);
  EXPECT_EQ(Of("since").staleness, (Buckets{0, 0, 1, 0, 0, 0}));
  EXPECT_DOUBLE_EQ(Of("since").staleness_seconds, 86'399);
  EXPECT_EQ(Of("price").nulls, 4);
  EXPECT_EQ(Of("price").staleness, (Buckets{2, 0, 0, 0, 0, 0}));
  EXPECT_EQ(Of("place").values, 6);
  EXPECT_EQ(Of("place").nulls, 0);
  EXPECT_EQ(Of("place").staleness, Buckets{});
  // Of a sequence a request is one value.
  EXPECT_EQ(Of("latest").values, 2);
  EXPECT_EQ(Of("latest").nulls, 1);
}

TEST_F(FeatureStatisticsTest, EveryEighthRequestIsInTheSampleBeginningWithTheFirst) {
  std::vector<int> sampled;
  for (int i = 0; i < 20; ++i) {
    if (statistics_.Sample()) sampled.push_back(i);
  }
  EXPECT_EQ(sampled, (std::vector<int>{0, 8, 16}));
}

TEST_F(FeatureStatisticsTest, WhatHoldsSinceForEverDoesNotAge) {
  LoggedEvent priced;
  priced.event.kind = EventKind::kItem;
  priced.event.id = "p";
  priced.event.item = "a";
  priced.event.event_time_ms = priced.known_time_ms = kSinceForEverMs;
  priced.event.fields = {{"price", 3.0}};
  state_.Add(priced);
  FeatureRequest request;
  request.candidates.push_back({"a", {}, 0});
  FeatureTable table;
  ASSERT_TRUE(ReadFeatures(*plan_, state_, request, &table, &statistics_).ok());
  EXPECT_EQ(Of("price").nulls, 0);
  const auto& staleness = Of("price").staleness;
  EXPECT_EQ(std::accumulate(staleness.begin(), staleness.end(), 0), 0);
}

}  // namespace
}  // namespace fourfold
