#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "engine/test_engine.h"

// Learning and judging where a recipe limits history: what would need older history is refused or
// left out, and told, whether the older history is removed by now or not.
namespace fourfold {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr int kUsers = 20;
constexpr int kDays = 40;
constexpr std::string_view kNow = "2024-06-10";  // history begins 20 days before, on May 21

std::string RecipeWith(std::string_view popular_window, std::string_view more) {
  return StrCat("name: limited\ncatalogue: {items: acted_on}\nretain: 20d\n",
                "retrievers:\n  - {name: popular, kind: popular, window: ", popular_window,
                "}\n  - {name: near, kind: item_cf}\n", more);
}

std::string CutAt(std::string_view cut) {
  return StrCat("evaluation: {split: time, variant: all, cut: ", cut, "}\n");
}

class LearningRetentionTest : public EngineTest {
 protected:
  // From May 1 on everybody buys one of ten items each day, a minute after the one before.
  static std::string Purchases() {
    std::string lines;
    for (int day = 0; day < kDays; ++day) {
      for (int user = 0; user < kUsers; ++user) {
        StrAppend(&lines, R"({"event":"interaction","type":"buy","id":"e)", day, "-", user,
                  R"(","user":"u)", user, R"(","item":"i)", (user + day / 3) % 10,
                  R"(","timestamp":)", At("2024-05-01") + day * kDayMs + user * 60'000, "}\n");
      }
    }
    return lines;
  }
  std::unique_ptr<Engine> OpenFilled(const std::string& recipe) const {
    auto engine = Open(recipe, kNow);
    Import(*engine, Write("log.jsonl", Purchases()));
    return engine;
  }
  static void Retain(Engine& engine) {
    const auto report = engine.Retain({});
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_EQ(report->events, 20u * kUsers);
  }
  static absl::StatusOr<EvaluationReport> Evaluate(Engine& engine, std::string_view split = "") {
    EvaluateRequest request;
    request.resamples = 20;
    request.tune = false;
    request.split = split;
    return engine.Evaluate(request);
  }
  static std::string RefusalOf(const absl::Status& status) {
    EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
    return std::string(status.message());
  }
  // The notes of a training that publishes a servable.
  static std::string NotesOf(Engine& engine, bool evaluate) {
    std::string notes;
    TrainRequest request;
    request.evaluate = evaluate;
    request.tune = evaluate;
    request.note = [&](std::string_view note) { StrAppend(&notes, note, "\n"); };
    const auto version = engine.Train(request);
    EXPECT_TRUE(version.ok()) << version.status();
    return notes;
  }
};

TEST_F(LearningRetentionTest, ACutBelowTheHorizonIsRefused) {
  const auto engine = OpenFilled(RecipeWith("1d", CutAt("2024-05-20")));
  for (int turn = 0; turn < 2; ++turn) {
    EXPECT_THAT(RefusalOf(Evaluate(*engine).status()), HasSubstr("the cut at 2024-05-20"));
    EXPECT_THAT(NotesOf(*engine, /*evaluate=*/true), HasSubstr("the servable has no metrics"));
    if (turn == 0) Retain(*engine);
  }
}

TEST_F(LearningRetentionTest, AnExamWhoseRetrieverWouldLearnFromAPartOfItsWindowIsRefused) {
  for (const std::string_view cut : {"2024-05-30", "2024-06-04"}) {
    const bool is_whole = cut == "2024-06-04";
    std::filesystem::remove_all(Path("engine"));
    const auto engine =
        OpenFilled(RecipeWith("10d", StrCat("policy: {history_window: 2d}\n", CutAt(cut))));
    std::string first;
    for (int turn = 0; turn < 2; ++turn) {
      const auto report = Evaluate(*engine);
      if (!is_whole) {
        EXPECT_THAT(
            RefusalOf(report.status()),
            HasSubstr("the window of the retriever popular, 10d, begins before 2024-05-21"));
      } else {
        ASSERT_TRUE(report.ok()) << report.status();
        EXPECT_THAT(report->description, HasSubstr("actions from 2024-05-21"));
        // 14 days lie before the cut; what is older is in no fit. The clock has left the first.
        EXPECT_THAT(report->description,
                    HasSubstr(StrCat("fitted on ", 14 * kUsers - 1, " actions")));
        std::string values;
        for (const EvaluationRow& row : report->rows) {
          for (const MetricEstimate& metric : row.metrics) {
            StrAppend(&values, row.method, " ", metric.name, " ", metric.mean, "\n");
          }
        }
        if (turn == 0) first = values;
        EXPECT_EQ(values, first);
      }
      if (turn == 0) Retain(*engine);
    }
  }
}

