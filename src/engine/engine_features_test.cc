#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"
#include "engine/test_engine.h"

namespace fourfold {
namespace {

constexpr std::string_view kRecipe = R"(name: features
retrievers:
  - {name: popular, kind: popular}
features:
  - {name: clicks_2h, kind: count, entity: item, types: [click], window: 2h}
  - {name: price, kind: attribute, entity: item, field: price}
  - {name: by_user, kind: count, entity: user, types: [click]}
  - {name: since, kind: recency, entity: user_item}
  - {name: latest, kind: sequence, entity: user, length: 2}
)";

class EngineFeaturesTest : public EngineTest {
 protected:
  // One click of u on `a` at 10:00, one of v at 10:05 that arrives at 10:30, a price that changes.
  void Fill(Engine& engine) const {
    const std::string path = Path("events.jsonl");
    Write("events.jsonl", R"(
{"event": "item", "id": "p1", "item": "a", "timestamp": "2024-05-01T08:00:00Z", "fields": [{"name": "price", "value": 10}]}
{"event": "item", "id": "p2", "item": "a", "timestamp": "2024-05-01T12:00:00Z", "fields": [{"name": "price", "value": 8}]}
{"event": "interaction", "id": "c1", "user": "u", "type": "click", "item": "a", "timestamp": "2024-05-01T10:00:00Z"}
{"event": "interaction", "id": "c2", "user": "u", "type": "click", "item": "b", "timestamp": "2024-05-01T10:10:00Z"}
)");
    Import(engine, path);
  }
  static double Value(const std::vector<FeatureReading>& readings, std::string_view name) {
    for (const FeatureReading& reading : readings) {
      if (reading.name == name) return reading.value.value_or(-1);
    }
    ADD_FAILURE() << name;
    return 0;
  }
};

TEST_F(EngineFeaturesTest, ValuesAreThoseOfTheMoment) {
  const auto engine = Open(kRecipe, "2024-05-02");
  Fill(*engine);
  FeatureReadRequest request;
  request.user = "u";
  request.items = {"a", "nobody"};
  const auto read = [&](std::string_view time) {
    request.as_of_ms = At(time);
    const auto response = engine->ReadFeatures(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return *response;
  };
  const FeatureReadResponse morning = read("2024-05-01T09:00:00Z");
  EXPECT_EQ(Value(morning.items[0].second, "clicks_2h"), 0);
  EXPECT_EQ(Value(morning.items[0].second, "price"), 10);
  EXPECT_EQ(Value(morning.items[0].second, "since"), -1);
  EXPECT_TRUE(morning.sequences[0].actions.empty());

  const FeatureReadResponse noon = read("2024-05-01T11:59:59Z");
  EXPECT_EQ(Value(noon.items[0].second, "clicks_2h"), 1);
  EXPECT_EQ(Value(noon.items[0].second, "price"), 10);
  EXPECT_EQ(Value(noon.items[0].second, "since"), 7199);
  EXPECT_EQ(Value(noon.request, "by_user"), 2);
  ASSERT_EQ(noon.sequences[0].actions.size(), 2);
  EXPECT_EQ(noon.sequences[0].actions[0].item, "b");
  EXPECT_EQ(Value(noon.items[1].second, "price"), -1);

  // The window is (now - 2 h, now].
  EXPECT_EQ(Value(read("2024-05-01T12:00:00Z").items[0].second, "clicks_2h"), 0);
  EXPECT_EQ(Value(read("2024-05-01T12:00:00Z").items[0].second, "price"), 8);
}

TEST_F(EngineFeaturesTest, WhatCameLateIsSeenOnlyByWhoKnowsIt) {
  const auto engine = Open(kRecipe, "2024-05-01T10:30:00Z");
  Ingest(*engine,
         R"({"event": "interaction", "id": "late", "user": "v", "type": "click", "item": "a",
                      "timestamp": "2024-05-01T10:05:00Z"})");
  FeatureReadRequest request;
  request.items = {"a"};
  request.as_of_ms = At("2024-05-01T10:10:00Z");
  EXPECT_EQ(Value(engine->ReadFeatures(request)->items[0].second, "clicks_2h"), 0);
  request.known_at_ms = At("2024-05-01T11:00:00Z");
  EXPECT_EQ(Value(engine->ReadFeatures(request)->items[0].second, "clicks_2h"), 1);
  // Now: what was acknowledged is seen.
  request.as_of_ms.reset();
  request.known_at_ms.reset();
  EXPECT_EQ(Value(engine->ReadFeatures(request)->items[0].second, "clicks_2h"), 1);
}

// Queries of searches: an action counts for the query that it names, and for the item.
TEST_F(EngineFeaturesTest, AQueryAndAnItemHaveTheActionsThatNameBothKnownInTime) {
  const auto engine = Open(R"(name: searches
retrievers:
  - {name: popular, kind: popular}
features:
  - {name: clicks, kind: count, entity: query_item, types: [click]}
  - {name: rate, kind: rate, entity: query_item, types: [click], of_types: [view]}
)",
                           "2024-05-01T10:00:00Z");
  const auto act = [&](std::string_view type, std::string_view item, std::string_view query,
                       std::string_view time) {
    Ingest(*engine, StrCat(R"({"event": "interaction", "user": "u", "type": ")", type,
                           R"(", "item": ")", item, R"(", "timestamp": ")", time,
                           R"(", "fields": [{"name": "query", "value": )", query, "}]}"));
  };
  act("view", "a", R"("mug")", "2024-05-01T09:00:00Z");
  act("view", "a", R"("mug")", "2024-05-01T09:10:00Z");
  act("click", "a", R"("mug")", "2024-05-01T09:10:00Z");
  act("click", "a", R"("pot")", "2024-05-01T09:20:00Z");
  act("click", "b", R"("mug")", "2024-05-01T09:30:00Z");
  act("click", "a", R"("")", "2024-05-01T09:40:00Z");
  act("click", "a", "501", "2024-05-01T09:40:00Z");
  FeatureReadRequest request;
  request.items = {"a", "b", "c"};
  const auto clicks = [&] {
    const auto read = engine->ReadFeatures(request);
    EXPECT_TRUE(read.ok()) << read.status();
    std::vector<double> values;
    for (const auto& [item, readings] : read->items) values.push_back(Value(readings, "clicks"));
    return values;
  };
  const auto ask = [&](FieldValue query) { request.fields = {{"query", std::move(query)}}; };
  ask("mug");
  EXPECT_EQ(clicks(), (std::vector<double>{1, 1, 0}));
  EXPECT_EQ(Value(engine->ReadFeatures(request)->items[0].second, "rate"), 0.5);
  ask("pot");
  EXPECT_EQ(clicks(), (std::vector<double>{1, 0, 0}));
  // Texts are compared as they are; what is empty, no text or not there is no query.
  for (const FieldValue& none :
       {FieldValue("Mug"), FieldValue(""), FieldValue(501.0), FieldValue("501")}) {
    ask(none);
    EXPECT_EQ(clicks(), (std::vector<double>{0, 0, 0}));
  }
  request.fields.clear();
  EXPECT_EQ(clicks(), (std::vector<double>{0, 0, 0}));
  // All of it came to be known at ten.
  ask("mug");
  request.as_of_ms = At("2024-05-01T09:30:00Z");
  EXPECT_EQ(clicks(), (std::vector<double>{0, 0, 0}));
  request.known_at_ms = At("2024-05-01T11:00:00Z");
  EXPECT_EQ(clicks(), (std::vector<double>{1, 1, 0}));
  request.as_of_ms = At("2024-05-01T09:15:00Z");
  EXPECT_EQ(clicks(), (std::vector<double>{1, 0, 0}));
}

