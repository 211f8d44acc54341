#include "offline/ranking/row_replay.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "feature/event_store_testing.h"
#include "feature/plan/learned_items_testing.h"
#include "offline/ranking/write_training_rows.h"

namespace fourfold {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

class RowReplayTest : public EventStoreTest {
 protected:
  RowReplayTest() {
    const std::vector<std::string> clicks = {"click"};
    const FieldValue item = std::string("item");
    plan_ = FeaturePlan::Compile(
                {{"clicks", "count", {{"entity", item}, {"types", clicks}}},
                 {"session_clicks", "count", {{"entity", std::string("session_item")}}},
                 {"price", "input_field", {{"field", std::string("price")}}},
                 {"hour", "request", {{"of", std::string("hour")}}},
                 {"place", "shown_position", {{"serving", 7.0}}},
                 {"latest", "sequence", {{"entity", std::string("user")}, {"length", 3.0}}}})
                .value();
    row_options_.labels = {{"click", 1}, {"buy", 2}};
  }

  Event Slate(std::string id, std::string session, std::int64_t step, std::int64_t time_ms,
              const std::vector<std::string>& items) {
    Event event = Ranking(std::move(id), "u", items, time_ms);
    event.session = std::move(session);
    event.step = step;
    for (std::size_t i = 0; i < event.items.size(); ++i) {
      event.items[i].fields = {{"price", static_cast<double>(10 * (i + 1))}};
    }
    return event;
  }
  Event Answer(std::string id, std::string slate, std::string item, std::int64_t time_ms,
               std::string type = "click") {
    Event event = Action(std::move(id), "u", std::move(item), time_ms);
    event.ranking = std::move(slate);
    event.type = std::move(type);
    return event;
  }

  RowReplay Replay() {
    EXPECT_TRUE(store_->Flush().ok());
    auto replay = RowReplay::Start(*store_, *plan_, row_options_, EverythingKnown());
    EXPECT_TRUE(replay.ok()) << replay.status();
    return *std::move(replay);
  }
  ReplayedRequest Read(const RowReplay& replay, std::size_t row) {
    ReplayedRequest replayed;
    const absl::Status status = replay.Read(row, &replayed, &table_);
    EXPECT_TRUE(status.ok()) << status;
    return replayed;
  }