TEST_F(LearningRetentionTest, AnExamWhoseHistoriesReachBelowTheHorizonIsRefusedOnceTheyAreGone) {
  const auto engine = OpenFilled(
      RecipeWith("1d", StrCat("tuning: {enabled: true, weights: [0, 1]}\n", CutAt("2024-06-04"))));
  ASSERT_TRUE(Evaluate(*engine).ok());
  Retain(*engine);
  const std::string refusal = RefusalOf(Evaluate(*engine).status());
  EXPECT_THAT(refusal, HasSubstr("reaches back to 2024-05-15"));
  EXPECT_THAT(refusal, HasSubstr("below the horizon 2024-05-20T23:59"));
  const std::string notes = NotesOf(*engine, /*evaluate=*/true);
  EXPECT_THAT(notes, HasSubstr("the blend keeps the recipe's weights: "));
  EXPECT_THAT(notes, HasSubstr("the servable has no metrics: "));
}

TEST_F(LearningRetentionTest, QuestionsThatNeedWhatIsGoneAreLeftOutAndCounted) {
  const auto engine = OpenFilled(RecipeWith("1d", "policy: {history_window: 5d}\n"));
  // Whose last of three actions was four days after history begins.
  std::string early;
  for (int day = 22; day < 25; ++day) {
    StrAppend(&early, R"({"event":"interaction","type":"buy","user":"early","item":"i)", day % 10,
              R"(","timestamp":)", At("2024-05-01") + day * kDayMs, "}\n");
  }
  Import(*engine, Write("early.jsonl", early));
  const auto whole = Evaluate(*engine, "leave_one_out");
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->queries, kUsers + 1u);
  EXPECT_THAT(whole->description, Not(HasSubstr("left out")));
  Retain(*engine);
  const auto report = Evaluate(*engine, "leave_one_out");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->queries, unsigned{kUsers});
  EXPECT_THAT(report->description, HasSubstr("1 queries are left out"));
}

TEST_F(LearningRetentionTest, TrainingAsOfAMomentThatNeedsWhatIsGoneIsRefusedAndPublishesNothing) {
  const auto engine = OpenFilled(RecipeWith("1d", ""));
  TrainRequest request;
  request.evaluate = request.tune = false;
  request.as_of_ms = At("2024-05-25");
  const auto version = engine->Train(request);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(engine->Servables()->at(0).actions, 20u * kUsers);
  Retain(*engine);
  EXPECT_THAT(RefusalOf(engine->Train(request).status()), HasSubstr("reaches back to 2024-05-05"));
  EXPECT_EQ(engine->Servables()->size(), 1u);
}

TEST_F(LearningRetentionTest, TrainingTellsWhichRetrieverKnowsOnlyAPartOfItsWindow) {
  // The last purchase is of the first minutes of June 9, a day before the clock.
  {
    const auto engine = OpenFilled(RecipeWith("20d", ""));
    const std::string notes = NotesOf(*engine, /*evaluate=*/false);
    EXPECT_THAT(notes, HasSubstr("the retriever popular learns from a part of its window: as of "
                                 "2024-06-09T00:19:00"));
    EXPECT_THAT(notes, HasSubstr("20d, begins before 2024-05-21T00:00:00"));
    EXPECT_THAT(notes, Not(HasSubstr("near")));
  }
  {
    const auto engine = Open(RecipeWith("19d", ""), kNow);
    EXPECT_THAT(NotesOf(*engine, /*evaluate=*/false), Not(HasSubstr("window")));
    Retain(*engine);
  }
  // History begins where the shorter `retain` left it. As of a moment that is named, a part of a
  // window is not what was asked for.
  std::string longer = RecipeWith("30d", "");
  longer.replace(longer.find("20d"), 3, "40d");
  const auto engine = Open(longer, kNow);
  const std::string notes = NotesOf(*engine, /*evaluate=*/false);
  EXPECT_THAT(notes, HasSubstr("30d, begins before 2024-05-20T23:59:"));
  TrainRequest request;
  request.evaluate = request.tune = false;
  request.as_of_ms = At("2024-06-08");
  const std::size_t published = engine->Servables()->size();
  EXPECT_THAT(RefusalOf(engine->Train(request).status()),
              HasSubstr("the window of the retriever popular, 30d, begins before"));
  EXPECT_EQ(engine->Servables()->size(), published);
}

TEST_F(LearningRetentionTest, AnExamOfEmbeddingsSaysFromWhereOnItLearned) {
  const auto engine = OpenFilled(RecipeWith("1d", R"(  - kind: eges
    name: vectors
    dimension: 8
    session_window: 0
    threads: 1
)"));
  EvaluateRequest request;
  request.task = "link_prediction";
  request.resamples = 20;
  const auto report = engine->Evaluate(request);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->description, HasSubstr("of actions from 2024-05-21T00:00:00"));
}

