#include "offline/retrieval/train_retrievers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace fourfold {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = RetrieverSpec::Kind;

struct Act {
  std::uint32_t user;
  std::uint32_t item;
  std::int64_t time_ms;
  std::uint32_t tie_group = 0;
  std::uint16_t type = 0;
};

// `acts` stand by user and time.
InteractionTable TableOf(const std::vector<Act>& acts, std::uint32_t users, std::uint32_t items) {
  InteractionTable table;
  table.types = {"click", "purchase"};
  for (std::uint32_t user = 0; user < users; ++user) table.users.push_back(StrCat("user", user));
  for (std::uint32_t item = 0; item < items; ++item) {
    table.items.push_back(StrCat("item", item));
    table.item_index.emplace(table.items.back(), item);
  }
  table.user_begin.assign(users + 1, 0);
  for (const Act& act : acts) {
    ++table.user_begin[act.user + 1];
    table.item.push_back(act.item);
    table.type.push_back(act.type);
    table.event_time_ms.push_back(act.time_ms);
    table.tie_group.push_back(act.tie_group);
  }
  for (std::uint32_t user = 0; user < users; ++user) {
    table.user_begin[user + 1] += table.user_begin[user];
  }
  return table;
}

RetrieverSpec SpecOf(Kind kind) {
  RetrieverSpec spec;
  spec.name = "it";
  spec.kind = kind;
  spec.neighbours = 0;
  return spec;
}

Servable Train(const InteractionTable& table, const RetrieverSpec& spec, std::int64_t as_of_ms,
               int threads = 1) {
  TrainRetrieversOptions options;
  options.retrievers = {spec};
  options.as_of_ms = as_of_ms;
  options.threads = threads;
  auto servable = TrainRetrievers(table, options);
  EXPECT_TRUE(servable.ok()) << servable.status();
  return servable.ok() ? *std::move(servable) : Servable();
}

std::vector<std::pair<std::uint32_t, float>> RowOf(const Servable& servable, std::uint32_t item) {
  const ItemToItemMap& map = servable.item_to_item.at("it");
  std::vector<std::pair<std::uint32_t, float>> row;
  for (std::size_t n = 0; n < map.NeighboursOf(item).size(); ++n) {
    row.emplace_back(map.NeighboursOf(item)[n], map.ScoresOf(item)[n]);
  }
  return row;
}

// --- By hand -------------------------------------------------------------------------------------

TEST(PopularityTest, CountsEachUserOnceInTheWindow) {
  const InteractionTable table =
      TableOf({{0, 0, 10}, {0, 0, 90}, {0, 1, 95}, {1, 0, 96}, {1, 1, 80}, {1, 2, 79}}, 2, 3);
  RetrieverSpec spec = SpecOf(Kind::kPopular);
  spec.window_ms = 20;  // (80, 100]
  const Servable servable = Train(table, spec, 100);
  EXPECT_THAT(servable.popularity_tables.at("it").scores, ElementsAre(2, 1, 0));
  EXPECT_THAT(servable.popularity_tables.at("it").by_score, ElementsAre(0, 1));
  EXPECT_THAT(servable.popularity, ElementsAre(2, 2, 1));
  spec.distinct_users = false;
  spec.window_ms = 0;
  EXPECT_THAT(Train(table, spec, 100).popularity_tables.at("it").scores, ElementsAre(3, 2, 1));
}

TEST(PopularityTest, DecaysWithAge) {
  const InteractionTable table = TableOf({{0, 0, 100}, {0, 1, 90}, {1, 1, 80}}, 2, 2);
  RetrieverSpec spec = SpecOf(Kind::kPopular);
  spec.half_life_ms = 10;
  EXPECT_THAT(Train(table, spec, 100).popularity_tables.at("it").scores, ElementsAre(1, 0.75f));
}

TEST(ItemCfTest, IsTheShrunkCosine) {
  // Items 0 and 1 share one of two users: 1 / (sqrt 2 * sqrt 1 + 1).
  const InteractionTable table = TableOf({{0, 0, 1}, {0, 1, 2}, {1, 0, 3}}, 2, 2);
  RetrieverSpec spec = SpecOf(Kind::kItemCf);
  spec.shrink = 1;
  const Servable servable = Train(table, spec, 10);
  EXPECT_THAT(RowOf(servable, 0), ElementsAre(std::pair(1u, 0.41421356f)));
  EXPECT_THAT(RowOf(servable, 1), ElementsAre(std::pair(0u, 0.41421356f)));
}

