#include "offline/evaluation/blend_tuning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>

#include "base/strings.h"
#include "offline/evaluation/blend_matrix.h"

namespace fourfold {
namespace {

constexpr std::uint32_t kItems = 60;
const std::vector<std::string> kRetrievers = {"popular", "covisitation", "repeats"};

std::vector<std::uint32_t> AnyTieOrder(std::mt19937* random) {
  std::vector<std::uint32_t> order(kItems);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), *random);
  return order;
}

// Scores are few and round, so that many blended scores are equal.
TuningQueries AnyQueries(std::mt19937* random, int count) {
  TuningQueries queries;
  queries.without_hits = 3;
  for (int i = 0; i < count; ++i) {
    TuningQuery query;
    for (std::size_t r = 0; r < kRetrievers.size(); ++r) {
      RetrieverList list;
      list.items = AnyTieOrder(random);
      list.items.resize((*random)() % 40);
      for (std::size_t j = 0; j < list.items.size(); ++j) {
        list.scores.push_back(static_cast<float>((*random)() % 5));
      }
      std::sort(list.scores.begin(), list.scores.end(), std::greater<>());
      query.lists.push_back(std::move(list));
    }
    query.relevant = AnyTieOrder(random);
    query.relevant.resize(1 + (*random)() % 12);
    std::sort(query.relevant.begin(), query.relevant.end());
    queries.with_hits.push_back(std::move(query));
  }
  return queries;
}

TEST(BlendMatrixTest, AgreesWithThePlainBlendOnRandomListsFullOfTies) {
  std::mt19937 random(31);
  const double grid[] = {0, 0.1, 0.5, 1, 2};
  for (int round = 0; round < 40; ++round) {
    const std::vector<std::uint32_t> tie_order = AnyTieOrder(&random);
    const TuningQueries queries = AnyQueries(&random, 15);
    for (const auto method :
         {BlendSpec::Method::kReciprocalRank, BlendSpec::Method::kNormalisedScores}) {
      BlendSpec spec;
      spec.method = method;
      const BlendMatrix matrix(queries, spec, kRetrievers, tie_order, 2);
      for (int weights = 0; weights < 10; ++weights) {
        std::vector<double> values;
        spec.weights.clear();
        for (const std::string& name : kRetrievers) {
          values.push_back(grid[random() % 5]);
          spec.weights[name] = values.back();
        }
        EXPECT_NEAR(matrix.MeanNdcgAt10(values),
                    BlendNdcgAt10(queries, kRetrievers, spec, tie_order), 1e-12);
      }
    }
  }
}

// One relevant item a query; popular ranks it first in `popular_right` of every 10 queries,
// covisitation in the others, each with a wrong item first otherwise; repeats knows nothing.
TuningQueries Complementary(int popular_right) {
  TuningQueries queries;
  for (int i = 0; i < 100; ++i) {
    const bool popular = i % 10 < popular_right;
    const auto right = static_cast<std::uint32_t>(i % 20);
    const std::uint32_t wrong = right + 20;
    TuningQuery query;
    query.lists = {{{popular ? right : wrong}, {popular ? 9.0f : 3.0f}},
                   {{popular ? wrong : right, 59}, {2, 1}},
                   {{40, 41}, {5, 4}}};
    query.relevant = {right};
    queries.with_hits.push_back(std::move(query));
  }
  return queries;
}

BlendTuningOptions OptionsWith(const std::vector<std::uint32_t>& tie_order) {
  BlendTuningOptions options;
  options.retrievers = kRetrievers;
  options.tie_order = tie_order;
  return options;
}

TEST(BlendTuningTest, FindsTheWeightsThatTheWholeGridWouldGive) {
  std::mt19937 random(8);
  const std::vector<std::uint32_t> tie_order = AnyTieOrder(&random);
  BlendTuningOptions options = OptionsWith(tie_order);
  options.least_gain = 0;
  options.candidates.resize(1);
  const TuningQueries queries = Complementary(6);
  const auto tuned = TuneBlend(queries, options);
  ASSERT_TRUE(tuned.ok()) << tuned.status();
  EXPECT_EQ(tuned->best_part, "popular");
  EXPECT_DOUBLE_EQ(tuned->best_part_ndcg_at_10, 0.6);
  double best = 0;
  for (const double second : options.grid) {
    for (const double third : options.grid) {
      BlendSpec spec;
      spec.weights = {{"popular", 1}, {"covisitation", second}, {"repeats", third}};
      best = std::max(best, BlendNdcgAt10(queries, kRetrievers, spec, tie_order));
    }
  }
  EXPECT_NEAR(tuned->ndcg_at_10, best, 1e-12);
  EXPECT_GT(tuned->ndcg_at_10, 0.8);
  EXPECT_NEAR(BlendNdcgAt10(queries, kRetrievers, tuned->spec, tie_order), tuned->ndcg_at_10,
              1e-12);
}

