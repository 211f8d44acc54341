#include "offline/evaluation/ranking_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "base/strings.h"

namespace fourfold {
namespace {

double Value(const char* name, std::vector<int> hit_ranks, std::size_t relevant_count) {
  return RankingMetricValue(ParseRankingMetric(name).value(), hit_ranks, relevant_count);
}

// Hits at ranks 2, 5 and 11 of 4 relevant items. nDCG by hand, with d(r) = 1 / log2(r + 1):
// d(2) = .6309298, d(5) = .3868528, d(11) = .2789429; d(1) + .. + d(4) = 1 + .6309298 + .5 +
// .4306766 = 2.5616063, d(1) + d(2) + d(3) = 2.1309298.
TEST(RankingMetricsTest, AgreesWithTheTableComputedByHand) {
  struct Line {
    int k;
    double success, recall, precision, reciprocal_rank, ndcg;
  };
  const Line table[] = {
      {1, 0, 0, 0, 0, 0},
      {3, 1, 1 / 4.0, 1 / 3.0, 0.5, 0.2960819109658652},
      {5, 1, 2 / 4.0, 2 / 5.0, 0.5, 0.3973220069685352},
      {10, 1, 2 / 4.0, 2 / 10.0, 0.5, 0.3973220069685352},
      {20, 1, 3 / 4.0, 3 / 20.0, 0.5, 0.5062157680367674},
  };
  const std::vector<int> hits = {2, 5, 11};
  for (const Line& line : table) {
    const auto value = [&](MetricKind kind) { return RankingMetricValue({kind, line.k}, hits, 4); };
    EXPECT_DOUBLE_EQ(value(MetricKind::kSuccess), line.success) << line.k;
    EXPECT_DOUBLE_EQ(value(MetricKind::kRecall), line.recall) << line.k;
    EXPECT_DOUBLE_EQ(value(MetricKind::kPrecision), line.precision) << line.k;
    EXPECT_DOUBLE_EQ(value(MetricKind::kReciprocalRank), line.reciprocal_rank) << line.k;
    EXPECT_NEAR(value(MetricKind::kNdcg), line.ndcg, 1e-15) << line.k;
  }
}

TEST(RankingMetricsTest, NdcgOfTheOnlyRelevantItemIsItsDiscount) {
  EXPECT_DOUBLE_EQ(Value("nDCG@10", {1}, 1), 1);
  EXPECT_DOUBLE_EQ(Value("nDCG@10", {3}, 1), 0.5);
  EXPECT_NEAR(Value("nDCG@10", {10}, 1), 0.2890648263178879, 1e-15);
  EXPECT_DOUBLE_EQ(Value("nDCG@10", {11}, 1), 0);
}

TEST(RankingMetricsTest, NdcgIsHeldToAtMostCutoffHitsWhenMoreAreRelevant) {
  // (1 + .6309298 + .5) / (1 + .6309298 + .5 + .4306766 + .3868528).
  EXPECT_NEAR(Value("nDCG@5", {1, 2, 3}, 20), 0.7227265726449519, 1e-15);
  EXPECT_DOUBLE_EQ(Value("nDCG@5", {1, 2, 3, 4, 5, 6}, 20), 1);
}

TEST(RankingMetricsTest, RecallDividesByAllRelevantItemsEvenBeyondTheCutoff) {
  EXPECT_DOUBLE_EQ(Value("R@5", {1, 2, 3, 4, 5}, 20), 0.25);
}

TEST(RankingMetricsTest, PrecisionDividesByTheCutoffEvenIfTheListIsShort) {
  EXPECT_DOUBLE_EQ(
      Value("P@10", HitRanks(std::vector<std::uint32_t>{7}, std::vector<std::uint32_t>{7}), 1),
      0.1);
}

TEST(RankingMetricsTest, EmptyListIsWorthNothing) {
  for (const char* name : {"Success@10", "R@10", "P@10", "RR@10", "nDCG@10"}) {
    EXPECT_EQ(Value(name, {}, 3), 0) << name;
  }
}

TEST(RankingMetricsTest, RepeatedItemCountsOnceAndTakesUpItsPlace) {
  const std::vector<std::uint32_t> ranked = {5, 9, 5, 9, 2};
  const std::vector<std::uint32_t> relevant = {2, 5};
  EXPECT_EQ(HitRanks(ranked, relevant), (std::vector<int>{1, 5}));
}

TEST(RankingMetricsTest, NamesAreThoseOfIrMeasures) {
  for (const char* name : {"nDCG@10", "R@20", "Success@1", "RR@100", "P@1000"}) {
    EXPECT_EQ(RankingMetricName(ParseRankingMetric(name).value()), name);
  }
  EXPECT_EQ(RankingMetricName(ParseRankingMetric("HR@10").value()), "Success@10");
  EXPECT_EQ(RankingMetricName(ParseRankingMetric("Recall@20").value()), "R@20");
  EXPECT_EQ(RankingMetricName(ParseRankingMetric("MRR@5").value()), "RR@5");
  EXPECT_EQ(RankingMetricName(ParseRankingMetric("NDCG@7").value()), "nDCG@7");
  EXPECT_EQ(RankingMetricName(ParseRankingMetric("Precision@7").value()), "P@7");
}

TEST(RankingMetricsTest, UnknownNamesAndCutoffsAreRefusedByName) {
  for (const char* name : {"", "@10", "nDCG", "nDCG@", "nDCG@0", "nDCG@-1", "nDCG@1001", "nDCG@10x",
                           "nDCG@1e1", "ndcg@10", "AP@10", "nDCG@99999999999999999999"}) {
    const absl::StatusOr<RankingMetric> parsed = ParseRankingMetric(name);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(MessageOf(parsed.status()).find(name), std::string_view::npos);
  }
}

// The definitions once more, straight from the list.
double PlainValue(const RankingMetric& metric, const std::vector<std::uint32_t>& ranked,
                  const std::set<std::uint32_t>& relevant) {
  double hits = 0, gain = 0, ideal = 0, first = 0;
  for (int rank = 1; rank <= metric.cutoff; ++rank) {
    const double discount = std::log(2.0) / std::log(rank + 1.0);
    if (rank <= static_cast<int>(relevant.size())) ideal += discount;
    if (rank > static_cast<int>(ranked.size())) continue;
    if (!relevant.contains(ranked[static_cast<std::size_t>(rank) - 1])) continue;
    if (hits == 0) first = rank;
    hits += 1;
    gain += discount;
  }
  switch (metric.kind) {
    case MetricKind::kSuccess:
      return hits > 0;
    case MetricKind::kRecall:
      return hits / static_cast<double>(relevant.size());
    case MetricKind::kPrecision:
      return hits / metric.cutoff;
    case MetricKind::kReciprocalRank:
      return first > 0 ? 1 / first : 0;
    case MetricKind::kNdcg:
      return gain / ideal;
  }
  return -1;
}

TEST(RankingMetricsTest, AgreesWithThePlainDefinitionsOnRandomLists) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::uint32_t> ranked(60);
    std::iota(ranked.begin(), ranked.end(), 0u);
    std::shuffle(ranked.begin(), ranked.end(), random);
    ranked.resize(random() % 61);
    std::set<std::uint32_t> relevant = {static_cast<std::uint32_t>(random() % 80)};
    for (std::size_t i = random() % 15; i > 0; --i) {
      relevant.insert(static_cast<std::uint32_t>(random() % 80));
    }
    const std::vector<int> hits =
        HitRanks(ranked, std::vector<std::uint32_t>(relevant.begin(), relevant.end()));
    for (const MetricKind kind : {MetricKind::kSuccess, MetricKind::kRecall, MetricKind::kPrecision,
                                  MetricKind::kReciprocalRank, MetricKind::kNdcg}) {
      const RankingMetric metric{kind, static_cast<int>(random() % 70) + 1};
      EXPECT_NEAR(RankingMetricValue(metric, hits, relevant.size()),
                  PlainValue(metric, ranked, relevant), 1e-12)
          << RankingMetricName(metric);
    }
  }
}

}  // namespace
}  // namespace fourfold