TEST_F(EngineFeaturesTest, WithoutDeclarationsThereIsNothingToRead) {
  const auto engine = Open("name: bare\nretrievers:\n  - {name: popular, kind: popular}\n");
  EXPECT_EQ(engine->ReadFeatures({}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EngineFeaturesTest, TooManyItemsAreRefused) {
  const auto engine = Open(kRecipe);
  FeatureReadRequest request;
  request.items.assign(501, "a");
  EXPECT_EQ(engine->ReadFeatures(request).status().code(), absl::StatusCode::kInvalidArgument);
  request.items.assign(1, "");
  EXPECT_EQ(engine->ReadFeatures(request).status().code(), absl::StatusCode::kInvalidArgument);
}

// People click the cheapest of what they are shown, unless they clicked one of it before.
constexpr std::string_view kRankerRecipe = R"(name: ranker
retrievers:
  - {name: popular, kind: popular}
features:
  - {name: price, kind: input_field, field: price}
  - {name: again, kind: count, entity: user_item, types: [click]}
ranker:
  labels: {click: 1}
  answered_only: true
  rounds: 30
  early_stopping_rounds: 0
  min_child_weight: 0
)";

class EngineRankerTest : public EngineTest {
 protected:
  void Fill(Engine& engine) const {
    std::string lines;
    for (int i = 0; i < 300; ++i) {
      const std::int64_t time_ms = At("2024-05-01") + i * 60'000;
      const int cheap = i % 3;
      StrAppend(&lines, R"({"event":"ranking","id":"s)", i, R"(","user":"u)", i,
                R"(","timestamp":)", time_ms, R"(,"items":[)");
      for (int item = 0; item < 3; ++item) {
        StrAppend(&lines, item == 0 ? "" : ",", R"({"id":"i)", item,
                  R"(","fields":[{"name":"price","value":)", item == cheap ? 5 : 20 + item, "}]}");
      }
      StrAppend(&lines, "]}\n", R"({"event":"interaction","id":"c)", i, R"(","ranking":"s)", i,
                R"(","user":"u)", i, R"(","type":"click","item":"i)", cheap, R"(","timestamp":)",
                time_ms, "}\n");
    }
    Import(engine, Write("log.jsonl", lines));
  }
  static RankRequest List() {
    RankRequest request;
    request.user = "new";
    for (const auto& [item, price] : {std::pair("i0", 30.0), {"i1", 5.0}, {"i2", 21.0}}) {
      request.items.push_back({item, {{"price", price}}});
    }
    return request;
  }
};

