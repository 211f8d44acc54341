#include "offline/evaluation/evaluation_protocol.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "base/strings.h"

namespace fourfold {
namespace {

struct Row {
  std::string user;
  std::string item;
  std::int64_t time_ms = 0;
  std::uint32_t tie_group = 0;
  std::string type = "buy";
  std::int64_t known_ms = -1;  // -1: at its event time
};

// Rows of a user stand in the order given where their times are equal.
InteractionTable Table(std::vector<Row> rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.user != b.user ? a.user < b.user : a.time_ms < b.time_ms;
  });
  std::set<std::string> items;
  for (const Row& row : rows) items.insert(row.item);
  InteractionTable table;
  table.items.assign(items.begin(), items.end());
  for (std::uint32_t i = 0; i < table.items.size(); ++i) table.item_index[table.items[i]] = i;
  table.types = {"buy", "view"};
  for (const Row& row : rows) {
    if (table.users.empty() || table.users.back() != row.user) {
      table.users.push_back(row.user);
      table.user_begin.push_back(table.rows());
    }
    table.item.push_back(table.item_index.at(row.item));
    table.type.push_back(row.type == "buy" ? 0 : 1);
    table.event_time_ms.push_back(row.time_ms);
    table.known_time_ms.push_back(row.known_ms < 0 ? row.time_ms : row.known_ms);
    table.tie_group.push_back(row.tie_group);
  }
  table.user_begin.push_back(table.rows());
  return table;
}

std::string Names(const InteractionTable& table, const std::vector<std::uint32_t>& items) {
  std::string names;
  for (const std::uint32_t item : items) names += table.items[item];
  return names;
}

// "user: excluded > relevant" for each query.
std::vector<std::string> Told(const InteractionTable& table, const EvaluationSplit& split) {
  std::vector<std::string> told;
  for (const EvaluationQuery& query : split.queries) {
    told.push_back(StrCat(query.user, ": ", Names(table, query.excluded), " > ",
                          Names(table, query.relevant)));
  }
  return told;
}

// The items of the rows that may be learned from, in the table's order.
std::string Fitted(const InteractionTable& table, const EvaluationSplit& split) {
  return Names(table, KeepRows(table, split.fit_rows).item);
}

using Strings = std::vector<std::string>;

TimeSplitOptions CutAt(std::int64_t cut_ms) {
  TimeSplitOptions options;
  options.cut_ms = cut_ms;
  return options;
}

TEST(SplitInTimeTest, AsksWhoActedBeforeTheCutForWhatIsNewAfterIt) {
  const InteractionTable table = Table({{"ann", "a", 10},
                                        {"ann", "b", 20},
                                        {"ann", "b", 100},
                                        {"ann", "c", 110},
                                        {"ann", "c", 120},
                                        {"ann", "d", 130},
                                        {"bob", "a", 100},
                                        {"bob", "b", 150},
                                        {"cid", "a", 50},
                                        {"cid", "a", 150},
                                        {"dan", "d", 99}});
  const auto split = SplitInTime(table, CutAt(100));
  ASSERT_TRUE(split.ok());
  // Bob has nothing before the cut, Cid nothing new after it, Dan nothing after it.
  EXPECT_EQ(Told(table, *split), Strings{"ann: ab > cd"});
  EXPECT_EQ(Fitted(table, *split), "abad");
  EXPECT_EQ(split->fit_as_of_ms, 99);
  EXPECT_EQ(split->queries[0].at.as_of_ms, 99);
  EXPECT_EQ(split->queries[0].at.known_at_ms, 99);

  TimeSplitOptions all = CutAt(100);
  all.variant = EvaluationVariant::kAll;
  EXPECT_EQ(Told(table, SplitInTime(table, all).value()), (Strings{"ann:  > bcd", "cid:  > a"}));
}

TEST(SplitInTimeTest, RowAtTheCutIsAskedForAndRowAtTheEndIsNot) {
  const InteractionTable table =
      Table({{"ann", "a", 99}, {"ann", "b", 100}, {"ann", "c", 199}, {"ann", "d", 200}});
  TimeSplitOptions options = CutAt(100);
  options.end_ms = 200;
  const auto split = SplitInTime(table, options);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(Told(table, *split), Strings{"ann: a > bc"});
  EXPECT_EQ(Fitted(table, *split), "a");
}

