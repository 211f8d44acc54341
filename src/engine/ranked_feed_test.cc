#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"
#include "engine/test_engine.h"

// The feed in the order of a ranker that was trained on actions alone.
namespace fourfold {
namespace {

// Everybody buys their own favourite each day; retrieval knows only what is popular.
constexpr std::string_view kRecipe = R"(name: favourites
catalogue: {items: acted_on}
retrievers:
  - {name: popular, kind: popular}
features:
  - {name: bought, kind: count, entity: user_item, types: [buy]}
  - {name: place, kind: input_field, field: blend.rank}
ranker:
  rows: retrieved
  labels: {buy: 1}
  rounds: 20
  early_stopping_rounds: 0
  min_child_weight: 0
evaluation:
  split: time
  validation_cut: 2024-05-13
  cut: 2024-05-16
  variant: all
)";

class RankedFeedTest : public EngineTest {
 protected:
  static constexpr int kUsers = 20;
  static constexpr int kItems = 10;

  void Fill(Engine& engine) const {
    std::string lines;
    for (int day = 0; day < 20; ++day) {
      for (int user = 0; user < kUsers; ++user) {
        StrAppend(&lines, R"({"event":"interaction","type":"buy","id":"e)", day, "-", user,
                  R"(","user":"u)", user, R"(","item":"i)", user % kItems, R"(","timestamp":)",
                  At("2024-05-01") + day * 86'400'000LL + user * 60'000, "}\n");
      }
    }
    Import(engine, Write("log.jsonl", lines));
  }
  static RecommendResponse Ask(Engine& engine, std::string user) {
    RecommendRequest request;
    request.user = std::move(user);
    request.limit = 3;
    auto response = engine.Recommend(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return *std::move(response);
  }
};

TEST_F(RankedFeedTest, ARankerOfActionsAlonePutsTheFeedInOrderAndFollowsEachAction) {
  const auto engine = Open(kRecipe, "2024-05-21");
  Fill(*engine);
  TrainAndActivate(*engine);
  for (int user = 0; user < kUsers; ++user) {
    const RecommendResponse slate = Ask(*engine, StrCat("u", user));
    EXPECT_EQ(slate.items[0].item, StrCat("i", user % kItems)) << user;
    EXPECT_GT(slate.items[0].blend_rank, 0);
  }
  const std::string last = Ask(*engine, "new").items[2].item;
  // As often as the rows of training had seen somebody buy.
  for (int i = 0; i < 15; ++i) {
    Ingest(*engine,
           StrCat(R"({"event":"interaction","user":"new","type":"buy","item":")", last, R"("})"));
  }
  EXPECT_EQ(Ask(*engine, "new").items[0].item, last);
}

TEST_F(RankedFeedTest, TheRankerIsJudgedAgainstTheBlendOnWhatCameLater) {
  const auto engine = Open(kRecipe, "2024-05-21");
  Fill(*engine);
  std::string notes;
  EvaluateRequest request;
  request.resamples = 100;
  request.note = [&](std::string_view note) { StrAppend(&notes, note, "\n"); };
  const auto report = engine->Evaluate(request);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows.size(), 3);
  const EvaluationRow& blend = report->rows[1];
  const EvaluationRow& ranker = report->rows[2];
  EXPECT_EQ(ranker.method, "ranker");
  EXPECT_EQ(ranker.metrics[0].mean, 1);
  EXPECT_LT(blend.metrics[0].high, 1);
  EXPECT_EQ(ranker.compared_with, "blend");
  EXPECT_GT(ranker.paired_difference[0].low, 0);
  // 300 moments lie before the cut; the first half of them taught retrieval.
  EXPECT_NE(notes.find("retrieval found 150 of the 150 items"), std::string::npos) << notes;
}

TEST_F(RankedFeedTest, ARankerOfRegularMomentsIsTrainedForTheFirstPlaces) {
  std::string recipe(kRecipe);
  const std::string rounds = "  rounds: 20\n";
  recipe.replace(recipe.find(rounds), rounds.size(),
                 StrCat(rounds, "  cutoff: 3\n  moments_every: 1d\n  attribution_window: 1d\n"));
  const auto engine = Open(recipe, "2024-05-21");
  Fill(*engine);
  std::string notes;
  EvaluateRequest request;
  request.resamples = 100;
  request.note = [&](std::string_view note) { StrAppend(&notes, note, "\n"); };
  const auto report = engine->Evaluate(request);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows.size(), 3);
  EXPECT_EQ(report->rows[2].method, "ranker");
  EXPECT_EQ(report->rows[2].metrics[0].mean, 1);
  EXPECT_GT(report->rows[2].paired_difference[0].low, 0);
  // Each day but the first, for each of the 20 users; half of these moments taught retrieval.
  EXPECT_NE(notes.find("training rows: 140 requests"), std::string::npos) << notes;
}

TEST_F(RankedFeedTest, TheRankersOfALogOfActionsAreJudgedOnTheirCandidates) {
  const auto engine = Open(kRecipe, "2024-05-21");
  Fill(*engine);
  const auto report = JudgeRanker(*engine);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows.size(), 2);
  EXPECT_EQ(report->rows[1].metrics[0].mean, 1);
  EXPECT_LT(report->rows[0].metrics[0].mean, 1);
}

TEST_F(RankedFeedTest, ALogThatWasKnownOnceItWasImportedTeachesRetrievalByWhatHadHappened) {
  const auto engine =
      Open(StrCat(kRecipe, "import: {format: jsonl, knowledge: ingest}\n"), "2024-05-21");
  Fill(*engine);
  const auto report = JudgeRanker(*engine);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->queries, 0U);
}

TEST_F(RankedFeedTest, ALogTooShortForARankerServesTheBlend) {
  const auto engine = Open(kRecipe, "2024-05-21");
  Ingest(*engine, R"({"event":"interaction","user":"u","type":"buy","item":"i"})");
  TrainAndActivate(*engine);
  const RecommendResponse slate = Ask(*engine, "u");
  ASSERT_EQ(slate.items.size(), 1);
  EXPECT_EQ(slate.items[0].blend_rank, 0);
}

}  // namespace
}  // namespace fourfold