TEST_F(EngineRankerTest, LearnsTheOrderOfWhatWasShownAndServesIt) {
  const auto engine = Open(kRankerRecipe, "2024-05-02");
  Fill(*engine);
  EXPECT_EQ(engine->Rank(List()).status().code(), absl::StatusCode::kFailedPrecondition);
  const std::string version = TrainAndActivate(*engine);
  RankRequest request = List();
  request.explain = true;
  const auto ranked = engine->Rank(request);
  ASSERT_TRUE(ranked.ok()) << ranked.status();
  EXPECT_EQ(ranked->servable, version);
  ASSERT_EQ(ranked->items.size(), 3);
  EXPECT_EQ(ranked->items[0].item, "i1");
  EXPECT_EQ(ranked->items[0].input_rank, 2);
  for (const RankedResult& item : ranked->items) {
    double sum = 0;
    for (const FeatureReading& part : item.contributions) sum += part.value.value();
    EXPECT_NEAR(sum, item.score, 1e-4);
    EXPECT_EQ(item.features.size(), 2);
    EXPECT_EQ(item.contributions.size(), 3);
  }
}

TEST_F(EngineRankerTest, AnActionAcknowledgedIsInTheFeaturesOfTheNextRequest) {
  const auto engine = Open(kRankerRecipe, "2024-05-02");
  Fill(*engine);
  TrainAndActivate(*engine);
  RankRequest request = List();
  request.explain = true;
  for (int clicks = 0; clicks < 5; ++clicks) {
    const auto ranked = engine->Rank(request);
    ASSERT_TRUE(ranked.ok()) << ranked.status();
    for (const RankedResult& item : ranked->items) {
      EXPECT_EQ(item.features[1].value, item.item == "i2" ? clicks : 0) << item.item;
    }
    Ingest(*engine, R"({"event": "interaction", "user": "new", "type": "click", "item": "i2"})");
  }
  ASSERT_TRUE(engine->EraseUser("new").ok());
  EXPECT_EQ(engine->Rank(request)->items[0].features[1].value, 0);
}

TEST_F(EngineRankerTest, ANewServableServesFromAStateThatKnowsTheWholeLog) {
  {
    const auto engine = Open(kRankerRecipe, "2024-05-02");
    Fill(*engine);
    TrainAndActivate(*engine);
    Ingest(*engine, R"({"event": "interaction", "user": "new", "type": "click", "item": "i0"})");
  }
  const auto engine = Open(kRankerRecipe, "2024-05-03");
  RankRequest request = List();
  request.explain = true;
  const auto again = engine->Rank(request);
  ASSERT_TRUE(again.ok()) << again.status();
  for (const RankedResult& item : again->items) {
    EXPECT_EQ(item.features[1].value, item.item == "i0" ? 1 : 0);
  }
  const std::string second = TrainAndActivate(*engine);
  EXPECT_EQ(engine->Rank(request)->servable, second);
  EXPECT_EQ(engine->Rank(request)->items.size(), 3);
}