TEST(CovisitationTest, AddsOneOverTheGapForwardsAndHalfBackwards) {
  const InteractionTable table = TableOf({{0, 0, 1}, {0, 1, 2}, {0, 2, 3}}, 1, 3);
  const Servable servable = Train(table, SpecOf(Kind::kCovisitation), 10);
  EXPECT_THAT(RowOf(servable, 0), ElementsAre(std::pair(1u, 1.0f), std::pair(2u, 0.5f)));
  EXPECT_THAT(RowOf(servable, 1), ElementsAre(std::pair(2u, 1.0f), std::pair(0u, 0.5f)));
  EXPECT_THAT(RowOf(servable, 2), ElementsAre(std::pair(1u, 0.5f), std::pair(0u, 0.25f)));
}

TEST(CovisitationTest, PairsABasketBothWaysOnlyWhereToldTo) {
  const InteractionTable table = TableOf({{0, 0, 1, 7}, {0, 1, 1, 7}, {0, 1, 1, 7}}, 1, 2);
  RetrieverSpec spec = SpecOf(Kind::kCovisitation);
  EXPECT_TRUE(RowOf(Train(table, spec, 10), 0).empty());
  spec.within_tie_group = true;
  EXPECT_THAT(RowOf(Train(table, spec, 10), 0), ElementsAre(std::pair(1u, 1.0f)));
  EXPECT_THAT(RowOf(Train(table, spec, 10), 1), ElementsAre(std::pair(0u, 1.0f)));
}

TEST(TrainRetrieversTest, CountsOnlyTheTypesAskedFor) {
  const InteractionTable table = TableOf({{0, 0, 1, 0, 1}, {0, 1, 2, 0, 0}}, 1, 2);
  RetrieverSpec spec = SpecOf(Kind::kPopular);
  spec.action_types = {"purchase"};
  const Servable servable = Train(table, spec, 10);
  EXPECT_THAT(servable.popularity_tables.at("it").scores, ElementsAre(1, 0));
  EXPECT_THAT(servable.popularity, ElementsAre(1, 0));
}

TEST(TrainRetrieversTest, RepeatsWithAWindowHaveATableForTies) {
  const InteractionTable table = TableOf({{0, 0, 1}, {0, 1, 9}}, 1, 2);
  RetrieverSpec spec = SpecOf(Kind::kRepeats);
  EXPECT_TRUE(Train(table, spec, 10).popularity_tables.empty());
  spec.window_ms = 5;
  EXPECT_THAT(Train(table, spec, 10).popularity_tables.at("it").scores, ElementsAre(0, 1));
}

TEST(TrainRetrieversTest, OfAnEmptyTableIsAnEmptyServable) {
  for (const Kind kind : {Kind::kPopular, Kind::kItemCf, Kind::kCovisitation, Kind::kRepeats}) {
    EXPECT_TRUE(Train(TableOf({}, 0, 0), SpecOf(kind), 10).vocabulary.empty());
  }
}

TEST(TrainRetrieversTest, RefusesSettingsThatMeanNothing) {
  TrainRetrieversOptions options;
  options.retrievers = {SpecOf(Kind::kItemCf)};
  options.retrievers[0].shrink = -1;
  const absl::Status status = TrainRetrievers(TableOf({}, 0, 0), options).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.ToString(), HasSubstr("shrink"));
  options.retrievers = {SpecOf(Kind::kItemCf), SpecOf(Kind::kPopular)};
  EXPECT_TRUE(absl::IsInvalidArgument(TrainRetrievers(TableOf({}, 0, 0), options).status()));
}

TEST(TrainRetrieversTest, RefusesALearningRateThatLearnsNothing) {
  TrainRetrieversOptions options;
  options.retrievers = {SpecOf(Kind::kEges)};
  options.retrievers[0].learning_rate = 0;
  const absl::Status status = TrainRetrievers(TableOf({}, 0, 0), options).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.ToString(), HasSubstr("learning_rate is not above 0"));
}

// Five users who each take two of five items.
InteractionTable SmallTable() {
  std::vector<Act> acts;
  for (std::uint32_t user = 0; user < 5; ++user) {
    acts.push_back({user, user, 1});
    acts.push_back({user, (user + 1) % 5, 2});
  }
  return TableOf(acts, 5, 5);
}