TEST(SplitInTimeTest, EventThatArrivedAfterTheCutIsNeitherLearnedNorInput) {
  std::vector<Row> rows = {
      {"ann", "a", 10}, {"ann", "c", 120}, {"bob", "a", 20}, {"bob", "c", 120}};
  rows.push_back({.user = "ann", .item = "b", .time_ms = 90, .known_ms = 105});
  rows[2].known_ms = 100;
  const InteractionTable table = Table(rows);
  const auto split = SplitInTime(table, CutAt(100));
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(Told(table, *split), Strings{"ann: a > c"});
  EXPECT_EQ(Fitted(table, *split), "a");

  TimeSplitOptions now = CutAt(100);
  now.as_known_now = true;
  const auto known_now = SplitInTime(table, now);
  EXPECT_EQ(Told(table, *known_now), (Strings{"ann: ab > c", "bob: a > c"}));
  EXPECT_EQ(Fitted(table, *known_now), "aba");
  EXPECT_EQ(known_now->queries[0].at.known_at_ms, EverythingKnown().known_at_ms);
}

TEST(SplitInTimeTest, BasketThatStraddlesTheCutIsNotAskedFor) {
  const InteractionTable table = Table({{"ann", "a", 10},
                                        {"ann", "b", 99, 7},
                                        {"ann", "c", 100, 7},
                                        {"ann", "d", 110, 8},
                                        {"ann", "e", 111, 8}});
  EXPECT_EQ(Told(table, SplitInTime(table, CutAt(100)).value()), Strings{"ann: ab > de"});
}