  std::shared_ptr<const FeaturePlan> plan_;
  RowOptions row_options_;
  FeatureTable table_;
};

TEST_F(RowReplayTest, LabelsAreTheBestAnswerWithinTheWindow) {
  row_options_.attribution_window_ms = 100;
  Import(Slate("s1", "a", 1, 1000, {"x", "y", "z"}));
  Import(Answer("a1", "s1", "x", 1010));
  Import(Answer("a2", "s1", "x", 1020, "buy"));
  Import(Answer("a3", "s1", "y", 1101));          // too late
  Import(Answer("a4", "other", "z", 1030));       // of another slate
  Import(Answer("a5", "s1", "z", 1030, "look"));  // of no type that counts
  Import(Action("end", "u", "x", 2000));
  const RowReplay replay = Replay();
  ASSERT_EQ(replay.size(), 1);
  EXPECT_EQ(Read(replay, 0).labels, (std::vector<float>{2, 0, 0}));
}

TEST_F(RowReplayTest, OutcomesSayWhichHeadsCameOfEachCandidate) {
  row_options_.attribution_window_ms = 100;
  row_options_.labels = {{"click", 1}};
  row_options_.heads = {{"click", {"click"}}, {"bad", {"hide", "report"}}};
  row_options_.answered_only = true;
  Import(Slate("s1", "a", 1, 1000, {"x", "y", "z"}));
  Import(Answer("a1", "s1", "x", 1010));
  Import(Answer("a2", "s1", "x", 1020, "report"));
  Import(Answer("a3", "s1", "y", 1030, "hide"));
  Import(Answer("a4", "s1", "z", 1101, "hide"));  // too late
  Import(Slate("s2", "a", 2, 1200, {"x"}));
  Import(Answer("a5", "s2", "x", 1200, "hide"));
  Import(Slate("s3", "a", 3, 1300, {"x"}));  // nothing came of it
  Import(Action("end", "u", "x", 2000));
  const RowReplay replay = Replay();
  ASSERT_EQ(replay.size(), 2);
  const ReplayedRequest replayed = Read(replay, 0);
  EXPECT_EQ(replayed.labels, (std::vector<float>{1, 0, 0}));
  EXPECT_EQ(replayed.outcomes, (std::vector<std::uint32_t>{0b11, 0b10, 0}));
  EXPECT_EQ(Read(replay, 1).outcomes, std::vector<std::uint32_t>{0b10});
}

TEST_F(RowReplayTest, AnImportedSlateSeesWhatWasBeforeItAndItsSessionsEarlierSteps) {
  Import(Action("c1", "v", "x", 500));
  Event own = InSession(Action("c2", "u", "x", 1000), "a");
  own.step = 1;
  Import(own);
  Import(InSession(Action("c3", "v", "x", 1000), "b"));  // the same moment, another session
  Import(Slate("s1", "a", 2, 1000, {"x", "y"}));
  Import(Answer("a1", "s1", "x", 1000));
  const RowReplay replay = Replay();
  const ReplayedRequest replayed = Read(replay, 0);
  EXPECT_EQ(table_.columns[0], (std::vector<float>{2, 0}));
  EXPECT_EQ(table_.columns[1], (std::vector<float>{1, 0}));
  EXPECT_EQ(table_.columns[2], (std::vector<float>{10, 20}));
  EXPECT_EQ(table_.columns[4], (std::vector<float>{1, 2}));
  EXPECT_EQ(table_.sequences[0].items, std::vector<std::string>{"x"});
  EXPECT_EQ(replayed.request.now_ms, 1000);
}

// An imported slate states its query apart; a served one has it among the fields of its request.
TEST_F(RowReplayTest, TheQueryOfASlateIsThatOfItsRequest) {
  plan_ = FeaturePlan::Compile({{"searched", "count", {{"entity", std::string("query_item")}}},
                                {"is_mug",
                                 "request",
                                 {{"of", std::string("field")},
                                  {"field", std::string("query")},
                                  {"categories", std::vector<std::string>{"pot", "mug"}}}}})
              .value();
  const auto click = [&](std::string id, std::string item, std::string query, std::int64_t at_ms) {
    Event event = Action(std::move(id), "v", std::move(item), at_ms);
    event.fields = {{"query", std::move(query)}};
    Import(event);
  };
  click("c1", "x", "mug", 500);
  click("c2", "y", "pot", 500);
  Event told = Slate("s1", "a", 1, 1000, {"x", "y"});
  told.query_text = "mug";
  told.fields = {{"query", 7.0}};
  Import(told);
  click("c3", "x", "mug", 1000);  // of the same moment
  Event in_fields = Slate("s2", "a", 2, 2000, {"x", "y"});
  in_fields.fields = {{"query", "pot"}};
  Import(in_fields);
  Import(Slate("s3", "a", 3, 3000, {"x", "y"}));
  Import(Answer("a1", "s3", "x", 3000));
  const RowReplay replay = Replay();
  ASSERT_EQ(replay.size(), 3);
  Read(replay, 0);
  EXPECT_EQ(table_.columns[0], (std::vector<float>{1, 0}));
  EXPECT_EQ(table_.columns[1], std::vector<float>{1});
  Read(replay, 1);
  EXPECT_EQ(table_.columns[0], (std::vector<float>{0, 1}));
  Read(replay, 2);
  EXPECT_EQ(table_.columns[0], (std::vector<float>{0, 0}));
}

TEST_F(RowReplayTest, AServedSlateIsReadWhereItWasServed) {
  Import(Action("c1", "u", "x", 500));
  Event slate = Slate("s1", "", 0, 1000, {"x"});
  slate.served_from = {.as_of_ms = 900,
                       .known_at_ms = 900,
                       .position_end = 1,
                       .servable = "abc",
                       .after_request = ""};
  Import(Action("c2", "u", "x", 800));  // arrived after the request began
  Import(slate);
  const RowReplay replay = Replay();
  EXPECT_EQ(Read(replay, 0).request.now_ms, 900);
  EXPECT_EQ(table_.columns[0], std::vector<float>{1});
}

TEST_F(RowReplayTest, AServedSlateReadsNothingOfHowTheRowBeforeItWasRead) {
  Event own = InSession(Action("c1", "u", "x", 900), "a");
  own.tie_group = "g";
  Import(own);
  Event imported = Slate("s1", "a", 5, 1000, {"x"});
  imported.tie_group = "g";
  Import(imported);
  Event served = Slate("s2", "", 0, 1001, {"x"});
  served.served_from = {.as_of_ms = 1001,
                        .known_at_ms = 1001,
                        .position_end = 2,
                        .servable = "abc",
                        .after_request = ""};
  Import(served);
  const RowReplay replay = Replay();
  ASSERT_EQ(replay.size(), 2);
  ReplayedRequest replayed;
  ASSERT_TRUE(replay.Read(0, &replayed, &table_).ok());
  EXPECT_EQ(table_.columns[0], std::vector<float>{0});  // of its own tie group
  ASSERT_TRUE(replay.Read(1, &replayed, &table_).ok());
  EXPECT_EQ(table_.columns[0], std::vector<float>{1});
}

TEST_F(RowReplayTest, ARowSeesNothingThatLiesPastTheEnd) {
  Import(Action("c1", "v", "x", 500));
  Event served = Slate("s1", "", 0, 1000, {"x"});
  served.served_from = {.as_of_ms = 9000,
                        .known_at_ms = 9000,
                        .position_end = 9,
                        .servable = "abc",
                        .after_request = ""};
  Import(served);
  Import(Slate("s2", "a", 1, 1000, {"x"}));
  Import(Action("c2", "v", "x", 2000));
  Import(Action("c3", "v", "x", 600), 3000);
  ReadPoint end = At(1000, 1000);
  end.position_end = store_->EndPosition();
  for (const std::size_t bytes_max : {std::size_t{1} << 30, std::size_t{0}}) {
    const auto replay = RowReplay::Start(*store_, *plan_, row_options_, end, kSinceForEverMs,
                                         {.bytes_max = bytes_max});
    ASSERT_TRUE(replay.ok()) << replay.status();
    Import(Action(StrCat("late", bytes_max), "v", "x", 700));  // and past its position
    ASSERT_EQ(replay->size(), 2);
    for (const std::size_t row : {0, 1}) {
      Read(*replay, row);
      EXPECT_EQ(table_.columns[0], std::vector<float>{1}) << row;
    }
  }
}

// Whether the window of a slate is over nobody can say before that moment.
TEST_F(RowReplayTest, NoMomentCountsThatIsLaterThanWhatIsKnownAtTheEnd) {
  row_options_.attribution_window_ms = 100;
  Import(Slate("s1", "a", 1, 1000, {"x"}));
  Import(Slate("s2", "a", 2, 1950, {"x"}));
  Import(Slate("s3", "a", 3, 2500, {"x"}), 1990);  // known before it happened
  Import(Action("c1", "u", "x", 5000));
  const auto replay = RowReplay::Start(*store_, *plan_, row_options_, At(9000, 2000));
  ASSERT_TRUE(replay.ok()) << replay.status();
  ASSERT_EQ(replay->size(), 1);
  EXPECT_EQ(Read(*replay, 0).id, "s1");
  EXPECT_EQ(replay->counts().window_open, 1);
}

// What was in the log by then was made superfluous by what came after, and is gone.
TEST_F(RowReplayTest, ASlateThatWasServedFromALogBelowTheHorizonIsNoRow) {
  plan_ = FeaturePlan::Compile({{"price", "attribute", {{"field", std::string("price")}}}}).value();
  Import(ItemFields("f1", "x", 100, {{"price", 1.0}}));
  Import(ItemFields("f2", "x", 200, {{"price", 2.0}}));
  const auto serve = [&](std::string id, Position end) {
    Event slate = Slate(std::move(id), "", 0, 1000, {"x"});
    slate.served_from = {.as_of_ms = 1000,
                         .known_at_ms = 1000,
                         .position_end = end,
                         .servable = "abc",
                         .after_request = ""};
    Import(slate);
  };
  serve("before", 1);
  serve("after", 2);
  {
    const RowReplay replay = Replay();
    ASSERT_EQ(replay.size(), 2);
    Read(replay, 0);
    EXPECT_EQ(table_.columns[0], std::vector<float>{1});
  }
  const auto removed = store_->RemoveBefore(500, {});
  ASSERT_TRUE(removed.ok()) << removed.status();
  ASSERT_EQ(removed->events, 1u);
  const RowReplay replay = Replay();
  ASSERT_EQ(replay.size(), 1);
  EXPECT_EQ(replay.counts().too_early, 1u);
  EXPECT_EQ(Read(replay, 0).id, "after");
  EXPECT_EQ(table_.columns[0], std::vector<float>{2});
}

TEST_F(RowReplayTest, SlatesWhoseWindowIsOpenAreLeftOut) {
  row_options_.attribution_window_ms = kDayMs;
  Import(Slate("s1", "a", 1, 1000, {"x"}));
  Import(Slate("s2", "a", 2, 1000 + kDayMs / 2, {"x"}));
  Import(Action("end", "u", "x", 1000 + kDayMs));
  const RowReplay replay = Replay();
  ASSERT_EQ(replay.size(), 1);
  EXPECT_EQ(Read(replay, 0).id, "s1");
  EXPECT_EQ(replay.counts().window_open, 1);
}

TEST_F(RowReplayTest, SlatesAreLeftOutWhereNothingCameOfThemOrTheyAreShort) {
  row_options_.answered_only = true;
  row_options_.items_min = 2;
  Import(Slate("short", "a", 1, 1000, {"x"}));
  Import(Slate("unanswered", "a", 2, 1001, {"x", "y"}));
  Import(Slate("foreign", "a", 3, 1002, {"x", "y"}));
  Import(Answer("a1", "foreign", "elsewhere", 1002));
  Import(Slate("good", "a", 4, 1003, {"x", "y"}));
  Import(Answer("a2", "good", "y", 1003));
  const RowReplay replay = Replay();
  ASSERT_EQ(replay.size(), 1);
  EXPECT_EQ(Read(replay, 0).id, "good");
  EXPECT_EQ(replay.counts().few_items, 1);
  EXPECT_EQ(replay.counts().unanswered, 2);
}

TEST_F(RowReplayTest, AJudgementSeesWhatWasStrictlyBeforeIt) {
  row_options_.rows = RowOptions::Rows::kActions;
  row_options_.labels = {{"click", 1}, {"skip", 0}};
  Import(Action("c1", "u", "x", 1000));
  Import(Action("c2", "v", "x", 1000));  // the same moment
  Event skip = Action("c3", "u", "x", 1001);
  skip.type = "skip";
  skip.fields = {{"price", 5.0}};
  Import(skip);
  const RowReplay replay = Replay();
  ASSERT_EQ(replay.size(), 3);
  EXPECT_EQ(Read(replay, 0).labels, std::vector<float>{1});
  EXPECT_EQ(table_.columns[0], std::vector<float>{0});
  Read(replay, 1);
  EXPECT_EQ(table_.columns[0], std::vector<float>{0});
  EXPECT_EQ(Read(replay, 2).labels, std::vector<float>{0});
  EXPECT_EQ(table_.columns[0], std::vector<float>{2});
  EXPECT_TRUE(std::isnan(table_.columns[2][0]));  // its own fields are not known before it
}

TEST_F(RowReplayTest, MomentsGetTheCandidatesOfRetrievalReadJustBeforeThem) {
  row_options_.rows = RowOptions::Rows::kRetrieved;
  row_options_.attribution_window_ms = 100;
  Import(Action("c0", "u", "x", 500));
  Import(Action("c1", "u", "x", 1000));
  Event look = Action("c2", "u", "y", 1050);
  look.type = "look";
  Import(look);
  Import(Action("c3", "u", "w", 1100));
  Import(Action("end", "v", "x", 5000));
  RowReplay replay = Replay();
  std::int64_t asked_as_of_ms = 0;
  replay.RetrieveFrom(
      1000, [&](const FeatureRequest& request, std::vector<FeatureCandidate>* candidates) {
        EXPECT_EQ(request.user, "u");
        asked_as_of_ms = request.at.as_of_ms;
        *candidates = {{"x", {{"price", 3.0}}, 0}, {"y", {}, 0}, {"z", {}, 0}};
        return absl::OkStatus();
      });
  ASSERT_EQ(replay.size(), 2);  // that at 500 is before, that at 5000 has its window open
  const ReplayedRequest replayed = Read(replay, 0);
  EXPECT_EQ(asked_as_of_ms, 999);
  ASSERT_EQ(replayed.request.candidates.size(), 2);  // y was looked at: not known not to be wanted
  EXPECT_EQ(replayed.request.candidates[1].item, "z");
  EXPECT_EQ(replayed.labels, (std::vector<float>{1, 0}));
  EXPECT_EQ(replayed.relevant, 2);                           // x and w, which was not found
  EXPECT_EQ(table_.columns[0], (std::vector<float>{1, 0}));  // the click at 500 alone
  EXPECT_EQ(table_.columns[2][0], 3);
}

TEST_F(RowReplayTest, RegularMomentsAreReadBeforeTheirOwnTime) {
  row_options_.rows = RowOptions::Rows::kRetrieved;
  row_options_.attribution_window_ms = 1000;
  row_options_.moments_every_ms = 1500;
  Import(InSession(Action("c0", "u", "x", 2499), "a"));
  Import(InSession(Action("c1", "u", "y", 2500), "b"));
  Import(InSession(Action("c2", "u", "y", 3000), "c"));
  Import(Action("c3", "v", "x", 2600));  // the first of its user
  Import(Action("end", "v", "x", 5000));
  RowReplay replay = Replay();
  FeatureRequest asked;
  replay.RetrieveFrom(
      0, [&](const FeatureRequest& request, std::vector<FeatureCandidate>* candidates) {
        asked = request;
        *candidates = {{"x", {}, 0}, {"y", {}, 0}};
        return absl::OkStatus();
      });
  // At 4000 and at 2500; at 4000 only v acts within the window.
  ASSERT_EQ(replay.size(), 2);
  EXPECT_EQ(replay.event_time_ms(0), 2500);
  EXPECT_EQ(Read(replay, 0).labels, (std::vector<float>{0, 1}));
  EXPECT_EQ(asked.user, "u");
  EXPECT_EQ(asked.session, "");
  EXPECT_EQ(asked.now_ms, 2500);
  EXPECT_EQ(asked.at.as_of_ms, 2499);
  EXPECT_EQ(asked.at.known_at_ms, 2499);
  EXPECT_EQ(table_.columns[0], (std::vector<float>{1, 0}));  // what was clicked at 2499
  EXPECT_EQ(replay.event_time_ms(1), 4000);
  EXPECT_EQ(Read(replay, 1).request.user, "v");
}

TEST_F(RowReplayTest, WhatIsOfAHeadIsACandidateOfAMomentThoughItHasNoLabel) {
  row_options_.rows = RowOptions::Rows::kRetrieved;
  row_options_.attribution_window_ms = 100;
  row_options_.labels = {{"click", 1}};
  row_options_.heads = {{"click", {"click"}}, {"hide", {"hide"}}};
  Import(Action("c1", "u", "x", 1000));
  Event hide = Action("c2", "u", "y", 1050);
  hide.type = "hide";
  Import(hide);
  Import(Action("end", "v", "x", 5000));
  RowReplay replay = Replay();
  replay.RetrieveFrom(0, [](const FeatureRequest&, std::vector<FeatureCandidate>* candidates) {
    *candidates = {{"x", {}, 0}, {"y", {}, 0}, {"z", {}, 0}};
    return absl::OkStatus();
  });
  ASSERT_EQ(replay.size(), 1);
  const ReplayedRequest replayed = Read(replay, 0);
  EXPECT_EQ(replayed.labels, (std::vector<float>{1, 0, 0}));
  EXPECT_EQ(replayed.outcomes, (std::vector<std::uint32_t>{0b01, 0b10, 0}));
}

TEST_F(RowReplayTest, SomeOfTheNegativesStandForAll) {
  row_options_.labels = {{"click", 1}};
  row_options_.heads = {{"click", {"click"}}, {"hide", {"hide"}}};
  row_options_.negatives = 3;
  row_options_.negatives_weigh = true;
  std::vector<std::string> shown;
  for (int i = 0; i < 20; ++i) shown.push_back(StrCat("i", i));
  Import(Slate("s1", "a", 1, 1000, shown));
  Import(Answer("a1", "s1", "i7", 1000));
  Import(Answer("a2", "s1", "i3", 1000, "hide"));
  const RowReplay replay = Replay();
  const std::string path = StrCat(EventStoreTest::options_.directory, ".rows");
  ASSERT_TRUE(WriteTrainingRows(replay, *plan_, path, nullptr).ok());
  const auto rows = TrainingRowsReader::Open(path);
  ASSERT_TRUE(rows.ok()) << rows.status();
  TrainingBlock block;
  ASSERT_TRUE((*rows)->Next(&block).value());
  std::filesystem::remove(path);
  ASSERT_EQ(block.rows(), 5);
  for (std::size_t row = 0; row < 5; ++row) {
    // In the order shown, with their own places and outcomes.
    if (row > 0) {
      EXPECT_LT(block.candidate_features[4 * row - 1], block.candidate_features[4 * row + 3]);
    }
    const std::string& item = (*rows)->ids(0)[block.item[row]];
    EXPECT_EQ(StrCat("i", block.candidate_features[4 * row + 3] - 1), item);
    EXPECT_EQ(block.outcome[row], item == "i7" ? 1 : item == "i3" ? 2 : 0);
    EXPECT_EQ(block.weight[row], block.outcome[row] == 0 ? 6 : 1);
  }
}

TEST_F(RowReplayTest, RowsReadWhatWasLearnedBeforeThemAndThoseBeforeThatAreLeftOut) {
  plan_ = FeaturePlan::Compile({{"goes_with", "covisit", {{"retriever", std::string("near")}}}})
              .value();
  Import(Action("c1", "u", "x", 500));
  Import(Slate("s1", "a", 1, 1000, {"x", "y"}));
  Import(Slate("s2", "a", 2, 2000, {"x", "y"}));
  Event served = Slate("s3", "a", 3, 2001, {"x", "y"});  // read before what was fitted at 2001
  served.served_from.servable = "earlier";
  served.served_from.as_of_ms = served.served_from.known_at_ms = 1999;
  served.served_from.position_end = 2;
  Import(served);
  Import(Slate("s4", "a", 4, 3000, {"y"}));
  RowReplay replay = Replay();
  EXPECT_EQ(replay.size(), 4);
  std::vector<std::int64_t> asked;
  replay.LearnFrom(2000, [&](std::int64_t now_ms) {
    asked.push_back(now_ms);
    auto items = std::make_shared<GivenItems>();
    items->items = {"x", "y"};
    items->neighbours["near"].items = {{1}};
    items->neighbours["near"].scores = {{static_cast<float>(now_ms)}};
    return items;
  });
  ASSERT_EQ(replay.size(), 2);
  Read(replay, 0);
  EXPECT_EQ(table_.columns[0], (std::vector<float>{0, 2000}));
  Read(replay, 1);
  EXPECT_EQ(table_.columns[0], std::vector<float>{3000});
  EXPECT_EQ(asked, (std::vector<std::int64_t>{2000, 3000}));
}

TEST_F(RowReplayTest, WhatIsOfATimeBeforeTheStartOrWasAskedBeforeItIsLeftOut) {
  Import(Slate("s1", "a", 1, 1999, {"x", "y"}));
  Import(Slate("s2", "a", 2, 2000, {"x", "y"}));
  Event served = Slate("s3", "a", 3, 2001, {"x", "y"});
  served.served_from.servable = "earlier";
  served.served_from.as_of_ms = served.served_from.known_at_ms = 1999;
  served.served_from.position_end = 1;
  Import(served);
  Import(Slate("s4", "a", 4, 3000, {"y"}));
  RowReplay replay = Replay();
  ASSERT_EQ(replay.size(), 4);
  replay.StartFrom(2000);
  ASSERT_EQ(replay.size(), 2);
  EXPECT_EQ(replay.event_time_ms(0), 2000);
  EXPECT_EQ(replay.event_time_ms(1), 3000);
}

TEST_F(RowReplayTest, RowsAreWrittenOncePerRequestAndReadBack) {
  row_options_.heads = {{"buy", {"buy"}}, {"click", {"click"}}};
  Import(Action("c1", "u", "x", 500));
  Import(Slate("s1", "a", 1, 1000, {"x", "y"}));
  Import(Answer("a1", "s1", "y", 1000));
  Import(Slate("s2", "a", 2, 3'600'000, {"y"}));
  const RowReplay replay = Replay();
  const std::string path = StrCat(EventStoreTest::options_.directory, ".rows");
  const auto counts = WriteTrainingRows(replay, *plan_, path, nullptr);
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->counts.requests, 2);
  EXPECT_EQ(counts->counts.rows, 3);
  const auto rows = TrainingRowsReader::Open(path);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ((*rows)->schema().request_features, std::vector<std::string>{"hour"});
  EXPECT_EQ((*rows)->schema().candidate_features,
            (std::vector<std::string>{"clicks", "session_clicks", "price", "place"}));
  TrainingBlock block;
  ASSERT_TRUE((*rows)->Next(&block).value());
  EXPECT_EQ(block.request_features, (std::vector<float>{0, 1}));
  EXPECT_EQ(block.candidate_features, (std::vector<float>{1, 0, 10, 1, 0, 0, 20, 2, 1, 0, 10, 1}));
  EXPECT_EQ(block.label, (std::vector<float>{0, 1, 0}));
  EXPECT_EQ((*rows)->schema().heads, (std::vector<std::string>{"buy", "click"}));
  EXPECT_EQ(block.outcome, (std::vector<std::uint32_t>{0, 0b10, 0}));
  EXPECT_EQ(block.sequences[0].step_end, (std::vector<std::uint32_t>{1, 3}));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace fourfold
