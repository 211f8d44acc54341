#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "engine/test_engine.h"

// Features that read what retrievers learned: in training rows, served and as of any moment.
namespace fourfold {
namespace {

constexpr std::string_view kRecipe = R"(name: learned
catalogue: {items: acted_on}
retrievers:
  - {name: near, kind: item_cf, neighbours: 20}
  - {name: vectors, kind: eges, dimension: 8, learning_rate: 0.2, session_window: 0, threads: 1}
features:
  - {name: goes_with, kind: covisit, retriever: near, actions: 20, decay: 0.9}
  - {name: like, kind: similarity, retriever: vectors, types: [click]}
ranker:
  labels: {click: 1}
  answered_only: true
  rounds: 20
  early_stopping_rounds: 0
  min_child_weight: 0
  retrieval_share: 0.4
  retrieval_fits: 2
  log_features: 1
)";

class LearnedFeaturesTest : public EngineTest {
 protected:
  // A slate with the click that came of it, at minute `minute` of May.
  void Show(int minute, std::string_view user, const std::vector<std::string>& items,
            std::string_view clicked) {
    const std::int64_t time_ms = At("2024-05-01") + minute * 60'000;
    const int id = next_++;
    StrAppend(&lines_, R"({"event":"ranking","id":"s)", id, R"(","user":")", user,
              R"(","timestamp":)", time_ms, R"(,"items":[)");
    for (const std::string& item : items) {
      StrAppend(&lines_, item == items.front() ? "" : ",", R"({"id":")", item, "\"}");
    }
    StrAppend(&lines_, "]}\n", R"({"event":"interaction","id":"c)", id, R"(","ranking":"s)", id,
              R"(","user":")", user, R"(","type":"click","item":")", clicked, R"(","timestamp":)",
              time_ms, "}\n");
  }
  // Users of two camps, each shown an item of either and taking that of its own.
  void FillCamps(Engine& engine) {
    std::mt19937 random(5);
    for (int minute = 0; minute < 800; ++minute) {
      const std::uint64_t user = random() % 40;
      const std::string even = StrCat("i", 2 * (random() % 10));
      const std::string odd = StrCat("i", 2 * (random() % 10) + 1);
      Show(minute, StrCat("u", user), {even, odd}, user % 2 == 0 ? even : odd);
    }
    Import(engine, Write("log.jsonl", lines_));
  }
  static RankRequest List(const std::string& user) {
    RankRequest request;
    request.user = user;
    for (const char* item : {"i3", "i8", "i5", "i12"}) request.items.push_back({item, {}});
    return request;
  }
  static void Click(Engine& engine, std::string_view user, std::string_view item) {
    Ingest(engine, StrCat(R"({"event":"interaction","type":"click","user":")", user,
                          R"(","item":")", item, "\"}"));
  }
  static std::optional<double> Value(const Engine& engine, std::string_view user,
                                     std::string_view item, std::string_view feature) {
    FeatureReadRequest request;
    request.user = user;
    request.items = {std::string(item)};
    const auto response = engine.ReadFeatures(request);
    EXPECT_TRUE(response.ok()) << response.status();
    for (const FeatureReading& reading : response->items[0].second) {
      if (reading.name == feature) return reading.value;
    }
    ADD_FAILURE() << feature;
    return std::nullopt;
  }
  static void ExpectNoSkew(const Engine& engine, std::uint64_t requests) {
    const auto report = engine.VerifySkew();
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->requests, requests);
    EXPECT_EQ(report->differing, 0);
  }
  const std::string& lines() const { return lines_; }

 private:
  std::string lines_;
  int next_ = 0;
};

TEST_F(LearnedFeaturesTest, TheRankerFollowsEachActionThroughWhatRetrieversLearned) {
  const auto engine = Open(kRecipe, "2024-05-02");
  FillCamps(*engine);
  EXPECT_EQ(Value(*engine, "u1", "i3", "goes_with"), std::nullopt);  // nothing is learned yet
  TrainAndActivate(*engine);
  Click(*engine, "new", "i2");
  const auto even = engine->Rank(List("new"));
  ASSERT_TRUE(even.ok()) << even.status();
  EXPECT_EQ(even->items[0].item, "i8");
  EXPECT_EQ(even->items[1].item, "i12");
  Click(*engine, "other", "i7");
  const auto odd = engine->Rank(List("other"));
  ASSERT_TRUE(odd.ok()) << odd.status();
  EXPECT_EQ(odd->items[0].item, "i3");
  EXPECT_EQ(odd->items[1].item, "i5");
  EXPECT_GT(Value(*engine, "new", "i8", "goes_with").value(), 0);
  EXPECT_EQ(Value(*engine, "new", "i3", "goes_with"), 0);
  EXPECT_GT(Value(*engine, "new", "i8", "like").value(),
            Value(*engine, "new", "i3", "like").value());
  EXPECT_EQ(Value(*engine, "nobody", "i8", "like"), std::nullopt);
}

TEST_F(LearnedFeaturesTest, WhatWasServedIsReadAgainByTheServableThatServed) {
  const auto engine = Open(kRecipe, "2024-05-02");
  FillCamps(*engine);
  const std::string first = TrainAndActivate(*engine);
  ASSERT_TRUE(engine->Rank(List("u1")).ok());
  const double before = Value(*engine, "u1", "i5", "goes_with").value();
  ExpectNoSkew(*engine, 1);
  // Odd and even go together from now on, and the next servable knows it.
  for (int user = 0; user < 40; ++user) {
    for (int item = 0; item < 10; ++item) {
      Click(*engine, StrCat("both", user), StrCat("i", item));
    }
  }
  const std::string second = TrainAndActivate(*engine);
  ASSERT_NE(first, second);
  EXPECT_NE(Value(*engine, "u1", "i5", "goes_with").value(), before);
  ASSERT_TRUE(engine->Rank(List("u1")).ok());
  RecommendRequest request;
  request.user = "u1";
  const auto slate = engine->Recommend(request);
  ASSERT_TRUE(slate.ok()) << slate.status();
  EXPECT_TRUE(slate->degraded.empty());
  ExpectNoSkew(*engine, 3);
  ASSERT_TRUE(engine->Rollback().ok());
  EXPECT_EQ(Value(*engine, "u1", "i5", "goes_with").value(), before);
}

// Each user takes three goods that nobody else ever sees: a map of the whole log would know them
// for each other's neighbours, and order every slate right.
TEST_F(LearnedFeaturesTest, RowsReadMapsThatDoNotKnowWhatCameOfThem) {
  const auto engine = Open(kRecipe, "2024-05-02");
  for (int user = 0; user < 200; ++user) {
    const auto good = [&](int number) { return StrCat("g", user, "-", number); };
    for (int slate = 0; slate < 3; ++slate) {
      Show(3 * user + slate, StrCat("u", user), {good(slate), good(slate + 3)}, good(slate));
    }
  }
  Import(*engine, Write("log.jsonl", lines()));
  const auto report = JudgeRanker(*engine);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows.size(), 2);
  const MetricEstimate& auc = report->rows[1].metrics.back();
  EXPECT_EQ(auc.name, "AUC");
  EXPECT_NEAR(auc.mean, 0.5, 0.05);
}

}  // namespace
}  // namespace fourfold