TEST(SplitInTimeTest, OnlyTheNamedActionTypesMakeTheExam) {
  const InteractionTable table = Table({{"ann", "a", 10},
                                        {"ann", "b", 20, 0, "view"},
                                        {"ann", "b", 110},
                                        {"ann", "c", 120, 0, "view"},
                                        {"bob", "a", 10, 0, "view"},
                                        {"bob", "a", 110}});
  TimeSplitOptions options = CutAt(100);
  options.action_types = {"buy"};
  const auto split = SplitInTime(table, options);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(Told(table, *split), Strings{"ann: a > b"});
  EXPECT_EQ(Fitted(table, *split), "aba");
  options.action_types = {"like"};
  EXPECT_EQ(SplitInTime(table, options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SplitInTimeTest, AnonymousSessionsAreAskedOnlyOnRequest) {
  const InteractionTable table = Table(
      {{"ann", "a", 10}, {"ann", "b", 110}, {"session:77", "a", 10}, {"session:77", "b", 110}});
  EXPECT_EQ(SplitInTime(table, CutAt(100))->queries.size(), 1u);
  TimeSplitOptions options = CutAt(100);
  options.anonymous_sessions = true;
  const auto split = SplitInTime(table, options);
  ASSERT_EQ(split->queries.size(), 2u);
  EXPECT_EQ(split->queries[1].user, "");
  EXPECT_EQ(split->queries[1].session, "77");
  EXPECT_EQ(split->queries[1].user_index, 1u);
}

TEST(SplitInTimeTest, ItemsThatTheFitHasNeverSeenAreAskedForUnlessLeftOut) {
  const InteractionTable table = Table({{"ann", "a", 10},
                                        {"ann", "c", 110},
                                        {"ann", "new", 120},
                                        {"bob", "c", 20},
                                        {"bob", "new", 130}});
  TimeSplitOptions options = CutAt(100);
  EXPECT_EQ(Told(table, SplitInTime(table, options).value()),
            (Strings{"ann: a > cnew", "bob: c > new"}));
  options.fitted_items_only = true;
  EXPECT_EQ(Told(table, SplitInTime(table, options).value()), Strings{"ann: a > c"});
}

TEST(SplitInTimeTest, NobodyToAskAndAnEmptyRangeAreErrors) {
  const InteractionTable table = Table({{"ann", "a", 10}, {"ann", "b", 110}});
  EXPECT_EQ(SplitInTime(table, CutAt(5)).status().code(), absl::StatusCode::kInvalidArgument);
  TimeSplitOptions options = CutAt(100);
  options.end_ms = 100;
  EXPECT_EQ(SplitInTime(table, options).status().code(), absl::StatusCode::kInvalidArgument);
}

LeaveOneOutOptions LeaveOut(LeaveOneOutOptions::Target target, LeaveOneOutOptions::Fit fit) {
  LeaveOneOutOptions options;
  options.target = target;
  options.fit = fit;
  return options;
}
constexpr auto kTest = LeaveOneOutOptions::Target::kTest;
constexpr auto kValidation = LeaveOneOutOptions::Target::kValidation;
constexpr auto kStrict = LeaveOneOutOptions::Fit::kStrict;
constexpr auto kRefit = LeaveOneOutOptions::Fit::kRefit;

TEST(LeaveOneOutTest, LastActionIsAskedForAndFitSaysWhatIsHeldOut) {
  const InteractionTable table = Table({{"ann", "a", 1},
                                        {"ann", "b", 2},
                                        {"ann", "c", 3},
                                        {"ann", "d", 4},
                                        {"bob", "d", 1},
                                        {"bob", "a", 2},
                                        {"bob", "c", 3},
                                        {"cid", "b", 1},
                                        {"cid", "c", 2}});
  const auto refit = SplitLeaveOneOut(table, LeaveOut(kTest, kRefit));
  ASSERT_TRUE(refit.ok());
  EXPECT_EQ(Told(table, *refit), (Strings{"ann: abc > d", "bob: ad > c"}));
  EXPECT_EQ(Fitted(table, *refit), "abcdabc");
  EXPECT_EQ(refit->queries[0].at.as_of_ms, 3);
  EXPECT_EQ(refit->fit_as_of_ms, 3);

  const auto strict = SplitLeaveOneOut(table, LeaveOut(kTest, kStrict));
  EXPECT_EQ(Told(table, *strict), (Strings{"ann: abc > d", "bob: ad > c"}));
  EXPECT_EQ(Fitted(table, *strict), "abdbc");
  EXPECT_EQ(strict->fit_as_of_ms, 2);

  for (const auto fit : {kStrict, kRefit}) {
    const auto validation = SplitLeaveOneOut(table, LeaveOut(kValidation, fit));
    EXPECT_EQ(Told(table, *validation), (Strings{"ann: ab > c", "bob: d > a"}));
    EXPECT_EQ(Fitted(table, *validation), "abdbc");
  }
}

TEST(LeaveOneOutTest, RowsOfTheTargetsTimeAreNeitherInputNorExcluded) {
  const InteractionTable table =
      Table({{"ann", "a", 1}, {"ann", "b", 2}, {"ann", "c", 2}, {"ann", "d", 2}});
  const auto split = SplitLeaveOneOut(table, LeaveOut(kTest, kRefit));
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(Told(table, *split), Strings{"ann: a > d"});
  EXPECT_EQ(split->queries[0].at.as_of_ms, 1);
}

TEST(LeaveOneOutTest, BasketsOwnLinesAreNeverItsInput) {
  // The basket 5 began at 20, before the last other action.
  const InteractionTable table = Table({{"ann", "a", 10},
                                        {"ann", "b", 20, 5},
                                        {"ann", "c", 30},
                                        {"ann", "d", 40, 5},
                                        {"ann", "e", 50, 5}});
  const auto split = SplitLeaveOneOut(table, LeaveOut(kTest, kRefit));
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(Told(table, *split), Strings{"ann: a > e"});
  EXPECT_EQ(split->queries[0].at.as_of_ms, 19);
}

TEST(LeaveOneOutTest, LateEventIsNotInput) {
  const InteractionTable table = Table({{"ann", "a", 1},
                                        {.user = "ann", .item = "b", .time_ms = 2, .known_ms = 9},
                                        {"ann", "c", 5}});
  const auto split = SplitLeaveOneOut(table, LeaveOut(kTest, kRefit));
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(Told(table, *split), Strings{"ann: a > c"});
}

TEST(LeaveOneOutTest, RepeatedTargetIsAskedForOnlyWhereAllItemsCount) {
  const InteractionTable table = Table({{"ann", "a", 1},
                                        {"ann", "b", 2},
                                        {"ann", "a", 3},
                                        {"bob", "a", 1},
                                        {"bob", "b", 2},
                                        {"bob", "c", 3}});
  LeaveOneOutOptions options = LeaveOut(kTest, kRefit);
  EXPECT_EQ(Told(table, SplitLeaveOneOut(table, options).value()), Strings{"bob: ab > c"});
  options.variant = EvaluationVariant::kAll;
  EXPECT_EQ(Told(table, SplitLeaveOneOut(table, options).value()),
            (Strings{"ann:  > a", "bob:  > c"}));
}

TEST(LeaveOneOutTest, ActionsOfOtherTypesAfterTheTargetAreHeldOutToo) {
  const InteractionTable table =
      Table({{"ann", "a", 1}, {"ann", "b", 2}, {"ann", "c", 3}, {"ann", "c", 4, 0, "view"}});
  LeaveOneOutOptions options = LeaveOut(kTest, kRefit);
  options.action_types = {"buy"};
  const auto split = SplitLeaveOneOut(table, options);
  EXPECT_EQ(Told(table, *split), Strings{"ann: ab > c"});
  EXPECT_EQ(Fitted(table, *split), "ab");
}

TEST(KeepRowsTest, DictionariesStayAndRowsAreThoseKept) {
  const InteractionTable table =
      Table({{"ann", "a", 1, 4}, {"ann", "b", 2}, {"bob", "c", 3}, {"cid", "a", 4, 6, "view"}});
  const InteractionTable kept = KeepRows(table, {1, 0, 0, 1});
  EXPECT_EQ(kept.users, table.users);
  EXPECT_EQ(kept.items, table.items);
  EXPECT_EQ(kept.item_index.at("c"), 2u);
  EXPECT_EQ(kept.user_begin, (std::vector<std::size_t>{0, 1, 1, 2}));
  EXPECT_EQ(kept.item, (std::vector<std::uint32_t>{0, 0}));
  EXPECT_EQ(kept.type, (std::vector<std::uint16_t>{0, 1}));
  EXPECT_EQ(kept.event_time_ms, (std::vector<std::int64_t>{1, 4}));
  EXPECT_EQ(kept.known_time_ms, (std::vector<std::int64_t>{1, 4}));
  EXPECT_EQ(kept.tie_group, (std::vector<std::uint32_t>{4, 6}));
}

TEST(SplitInTimeTest, AgreesWithThePlainDefinitionOnRandomLogs) {
  std::mt19937 random(21);
  for (int round = 0; round < 50; ++round) {
    std::vector<Row> rows;
    for (int i = 0; i < 120; ++i) {
      const auto time_ms = static_cast<std::int64_t>(random() % 40);
      rows.push_back({.user = StrCat("u", random() % 9),
                      .item = StrCat("i", 10 + random() % 30),
                      .time_ms = time_ms,
                      .known_ms = time_ms + static_cast<std::int64_t>(random() % 4)});
    }
    const InteractionTable table = Table(rows);
    TimeSplitOptions options = CutAt(25);
    options.end_ms = 35;
    std::map<std::string, std::pair<std::set<std::string>, std::set<std::string>>> expected;
    for (const Row& row : rows) {
      if (row.time_ms < 25 && row.known_ms < 25) expected[row.user].first.insert(row.item);
      if (row.time_ms >= 25 && row.time_ms < 35) expected[row.user].second.insert(row.item);
    }
    Strings told;
    for (const auto& [user, sets] : expected) {
      std::string excluded, relevant;
      for (const std::string& item : sets.first) excluded += item;
      for (const std::string& item : sets.second) {
        if (!sets.first.contains(item)) relevant += item;
      }
      if (!excluded.empty() && !relevant.empty()) {
        told.push_back(StrCat(user, ": ", excluded, " > ", relevant));
      }
    }
    EXPECT_EQ(Told(table, SplitInTime(table, options).value()), told);
  }
}

}  // namespace
}  // namespace fourfold