TEST_F(EngineRankerTest, ServablesOfOtherFeaturesTakeTurnsOverTheStateThatBothRead) {
  std::string first;
  std::size_t bytes_of_first = 0;
  {
    const auto engine = Open(kRankerRecipe, "2024-05-02");
    Fill(*engine);
    first = TrainAndActivate(*engine);
    bytes_of_first = engine->Status().feature_state->bytes;
  }
  std::string with_more(kRankerRecipe);
  with_more.insert(with_more.find("ranker:"),
                   "  - {name: latest, kind: sequence, entity: user, length: 5}\n"
                   "  - {name: clicks, kind: count, entity: item, types: [click]}\n");
  const auto engine = Open(with_more, "2024-05-02");
  ASSERT_EQ(engine->Status().active_servable, first);
  EXPECT_EQ(engine->Status().feature_state->bytes, bytes_of_first);
  const std::string second = TrainAndActivate(*engine);
  const std::size_t bytes_of_both = engine->Status().feature_state->bytes;
  EXPECT_GT(bytes_of_both, bytes_of_first);

  RankRequest request = List();
  request.explain = true;
  for (const std::string& version : {first, second, first}) {
    Ingest(*engine, R"({"event": "interaction", "user": "new", "type": "click", "item": "i2"})");
    ASSERT_TRUE(engine->Activate(version).ok());
    EXPECT_GE(engine->Status().feature_state->bytes, bytes_of_both);
    const auto ranked = engine->Rank(request);
    ASSERT_TRUE(ranked.ok()) << ranked.status();
    EXPECT_EQ(ranked->servable, version);
    EXPECT_EQ(ranked->items[0].features.size(), version == first ? 2 : 3);
  }
  // After it three clicks are known, whoever reads.
  const auto last = engine->Rank(request);
  ASSERT_TRUE(last.ok()) << last.status();
  for (const RankedResult& item : last->items) {
    EXPECT_EQ(item.features[1].value, item.item == "i2" ? 3 : 0) << item.item;
  }
}

TEST_F(EngineRankerTest, IsJudgedAgainstTheOrderShown) {
  const auto engine = Open(kRankerRecipe, "2024-05-02");
  Fill(*engine);
  const auto report = JudgeRanker(*engine);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->queries, 60);
  ASSERT_EQ(report->rows.size(), 2);
  EXPECT_EQ(report->rows[0].method, "list order");
  // The cheapest stands first, second and third in turn.
  EXPECT_NEAR(report->rows[0].metrics[0].mean, (1 + 1.0 / 2 + 1.0 / 3) / 3, 1e-9);
  EXPECT_EQ(report->rows[1].metrics[0].mean, 1);
  EXPECT_EQ(report->rows[1].paired_difference[0].name, "RR");
}

TEST_F(EngineRankerTest, ALogWithoutSlatesGivesAServableWithoutARanker) {
  const auto engine = Open(kRankerRecipe, "2024-05-02");
  Ingest(*engine, R"({"event": "interaction", "user": "u", "type": "click", "item": "i0"})");
  TrainRequest request;
  request.evaluate = request.tune = false;
  std::string notes;
  request.note = [&](std::string_view note) { StrAppend(&notes, note); };
  const auto version = engine->Train(request);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_NE(notes.find("no ranker"), std::string::npos);
  ASSERT_TRUE(engine->Activate(*version).ok());
  EXPECT_EQ(engine->Rank(List()).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EngineRankerTest, WhatIsLearnedDoesNotDependOnWhetherTheStateFitsIntoMemory) {
  std::string learned[2];
  for (const bool fits : {true, false}) {
    const auto engine =
        Open(StrCat(kRankerRecipe, "  state_megabytes: ", fits ? 64 : 0, "\n"), "2024-05-02");
    if (fits) Fill(*engine);
    TrainRequest request;
    request.evaluate = request.tune = false;
    std::string notes;
    request.note = [&](std::string_view note) { StrAppend(&notes, note); };
    const auto version = engine->Train(request);
    ASSERT_TRUE(version.ok()) << version.status();
    EXPECT_EQ(notes.find("state_megabytes") == std::string::npos, fits) << notes;
    learned[fits ? 1 : 0] = Read(StrCat("engine/servables/", *version, "/ranker.json"));
  }
  EXPECT_GT(learned[0].size(), 1000u);
  EXPECT_EQ(learned[0], learned[1]);
}

TEST_F(EngineRankerTest, BadListsAreRefused) {
  const auto engine = Open(kRankerRecipe, "2024-05-02");
  Fill(*engine);
  TrainAndActivate(*engine);
  EXPECT_EQ(engine->Rank({}).status().code(), absl::StatusCode::kInvalidArgument);
  RankRequest request = List();
  request.items[1].item = "";
  EXPECT_EQ(engine->Rank(request).status().message(), "items[1].item: an id has 1 to 256 bytes");
}

}  // namespace
}  // namespace fourfold