TEST(BlendTuningTest, RetrieverThatAddsNothingIsLeftOut) {
  std::mt19937 random(8);
  const std::vector<std::uint32_t> tie_order = AnyTieOrder(&random);
  const auto tuned = TuneBlend(Complementary(6), OptionsWith(tie_order));
  ASSERT_TRUE(tuned.ok());
  EXPECT_EQ(tuned->spec.weights.count("repeats"), 0u);
  EXPECT_EQ(tuned->spec.weights.size(), 2u);

  const auto alone = TuneBlend(Complementary(10), OptionsWith(tie_order));
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(alone->spec.weights, (std::map<std::string, double>{{"popular", 1}}));
  EXPECT_DOUBLE_EQ(alone->ndcg_at_10, 1);
}

TEST(BlendTuningTest, GainBelowTheLeastOneIsNoise) {
  std::mt19937 random(8);
  const std::vector<std::uint32_t> tie_order = AnyTieOrder(&random);
  BlendTuningOptions options = OptionsWith(tie_order);
  options.least_gain = 1;  // a second retriever would have to double the value
  const auto tuned = TuneBlend(Complementary(6), options);
  ASSERT_TRUE(tuned.ok());
  EXPECT_EQ(tuned->spec.weights.size(), 1u);
}

TEST(BlendTuningTest, IsNeverWorseThanTheBestPartAndTheSameOnAnyNumberOfThreads) {
  std::mt19937 random(17);
  for (int round = 0; round < 5; ++round) {
    const std::vector<std::uint32_t> tie_order = AnyTieOrder(&random);
    const TuningQueries queries = AnyQueries(&random, 600);
    BlendTuningOptions options = OptionsWith(tie_order);
    options.threads = 1;
    const TunedBlend one = TuneBlend(queries, options).value();
    options.threads = 3;
    const TunedBlend three = TuneBlend(queries, options).value();
    EXPECT_EQ(one.spec.weights, three.spec.weights);
    EXPECT_EQ(one.spec.method, three.spec.method);
    EXPECT_EQ(one.ndcg_at_10, three.ndcg_at_10);
    EXPECT_GE(one.ndcg_at_10, one.best_part_ndcg_at_10);
  }
}

TEST(BlendTuningTest, QueriesWithoutHitsAreCountedButNotKept) {
  std::vector<EvaluationQuery> queries(200);
  for (std::uint32_t i = 0; i < queries.size(); ++i) {
    queries[i].user_index = i;
    queries[i].relevant = {i % 4};
  }
  const RetrieveFunction retrieve = [](const EvaluationQuery& query, std::size_t retriever,
                                       int limit, RetrieverList* list) {
    EXPECT_EQ(limit, 20);
    list->items = {static_cast<std::uint32_t>(retriever), 50 + query.user_index % 5};
    list->scores = {2, 1};
    return absl::OkStatus();
  };
  const auto collected = CollectTuningQueries(queries, 2, 20, retrieve, 3);
  ASSERT_TRUE(collected.ok());
  EXPECT_EQ(collected->with_hits.size(), 100u);  // relevant items 0 and 1
  EXPECT_EQ(collected->without_hits, 100u);
  for (std::size_t i = 0; i < collected->with_hits.size(); ++i) {
    EXPECT_EQ(collected->with_hits[i].relevant.front(), i % 2);
  }
}

TEST(BlendTuningTest, WhatCannotBeTunedIsSaid) {
  std::mt19937 random(8);
  const std::vector<std::uint32_t> tie_order = AnyTieOrder(&random);
  const BlendTuningOptions options = OptionsWith(tie_order);
  EXPECT_EQ(TuneBlend({}, options).status().code(), absl::StatusCode::kInvalidArgument);
  BlendTuningOptions two = options;
  two.retrievers.pop_back();
  EXPECT_EQ(TuneBlend(Complementary(6), two).status().code(), absl::StatusCode::kInvalidArgument);
  BlendTuningOptions none = options;
  none.retrievers.clear();
  EXPECT_EQ(TuneBlend(Complementary(6), none).status().code(), absl::StatusCode::kInvalidArgument);
  const std::vector<EvaluationQuery> queries(3);
  const RetrieveFunction failing = [](const EvaluationQuery&, std::size_t, int, RetrieverList*) {
    return DataLoss("torn list");
  };
  EXPECT_EQ(CollectTuningQueries(queries, 1, 20, failing, 2).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace fourfold