TEST(TrainRetrieversTest, ATrainingIsCalledOffWhileARetrieverIsFitted) {
  for (const Kind kind : {Kind::kEase, Kind::kEges}) {
    TrainRetrieversOptions options;
    options.retrievers = {SpecOf(kind)};
    int asked = 0;
    options.threads = 1;
    options.is_cancelled = [&] { return ++asked > 1; };  // the first time before the retriever
    EXPECT_EQ(TrainRetrievers(SmallTable(), options).status().code(), absl::StatusCode::kCancelled);
  }
}

TEST(TrainRetrieversTest, WhatAnEaseLeavesOutIsTold) {
  TrainRetrieversOptions options;
  options.retrievers = {SpecOf(Kind::kEase)};
  options.limits.ease_items = 4;
  std::vector<std::string> notes;
  options.note = [&](std::string_view note) { notes.emplace_back(note); };
  const auto servable = TrainRetrievers(SmallTable(), options);
  ASSERT_TRUE(servable.ok()) << servable.status();
  EXPECT_THAT(notes, ElementsAre("it: of 5 items the 4 of the most users take part"));
  EXPECT_TRUE(RowOf(*servable, 4).empty());
  EXPECT_EQ(RowOf(*servable, 0).size(), 3u);
}

TEST(TrainRetrieversTest, AMapThatWouldBeTooLargeIsCut) {
  for (const Kind kind : {Kind::kEase, Kind::kEges}) {
    for (const int neighbours : {0, 3, 100'000}) {
      TrainRetrieversOptions options;
      options.retrievers = {SpecOf(kind)};
      options.retrievers[0].neighbours = neighbours;
      options.limits.map_neighbours = 11;
      std::vector<std::string> notes;
      options.note = [&](std::string_view note) { notes.emplace_back(note); };
      const auto servable = TrainRetrievers(SmallTable(), options);
      ASSERT_TRUE(servable.ok()) << servable.status();
      EXPECT_THAT(notes, testing::Contains(
                             "it: neighbours are cut to 2 for each of 5 items: the map holds at "
                             "most 11"));
      EXPECT_EQ(servable->manifest.retrievers[0].neighbours, 2);
      for (std::uint32_t item = 0; item < 5; ++item) EXPECT_LE(RowOf(*servable, item).size(), 2u);
      options.limits.map_neighbours = 20;
      notes.clear();
      const auto whole = TrainRetrievers(SmallTable(), options);
      EXPECT_THAT(notes, testing::Not(testing::Contains(HasSubstr("are cut"))));
      EXPECT_EQ(whole->manifest.retrievers[0].neighbours, neighbours);
    }
  }
}

TEST(TrainRetrieversTest, AMapOverTooManyItemsIsRefusedBeforeItIsTrained) {
  TrainRetrieversOptions options;
  options.retrievers = {SpecOf(Kind::kEges)};
  options.limits.compared_items = 4;
  const absl::Status status = TrainRetrievers(SmallTable(), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.ToString(),
              HasSubstr("at most 4 of them, not 5: take search actions or mean"));
  options.retrievers[0].search = RetrieverSpec::Search::kActions;
  EXPECT_THAT(TrainRetrievers(SmallTable(), options).status().ToString(),
              HasSubstr("neighbours is not above 0"));
  options.retrievers[0].neighbours = 2;
  EXPECT_TRUE(TrainRetrievers(SmallTable(), options).ok());
}

// --- Plain twins: the formulas as they are written, over all pairs of items
// ------------------------

constexpr std::uint32_t kUsers = 25;
constexpr std::uint32_t kItems = 18;
constexpr std::int64_t kAsOfMs = 1'000;

struct RandomActs {
  std::vector<Act> acts;
  InteractionTable table;
};

RandomActs MakeRandomActs(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) {
    return static_cast<std::uint32_t>(random() % bound);
  };
  RandomActs made;
  std::uint32_t groups = 0;
  for (std::uint32_t user = 0; user < kUsers; ++user) {
    std::int64_t time_ms = below(300);
    const std::uint32_t count = below(20);
    for (std::uint32_t i = 0; i < count; ++i) {
      const bool basket = below(3) == 0;
      const std::uint32_t lines = basket ? 1 + below(4) : 1;
      if (basket) ++groups;
      for (std::uint32_t line = 0; line < lines; ++line) {
        made.acts.push_back({user, below(kItems), time_ms, basket ? groups : 0});
      }
      time_ms += below(30);
    }
  }
  made.table = TableOf(made.acts, kUsers, kItems);
  return made;
}

