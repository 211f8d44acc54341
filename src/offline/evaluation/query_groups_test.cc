#include "offline/evaluation/query_groups.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/strings.h"

namespace fourfold {
namespace {

// One row an item, all of type 0.
InteractionTable TableOf(const std::vector<std::vector<std::uint32_t>>& histories) {
  InteractionTable table;
  table.user_begin = {0};
  for (const std::vector<std::uint32_t>& items : histories) {
    table.users.push_back(StrCat("user", table.users.size()));
    table.item.insert(table.item.end(), items.begin(), items.end());
    table.user_begin.push_back(table.item.size());
  }
  table.type.assign(table.item.size(), 0);
  return table;
}

std::vector<char> Duplicates(const InteractionTable& table, int run) {
  return NearDuplicateUsers(table, std::vector<char>(table.rows(), 1), {}, run);
}

TEST(NearDuplicateUsersTest, AreThoseWhoShareARunWithAnother) {
  const InteractionTable table = TableOf({{1, 2, 3, 4}, {9, 2, 3, 4}, {4, 3, 2}, {2, 3}, {}});
  EXPECT_EQ(Duplicates(table, 3), (std::vector<char>{1, 1, 0, 0, 0}));
  EXPECT_EQ(Duplicates(table, 2), (std::vector<char>{1, 1, 0, 1, 0}));
  EXPECT_EQ(Duplicates(table, 4), (std::vector<char>{0, 0, 0, 0, 0}));
}

TEST(NearDuplicateUsersTest, NobodyIsADuplicateOfThemselves) {
  EXPECT_EQ(Duplicates(TableOf({{1, 2, 1, 2, 1, 2}, {3}}), 2), (std::vector<char>{0, 0}));
}

TEST(NearDuplicateUsersTest, RowsThatDoNotCountDoNotBreakARun) {
  InteractionTable table = TableOf({{1, 7, 2, 3}, {1, 2, 3}});
  EXPECT_EQ(Duplicates(table, 3), (std::vector<char>{0, 0}));
  table.type[1] = 5;
  const std::vector<std::uint16_t> types = {0};
  EXPECT_EQ(NearDuplicateUsers(table, std::vector<char>(7, 1), types, 3),
            (std::vector<char>{1, 1}));
  std::vector<char> keep(7, 1);
  keep[6] = 0;  // the second user's last
  EXPECT_EQ(NearDuplicateUsers(table, keep, types, 3), (std::vector<char>{0, 0}));
}

TEST(NearDuplicateUsersTest, AreThoseOfAPlainSearch) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::vector<std::uint32_t>> histories(20);
    for (auto& history : histories) {
      for (std::size_t i = random() % 12; i > 0; --i) {
        history.push_back(static_cast<std::uint32_t>(random() % 5));
      }
    }
    std::vector<char> expected(histories.size(), 0);
    const auto runs_of = [&](std::size_t user) {
      std::set<std::vector<std::uint32_t>> runs;
      const auto& items = histories[user];
      for (std::size_t i = 0; i + 3 <= items.size(); ++i) {
        runs.insert({items[i], items[i + 1], items[i + 2]});
      }
      return runs;
    };
    for (std::size_t a = 0; a < histories.size(); ++a) {
      for (std::size_t b = 0; b < histories.size(); ++b) {
        if (a == b) continue;
        for (const auto& run : runs_of(a)) {
          if (runs_of(b).contains(run)) expected[a] = 1;
        }
      }
    }
    ASSERT_EQ(Duplicates(TableOf(histories), 3), expected);
  }
}

TEST(ResultOfGroupTest, IsThatOfItsQueriesAlone) {
  std::mt19937 random(5);
  std::vector<EvaluationQuery> queries(40), half;
  std::vector<char> in_group;
  for (std::uint32_t i = 0; i < queries.size(); ++i) {
    queries[i].user_index = i / 2;
    queries[i].user = StrCat("user", i / 2);
    queries[i].relevant = {static_cast<std::uint32_t>(random() % 4)};
    in_group.push_back(random() % 2 == 0);
    if (in_group.back() != 0) half.push_back(queries[i]);
  }
  const std::vector<EvaluationMethod> methods = {{"up"}, {"down"}, {"blend", true}};
  const RankFunction rank = [](const EvaluationQuery&, std::size_t method, int,
                               std::vector<std::uint32_t>* ranked) {
    *ranked = method == 0   ? std::vector<std::uint32_t>{0, 1, 2, 3}
              : method == 1 ? std::vector<std::uint32_t>{3, 2, 1, 0}
                            : std::vector<std::uint32_t>{1, 2, 0, 3};
    return absl::OkStatus();
  };
  EvaluationOptions options;
  const std::vector<float> popularity(4, 1);
  options.popularity = popularity;
  const auto all = RunEvaluation(queries, methods, rank, options);
  const auto alone = RunEvaluation(half, methods, rank, options);
  ASSERT_TRUE(all.ok() && alone.ok());
  const EvaluationResult group = ResultOfGroup(*all, queries, in_group, options.bootstrap);
  EXPECT_EQ(group.queries, half.size());
  for (std::size_t method = 0; method < methods.size(); ++method) {
    EXPECT_EQ(group.methods[method].name, methods[method].name);
    EXPECT_EQ(group.methods[method].metrics, alone->methods[method].metrics);
  }
  // Compared with what is the best part of all, whatever is the best of the group.
  EXPECT_EQ(group.methods[2].compared_with, all->best_part);
  const std::size_t best = all->best_part == "up" ? 0 : 1;
  EXPECT_NEAR(group.methods[2].difference[0].mean,
              alone->methods[2].metrics[0].mean - alone->methods[best].metrics[0].mean, 1e-12);
}

TEST(ResultOfGroupTest, NobodyHasNoFigures) {
  std::vector<EvaluationQuery> queries(1);
  queries[0].relevant = {0};
  const std::vector<EvaluationMethod> methods = {{"only"}};
  const RankFunction rank = [](const EvaluationQuery&, std::size_t, int,
                               std::vector<std::uint32_t>* ranked) {
    *ranked = {0};
    return absl::OkStatus();
  };
  EvaluationOptions options;
  const std::vector<float> popularity(1, 1);
  options.popularity = popularity;
  const auto all = RunEvaluation(queries, methods, rank, options);
  ASSERT_TRUE(all.ok());
  const EvaluationResult group = ResultOfGroup(*all, queries, {0}, options.bootstrap);
  EXPECT_EQ(group.queries, 0u);
  EXPECT_EQ(group.methods[0].metrics[0], Interval{});
}

}  // namespace
}  // namespace fourfold
