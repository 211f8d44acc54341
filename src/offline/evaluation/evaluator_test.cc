#include "offline/evaluation/evaluator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/strings.h"

namespace fourfold {
namespace {

using Lists = std::vector<std::vector<std::uint32_t>>;  // by method

EvaluationQuery Query(std::uint32_t user, std::vector<std::uint32_t> excluded,
                      std::vector<std::uint32_t> relevant) {
  EvaluationQuery query;
  query.user_index = user;
  query.user = StrCat("user", user);
  query.excluded = std::move(excluded);
  query.relevant = std::move(relevant);
  return query;
}

// Answers with lists[user][method], cut at the limit.
RankFunction Answering(const std::vector<Lists>& lists) {
  return [&lists](const EvaluationQuery& query, std::size_t method, int limit,
                  std::vector<std::uint32_t>* ranked) {
    *ranked = lists[query.user_index][method];
    if (ranked->size() > static_cast<std::size_t>(limit)) {
      ranked->resize(static_cast<std::size_t>(limit));
    }
    return absl::OkStatus();
  };
}

const std::vector<EvaluationMethod> kMethods = {{"weak"}, {"strong"}, {"blend", true}};

TEST(EvaluatorTest, SumsUpEachMethodAndComparesTheBlendWithTheBestPart) {
  const std::vector<EvaluationQuery> queries = {Query(0, {}, {1}), Query(1, {0}, {2, 3})};
  const std::vector<Lists> lists = {{{0, 2, 1}, {1, 0}, {1, 2}}, {{1}, {1, 2}, {2, 3}}};
  const std::vector<float> popularity = {8, 4, 2, 2, 1};
  EvaluationOptions options;
  options.metrics = {{MetricKind::kNdcg, 10}, {MetricKind::kRecall, 1}};
  options.popularity = popularity;
  const auto result = RunEvaluation(queries, kMethods, Answering(lists), options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->queries, 2u);
  EXPECT_EQ(result->best_part, "strong");
  ASSERT_EQ(result->methods.size(), 3u);

  // d(2) = .6309298 is one hit at rank 2, 1.6309298 the best that two hits can reach.
  const double second = 1 / std::log2(3.0);
  const MethodResult& weak = result->methods[0];
  EXPECT_DOUBLE_EQ(weak.metrics[0].mean, (0.5 + 0) / 2);
  EXPECT_DOUBLE_EQ(weak.metrics[1].mean, 0);
  EXPECT_DOUBLE_EQ(weak.first_shown.coverage, 3 / 5.0);
  EXPECT_DOUBLE_EQ(weak.first_shown.mean_popularity, (8 + 2 + 4 + 4) / 4.0);
  EXPECT_TRUE(weak.difference.empty());

  const MethodResult& strong = result->methods[1];
  EXPECT_DOUBLE_EQ(strong.metrics[0].mean, (1 + second / (1 + second)) / 2);
  EXPECT_DOUBLE_EQ(strong.metrics[1].mean, 0.5);
  EXPECT_EQ(strong.values.size(), 4u);
  EXPECT_DOUBLE_EQ(strong.values[2], second / (1 + second));

  const MethodResult& blend = result->methods[2];
  EXPECT_DOUBLE_EQ(blend.metrics[0].mean, 1);
  EXPECT_DOUBLE_EQ(blend.metrics[1].mean, 0.75);
  ASSERT_EQ(blend.difference.size(), 2u);
  // User 0: 0; user 1: 1 / (1 + d(2)). Both ends are resamples of one user twice.
  EXPECT_DOUBLE_EQ(blend.difference[0].mean, 1 / (1 + second) / 2);
  EXPECT_DOUBLE_EQ(blend.difference[0].low, 0);
  EXPECT_DOUBLE_EQ(blend.difference[0].high, 1 / (1 + second));
}

TEST(EvaluatorTest, AMethodIsComparedWithTheOneItNamesAndIsNoBestPart) {
  const std::vector<EvaluationMethod> methods = {
      {"weak"}, {"blend", true}, {"ranker", false, "blend"}};
  const std::vector<EvaluationQuery> queries = {Query(0, {}, {1})};
  const std::vector<Lists> lists = {{{0, 1}, {2, 0, 1}, {1}}};
  const std::vector<float> popularity = {1, 1, 1};
  EvaluationOptions options;
  options.metrics = {{MetricKind::kReciprocalRank, 10}};
  options.popularity = popularity;
  const auto result = RunEvaluation(queries, methods, Answering(lists), options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->best_part, "weak");
  EXPECT_EQ(result->methods[1].compared_with, "weak");
  EXPECT_DOUBLE_EQ(result->methods[1].difference[0].mean, 1.0 / 3 - 1.0 / 2);
  EXPECT_EQ(result->methods[2].compared_with, "blend");
  EXPECT_DOUBLE_EQ(result->methods[2].difference[0].mean, 1 - 1.0 / 3);
}

TEST(EvaluatorTest, QueriesOfOneUserAreDrawnTogether) {
  std::vector<EvaluationQuery> queries;
  std::vector<Lists> lists;
  for (std::uint32_t user = 0; user < 60; ++user) {
    lists.push_back({{user % 2}});
    for (int i = 0; i < 4; ++i) queries.push_back(Query(user, {}, {1}));
  }
  const std::vector<float> popularity(2, 1);
  EvaluationOptions options;
  options.popularity = popularity;
  options.metrics = {{MetricKind::kSuccess, 1}};
  const auto result =
      RunEvaluation(queries, std::span(kMethods).first(1), Answering(lists), options);
  const Interval success = result->methods[0].metrics[0];
  // 60 users, not 240 queries: 1.96 * sqrt(.25 / 60) = .127.
  EXPECT_NEAR(success.high - success.mean, 0.127, 0.02);
}

TEST(EvaluatorTest, SameResultOnAnyNumberOfThreads) {
  std::mt19937 random(1);
  std::vector<EvaluationQuery> queries;
  std::vector<Lists> lists;
  for (std::uint32_t user = 0; user < 700; ++user) {
    queries.push_back(Query(user, {}, {static_cast<std::uint32_t>(random() % 50)}));
    lists.emplace_back();
    for (std::size_t method = 0; method < kMethods.size(); ++method) {
      std::vector<std::uint32_t> list;
      for (std::uint32_t item = 0; item < 50; ++item) {
        if (random() % 3 == 0) list.push_back(item);
      }
      lists.back().push_back(list);
    }
  }
  const std::vector<float> popularity(50, 1);
  std::vector<EvaluationResult> results;
  for (const int threads : {1, 2, 5}) {
    EvaluationOptions options;
    options.popularity = popularity;
    options.threads = threads;
    double last_done = 0;
    options.progress = [&last_done](double done) {
      EXPECT_GT(done, last_done);
      last_done = done;
    };
    results.push_back(RunEvaluation(queries, kMethods, Answering(lists), options).value());
    EXPECT_DOUBLE_EQ(last_done, 1);
    EXPECT_EQ(results.back().metrics, DefaultMetrics());
  }
  for (const EvaluationResult& other : results) {
    for (std::size_t method = 0; method < kMethods.size(); ++method) {
      EXPECT_EQ(other.methods[method].metrics, results[0].methods[method].metrics);
      EXPECT_EQ(other.methods[method].difference, results[0].methods[method].difference);
      EXPECT_EQ(other.methods[method].first_shown.gini,
                results[0].methods[method].first_shown.gini);
    }
  }
}

TEST(EvaluatorTest, ItemOutsideTheTableTakesUpARank) {
  const std::vector<EvaluationQuery> queries = {Query(0, {}, {1})};
  const std::vector<Lists> lists = {{{kItemOutsideTable, kItemOutsideTable, 1}}};
  const std::vector<float> popularity(2, 1);
  EvaluationOptions options;
  options.popularity = popularity;
  const auto result =
      RunEvaluation(queries, std::span(kMethods).first(1), Answering(lists), options);
  ASSERT_TRUE(result.ok());
  EXPECT_DOUBLE_EQ(result->methods[0].metrics[0].mean, 0.5);
  EXPECT_DOUBLE_EQ(result->methods[0].first_shown.mean_popularity, 1 / 3.0);
}

TEST(EvaluatorTest, ListThatBreaksItsContractIsRefused) {
  const std::vector<EvaluationQuery> queries = {Query(0, {2}, {1})};
  const std::vector<float> popularity(4, 1);
  EvaluationOptions options;
  options.popularity = popularity;
  for (const auto& [list, why] : std::vector<std::pair<std::vector<std::uint32_t>, std::string>>{
           {{1, 2}, "an excluded item"}, {{1, 3, 1}, "an item twice"}, {{1, 4}, "out of range"}}) {
    const std::vector<Lists> lists = {{list}};
    const auto result =
        RunEvaluation(queries, std::span(kMethods).first(1), Answering(lists), options);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
    EXPECT_NE(MessageOf(result.status()).find(why), std::string_view::npos) << result.status();
    EXPECT_NE(MessageOf(result.status()).find("weak, user user0"), std::string_view::npos);
  }
}

TEST(EvaluatorTest, ErrorOfAMethodEndsTheEvaluation) {
  const std::vector<EvaluationQuery> queries(500, Query(0, {}, {1}));
  const std::vector<float> popularity(4, 1);
  EvaluationOptions options;
  options.popularity = popularity;
  const RankFunction failing = [](const EvaluationQuery&, std::size_t, int,
                                  std::vector<std::uint32_t>*) { return NotFound("no servable"); };
  EXPECT_EQ(RunEvaluation(queries, kMethods, failing, options).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(RunEvaluation({}, kMethods, failing, options).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RunEvaluation(queries, {}, failing, options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fourfold