double PlainDecay(std::int64_t age_ms, std::int64_t half_life_ms) {
  if (half_life_ms == 0 || age_ms <= 0) return 1;
  return std::exp2(-static_cast<double>(age_ms) / static_cast<double>(half_life_ms));
}

using Matrix = std::vector<std::vector<double>>;

Matrix PlainItemCf(const std::vector<Act>& acts, const RetrieverSpec& spec) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> newest;  // user, item
  for (const Act& act : acts) newest[{act.user, act.item}] = act.time_ms;
  const auto x = [&](std::uint32_t user, std::uint32_t item) {
    const auto found = newest.find({user, item});
    return found == newest.end() ? 0
                                 : PlainDecay(kAsOfMs - found->second, spec.user_item_half_life_ms);
  };
  Matrix scores(kItems, std::vector<double>(kItems, 0));
  for (std::uint32_t i = 0; i < kItems; ++i) {
    for (std::uint32_t j = 0; j < kItems; ++j) {
      double dot = 0, norm_i = 0, norm_j = 0;
      for (std::uint32_t user = 0; user < kUsers; ++user) {
        norm_i += x(user, i) * x(user, i);
        norm_j += x(user, j) * x(user, j);
        if (i == j || x(user, i) == 0 || x(user, j) == 0) continue;
        const std::int64_t apart_ms = std::abs(newest[{user, i}] - newest[{user, j}]);
        dot += x(user, i) * x(user, j) * PlainDecay(apart_ms, spec.pair_half_life_ms);
      }
      if (dot > 0) scores[i][j] = dot / (std::sqrt(norm_i) * std::sqrt(norm_j) + spec.shrink);
    }
  }
  return scores;
}

Matrix PlainCovisitation(const std::vector<Act>& acts, const RetrieverSpec& spec) {
  Matrix pairs(kItems, std::vector<double>(kItems, 0));
  std::vector<std::vector<Act>> histories(kUsers);
  for (const Act& act : acts) histories[act.user].push_back(act);
  std::vector<double> n(kItems, 0);
  for (const std::vector<Act>& history : histories) {
    std::map<std::uint32_t, std::set<std::uint32_t>> baskets;
    std::map<std::uint32_t, std::int64_t> basket_time_ms;
    for (std::size_t p = 0; p < history.size(); ++p) {
      const auto& [user, i, time_ms, group, type] = history[p];
      if (group != 0) {
        baskets[group].insert(i);
        basket_time_ms[group] = time_ms;
      } else {
        n[i] += PlainDecay(kAsOfMs - time_ms, spec.time_half_life_ms);
      }
      for (std::size_t q = p + 1; q < history.size(); ++q) {
        const Act& later = history[q];
        const auto gap = static_cast<int>(q - p);
        if (later.item == i || gap > spec.window_steps) continue;
        if (group != 0 && later.tie_group == group) continue;
        const double weight = PlainDecay(kAsOfMs - later.time_ms, spec.time_half_life_ms) / gap;
        pairs[i][later.item] += weight;
        pairs[later.item][i] += spec.backward_weight * weight;
      }
    }
    for (const auto& [group, items] : baskets) {
      const double weight = PlainDecay(kAsOfMs - basket_time_ms[group], spec.time_half_life_ms);
      for (const std::uint32_t i : items) {
        n[i] += weight;
        for (const std::uint32_t j : items) {
          if (i != j && spec.within_tie_group) pairs[i][j] += weight;
        }
      }
    }
  }
  for (std::uint32_t i = 0; i < kItems; ++i) {
    for (std::uint32_t j = 0; j < kItems; ++j) {
      if (pairs[i][j] == 0) continue;
      pairs[i][j] /= std::pow(n[i], spec.history_popularity_exponent) *
                         std::pow(n[j], spec.popularity_exponent) +
                     spec.shrink;
    }
  }
  return pairs;
}

std::vector<double> PlainPopularity(const std::vector<Act>& acts, const RetrieverSpec& spec) {
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::size_t>, std::int64_t> counted;
  for (std::size_t i = 0; i < acts.size(); ++i) {
    counted[{acts[i].user, acts[i].item, spec.distinct_users ? 0 : i}] = acts[i].time_ms;
  }
  std::vector<double> scores(kItems, 0);
  for (const auto& [key, time_ms] : counted) {
    if (spec.window_ms > 0 && time_ms <= kAsOfMs - spec.window_ms) continue;
    scores[std::get<1>(key)] += PlainDecay(kAsOfMs - time_ms, spec.half_life_ms);
  }
  return scores;
}