TEST_F(LearningRetentionTest, WhereNothingIsRetainedTrainingSaysSo) {
  const auto engine = Open(RecipeWith("1d", ""), kNow);
  Ingest(*engine, R"({"event": "interaction", "user": "u", "type": "buy", "item": "i",
                      "timestamp": "2024-05-02T00:00:00Z"})");
  const absl::Status status = engine->Train({}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("no action to learn from since 2024-05-21"));
}

constexpr std::string_view kRetrievedRanker = R"(policy: {history_window: 2d}
features:
  - {name: bought, kind: count, entity: user_item, types: [buy], window: 3d}
ranker:
  rows: retrieved
  labels: {buy: 1}
  rounds: 5
  early_stopping_rounds: 0
  min_child_weight: 0
)";

TEST_F(LearningRetentionTest, ARowWhoseRetrieversWouldKnowAPartOfTheirWindowIsNone) {
  const auto engine = OpenFilled(RecipeWith("10d", kRetrievedRanker));
  // Ten days remain, of which the first action is of the moment at which they begin. Half teach.
  for (const int left_out : {30 * kUsers + 1, 10 * kUsers + 1}) {
    const std::string notes = NotesOf(*engine, /*evaluate=*/false);
    EXPECT_THAT(notes, HasSubstr(StrCat(left_out, " requests are left out")));
    EXPECT_THAT(notes, HasSubstr("training rows: 100 requests"));
    if (left_out > 20 * kUsers) Retain(*engine);
  }
}

// What remains of rows that were cut short is of use while what the fits learn from is the same.
TEST_F(LearningRetentionTest, RowsOfFitsOnAnotherPastAreMadeAnew) {
  const std::string recipe = RecipeWith("10d", kRetrievedRanker);
  const auto cut_short = [](Engine& engine) {
    bool has_rows = false;
    TrainRequest request;
    request.evaluate = request.tune = false;
    request.progress = [&](std::string_view stage, double) {
      has_rows |= stage == "growing trees";
    };
    request.is_cancelled = [&] { return has_rows; };
    EXPECT_TRUE(absl::IsCancelled(engine.Train(request).status()));
  };
  for (const bool is_same_past : {true, false}) {
    std::filesystem::remove_all(Path("engine"));
    {
      const auto engine = Open(recipe, "2024-06-10T11:00:00Z");
      Import(*engine, Write("log.jsonl", Purchases()));
      Import(
          *engine,
          Write(
              "early.jsonl",
              StrCat(R"({"event":"interaction","type":"buy","user":"u1","item":"i7","timestamp":)",
                     At("2024-05-21T12:00:00Z"), "}\n")));
      cut_short(*engine);
    }
    // All purchases are of the minutes after midnight, but one at noon on the day where what counts
    // begins: no row goes with it.
    const auto engine =
        Open(recipe, is_same_past ? "2024-06-10T11:30:00Z" : "2024-06-10T13:00:00Z");
    const std::string notes = NotesOf(*engine, /*evaluate=*/false);
    EXPECT_EQ(notes.find("those of a training that was cut short") != std::string::npos,
              is_same_past)
        << notes;
  }
}

// The feed may look back as far as history goes; rows of slates do not.
TEST_F(LearningRetentionTest, RowsOfSlatesNeedNoMoreHistoryThanTheirFeatures) {
  const auto engine = OpenFilled(RecipeWith("1d", R"(policy: {history_window: 20d}
features:
  - {name: price, kind: input_field, field: price}
  - {name: bought, kind: count, entity: user_item, types: [buy], window: 3d}
ranker: {labels: {buy: 1}, rounds: 5, early_stopping_rounds: 0, min_child_weight: 0}
)"));
  std::string lines;
  for (int day = 0; day < kDays; ++day) {
    StrAppend(&lines, R"({"event":"ranking","id":"s)", day, R"(","user":"u1","timestamp":)",
              At("2024-05-01") + day * kDayMs, R"(,"items":[)");
    for (int item = 0; item < 3; ++item) {
      StrAppend(&lines, item == 0 ? "" : ",", R"({"id":"i)", item,
                R"(","fields":[{"name":"price","value":)", item == day % 3 ? 5 : 9, "}]}");
    }
    StrAppend(&lines, "]}\n", R"({"event":"interaction","id":"a)", day, R"(","ranking":"s)", day,
              R"(","user":"u1","type":"buy","item":"i)", day % 3, R"(","timestamp":)",
              At("2024-05-01") + day * kDayMs, "}\n");
  }
  Import(*engine, Write("slates.jsonl", lines));
  // From the moment three days after history begins to the last: days 24 to 39.
  EXPECT_THAT(NotesOf(*engine, /*evaluate=*/false), HasSubstr("training rows: 16 requests"));
}

}  // namespace
}  // namespace fourfold