void ExpectSameMap(const Servable& servable, const Matrix& plain) {
  for (std::uint32_t i = 0; i < kItems; ++i) {
    std::vector<double> row(kItems, 0);
    for (const auto& [j, score] : RowOf(servable, i)) row[j] = score;
    for (std::uint32_t j = 0; j < kItems; ++j) {
      EXPECT_NEAR(row[j], plain[i][j], 1e-6 * (1 + plain[i][j])) << i << " " << j;
    }
  }
}

RetrieverSpec RandomSpec(Kind kind, std::mt19937_64* random) {
  const auto one_of = [&](std::initializer_list<double> values) {
    return values.begin()[(*random)() % values.size()];
  };
  RetrieverSpec spec = SpecOf(kind);
  spec.window_ms = static_cast<std::int64_t>(one_of({0, 100, 400}));
  spec.half_life_ms = static_cast<std::int64_t>(one_of({0, 50, 300}));
  spec.distinct_users = one_of({0, 1}) > 0;
  spec.shrink = one_of({0, 2, 60});
  spec.pair_half_life_ms = static_cast<std::int64_t>(one_of({0, 20, 200}));
  spec.user_item_half_life_ms = static_cast<std::int64_t>(one_of({0, 20, 200}));
  spec.window_steps = static_cast<int>(one_of({0, 1, 3, 50}));
  spec.backward_weight = one_of({0, 0.5, 1});
  spec.popularity_exponent = one_of({0, 0.5, 1});
  spec.history_popularity_exponent = one_of({0, 0.5, 1});
  spec.within_tie_group = one_of({0, 1}) > 0;
  spec.time_half_life_ms = static_cast<std::int64_t>(one_of({0, 50, 300}));
  return spec;
}

TEST(TrainRetrieversTest, EqualsThePlainTwinsOnRandomTables) {
  std::mt19937_64 random(301);
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const RandomActs made = MakeRandomActs(seed);
    const RetrieverSpec item_cf = RandomSpec(Kind::kItemCf, &random);
    ExpectSameMap(Train(made.table, item_cf, kAsOfMs, 2), PlainItemCf(made.acts, item_cf));
    const RetrieverSpec covisitation = RandomSpec(Kind::kCovisitation, &random);
    ExpectSameMap(Train(made.table, covisitation, kAsOfMs, 2),
                  PlainCovisitation(made.acts, covisitation));
    const RetrieverSpec popular = RandomSpec(Kind::kPopular, &random);
    const std::vector<double> plain = PlainPopularity(made.acts, popular);
    const Servable servable = Train(made.table, popular, kAsOfMs);
    for (std::uint32_t item = 0; item < kItems; ++item) {
      EXPECT_NEAR(servable.popularity_tables.at("it").scores[item], plain[item], 1e-5) << item;
    }
  }
}

TEST(TrainRetrieversTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  // More items than a thread takes at once.
  std::mt19937_64 random(7);
  std::vector<Act> acts;
  for (std::uint32_t user = 0; user < 200; ++user) {
    for (std::int64_t step = 0; step < 20; ++step) {
      acts.push_back({user, static_cast<std::uint32_t>(random() % 900), step * 7});
    }
  }
  const InteractionTable table = TableOf(acts, 200, 900);
  for (const Kind kind : {Kind::kItemCf, Kind::kCovisitation}) {
    RetrieverSpec spec = SpecOf(kind);
    spec.user_item_half_life_ms = spec.pair_half_life_ms = spec.time_half_life_ms = 33;
    const Servable one = Train(table, spec, 1'000, 1);
    for (const int threads : {2, 5}) {
      const Servable many = Train(table, spec, 1'000, threads);
      for (std::uint32_t item = 0; item < 900; ++item)
        ASSERT_EQ(RowOf(one, item), RowOf(many, item));
    }
  }
}

TEST(TrainRetrieversTest, KeepsTheBestNeighbours) {
  const RandomActs made = MakeRandomActs(99);
  RetrieverSpec spec = SpecOf(Kind::kItemCf);
  const Servable all = Train(made.table, spec, kAsOfMs);
  spec.neighbours = 3;
  const Servable best = Train(made.table, spec, kAsOfMs);
  for (std::uint32_t item = 0; item < kItems; ++item) {
    auto expected = RowOf(all, item);
    if (expected.size() > 3) expected.resize(3);
    EXPECT_EQ(RowOf(best, item), expected);
  }
}

}  // namespace
}  // namespace fourfold
