#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "engine/test_engine.h"
#include "online/ranking/served_log.h"

namespace fourfold {
namespace {

constexpr std::string_view kRecipe = R"(name: skew
catalogue: {items: acted_on}
retrievers:
  - {name: popular, kind: popular}
features:
  - {name: price, kind: input_field, field: price}
  - {name: again, kind: count, entity: user_item, types: [click]}
  - {name: clicks_1h, kind: count, entity: item, types: [click], window: 1h}
  - {name: since, kind: recency, entity: user}
  - {name: of_all, kind: count, entity: global, half_life: 1h}
  - {name: searched, kind: count, entity: query_item}
  - {name: latest, kind: sequence, entity: user, length: 3}
ranker:
  labels: {click: 1}
  answered_only: true
  rounds: 20
  early_stopping_rounds: 0
  min_child_weight: 0
  log_features: 1
)";

class EngineSkewTest : public EngineTest {
 protected:
  // Slates of three items, the cheapest of which was clicked.
  std::unique_ptr<Engine> OpenTrained() const {
    auto engine = Open(kRecipe, "2024-05-02");
    std::string lines;
    for (int i = 0; i < 200; ++i) {
      const std::int64_t time_ms = At("2024-05-01") + i * 60'000;
      StrAppend(&lines, R"({"event":"ranking","id":"s)", i, R"(","user":"u)", i % 20,
                R"(","timestamp":)", time_ms, R"(,"query":"q)", i % 2, R"(","items":[)");
      for (int item = 0; item < 3; ++item) {
        StrAppend(&lines, item == 0 ? "" : ",", R"({"id":"i)", item,
                  R"(","fields":[{"name":"price","value":)", item == i % 3 ? 5 : 20 + item, "}]}");
      }
      StrAppend(&lines, "]}\n", R"({"event":"interaction","id":"c)", i, R"(","ranking":"s)", i,
                R"(","user":"u)", i % 20, R"(","type":"click","item":"i)", i % 3,
                R"(","fields":[{"name":"query","value":"q)", i % 2, R"("}],"timestamp":)", time_ms,
                "}\n");
    }
    Import(*engine, Write("log.jsonl", lines));
    TrainAndActivate(*engine);
    return engine;
  }
  static void Rank(Engine& engine, const std::string& user) {
    RankRequest request;
    request.user = user;
    for (const auto& [item, price] : {std::pair("i0", 30.0), {"i1", 5.0}, {"i2", 21.0}}) {
      request.items.push_back({item, {{"price", price}}});
    }
    const auto ranked = engine.Rank(request);
    ASSERT_TRUE(ranked.ok()) << ranked.status();
  }
  static void Click(Engine& engine, std::string_view user, std::string_view item,
                    std::string_view time = "") {
    Ingest(engine,
           StrCat(R"({"event": "interaction", "type": "click", "user": ")", user, R"(", "item": ")",
                  item, "\"", time.empty() ? "" : StrCat(R"(, "timestamp": ")", time, "\""), "}"));
  }
  static SkewReport Verify(const Engine& engine) {
    const auto report = engine.VerifySkew();
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : SkewReport();
  }
  // Writes the log of what was served anew, each record changed.
  template <typename Change>
  void Tamper(Change change) const {
    std::vector<ServedScores> all;
    ASSERT_TRUE(ServedLog::Read(Path("engine/served"), [&](const ServedScores& served) {
                  all.push_back(served);
                  return absl::OkStatus();
                }).ok());
    std::filesystem::remove_all(Path("engine/served"));
    ServedLog log(Path("engine/served"), 1);
    for (ServedScores& served : all) {
      change(&served);
      log.Note(log.era(), served.servable, served.request, served.table,
               std::span<const float>(served.predictions));
    }
  }
};

TEST_F(EngineSkewTest, WhatWasServedIsReadAgainBitForBitWhateverCameLater) {
  const auto engine = OpenTrained();
  Rank(*engine, "u1");
  Click(*engine, "u1", "i2");
  Rank(*engine, "u1");
  RecommendRequest request;
  request.user = "u1";
  ASSERT_TRUE(engine->Recommend(request).ok());
  const SkewReport before = Verify(*engine);
  EXPECT_EQ(before.requests, 3);
  EXPECT_GT(before.values, 3u * 3 * 3);
  EXPECT_EQ(before.differing, 0);

  // Events of the time before, told of after.
  Click(*engine, "u1", "i0", "2024-05-01T12:00:00Z");
  Click(*engine, "u2", "i1", "2024-05-01T23:59:00Z");
  const SkewReport after = Verify(*engine);
  EXPECT_EQ(after.requests, 3);
  EXPECT_EQ(after.values, before.values);
  EXPECT_EQ(after.differing, 0);
}

TEST_F(EngineSkewTest, WhatWasServedForAQueryIsReadAgainWithIt) {
  const auto engine = OpenTrained();
  RankRequest request;
  request.user = "u1";
  request.fields = {{"query", "q1"}};
  request.items = {{"i0", {{"price", 30.0}}}, {"i1", {{"price", 5.0}}}};
  request.explain = true;
  const auto ranked = engine->Rank(request);
  ASSERT_TRUE(ranked.ok()) << ranked.status();
  // Of 200 clicks the 100 of odd number, of which each third is on i0.
  for (const RankedResult& item : ranked->items) {
    EXPECT_EQ(item.features.back().name, "searched");
    EXPECT_EQ(item.features.back().value, 33 + (item.item == "i1" ? 1 : 0)) << item.item;
  }
  EXPECT_EQ(Verify(*engine).differing, 0);
  ASSERT_NO_FATAL_FAILURE(Tamper([](ServedScores* served) { served->request.fields.clear(); }));
  const SkewReport without = Verify(*engine);
  ASSERT_EQ(without.differing_by_feature.size(), 1u);
  EXPECT_EQ(without.differing_by_feature[0].first, "searched");
}

TEST_F(EngineSkewTest, StatusTellsHowTheFeaturesOfTheNewestRequestsTurnedOut) {
  const auto find = [](const std::vector<FeatureHealth>& all, std::string_view name) {
    for (const FeatureHealth& health : all) {
      if (health.name == name) return health;
    }
    ADD_FAILURE() << name;
    return FeatureHealth();
  };
  {
    const auto engine = OpenTrained();
    EXPECT_EQ(find(engine->Status().features, "price").values, 0);
    Rank(*engine, "u1");
    Rank(*engine, "nobody");
    const auto served = engine->Status().features;
    EXPECT_EQ(find(served, "price").values, 3);  // the first of every eighth
  }
  // Another process asks what was served.
  const auto engine = Open(kRecipe, "2024-05-02");
  const auto features = engine->ServedFeatures(100);
  ASSERT_TRUE(features.ok()) << features.status();
  EXPECT_EQ(find(*features, "price").values, 6);
  EXPECT_EQ(find(*features, "since").values, 2);
  EXPECT_EQ(find(*features, "since").nulls, 1);
  EXPECT_EQ(find(*features, "latest").nulls, 1);
  // u1 clicked all three items, nobody none.
  EXPECT_EQ(find(*features, "again").defaults, 3);
  const auto last = engine->ServedFeatures(1);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(find(*last, "price").values, 3);
  EXPECT_EQ(find(*last, "since").nulls, 1);
}

TEST_F(EngineSkewTest, AValueThatWasNotWhatTheLogSaysIsFound) {
  {
    const auto engine = OpenTrained();
    Rank(*engine, "u1");
    Rank(*engine, "u2");
  }
  Tamper([](ServedScores* served) {
    if (served->request.user != "u2") return;
    served->table.columns[1][2] += 1;                            // `again` of i2
    served->table.columns[3][0] = -served->table.columns[3][0];  // `since`
    served->table.sequences[0].items[0] = "other";
    served->predictions[0] += 0.5F;
  });
  const auto engine = Open(kRecipe, "2024-05-03");
  const SkewReport report = Verify(*engine);
  EXPECT_EQ(report.requests, 2);
  EXPECT_EQ(report.differing, 4);
  ASSERT_EQ(report.differences.size(), 4u);
  EXPECT_EQ(report.differing_by_feature.size(), 4u);
  const SkewReport::Difference& again = report.differences[0];
  EXPECT_EQ(again.feature, "again");
  EXPECT_EQ(again.item, "i2");
  EXPECT_EQ(again.user, "u2");
  EXPECT_GE(again.as_of_ms, At("2024-05-02"));
  EXPECT_EQ(std::stod(again.logged), std::stod(again.recomputed) + 1);
  EXPECT_EQ(report.differences[1].feature, "since");
  EXPECT_EQ(report.differences[1].item, "");
  EXPECT_EQ(report.differences[2].feature, "latest");
  EXPECT_NE(report.differences[2].logged.find("click of other at"), std::string::npos);
  EXPECT_EQ(report.differences[3].feature, kScoreFeature);
  EXPECT_EQ(report.differences[3].item, "i0");
}

TEST_F(EngineSkewTest, RequestsBesideWritersReadWhatTheirReadPointSays) {
  const auto engine = OpenTrained();
  std::thread writer([&] {
    for (int i = 0; i < 60; ++i) Click(*engine, StrCat("u", i % 5), StrCat("i", i % 3));
  });
  for (int i = 0; i < 60; ++i) Rank(*engine, StrCat("u", i % 5));
  writer.join();
  const SkewReport report = Verify(*engine);
  EXPECT_EQ(report.requests, 60);
  EXPECT_EQ(report.differing, 0);
  for (const SkewReport::Difference& difference : report.differences) {
    ADD_FAILURE() << difference.feature << ": " << difference.logged << ", "
                  << difference.recomputed;
  }
}

TEST_F(EngineSkewTest, StateThatDoesNotFitIntoMemoryServesTheSame) {
  { const auto engine = OpenTrained(); }
  const auto engine = Open(StrCat(kRecipe, "  state_megabytes: 0\n"), "2024-05-02");
  std::thread writer([&] {
    for (int i = 0; i < 60; ++i) Click(*engine, StrCat("u", i % 5), StrCat("i", i % 3));
  });
  for (int i = 0; i < 60; ++i) Rank(*engine, StrCat("u", i % 5));
  writer.join();
  const auto state = engine->Status().feature_state;
  ASSERT_TRUE(state.has_value());
  EXPECT_TRUE(state->is_cached);
  EXPECT_GT(state->misses, 0u);
  const SkewReport report = Verify(*engine);
  EXPECT_EQ(report.requests, 60);
  EXPECT_EQ(report.differing, 0);
}

TEST_F(EngineSkewTest, AServableThatWasJustActivatedAnswersFromAllOfTheLog) {
  // Of other entities each.
  std::string versions[3];
  versions[0] = OpenTrained()->Status().active_servable;
  const std::string_view session = "  - {name: in_session, kind: count, entity: session}\n";
  const std::string_view age = "  - {name: of_hour, kind: recency, entity: session_item}\n";
  for (int i = 1; i < 3; ++i) {
    std::string other(kRecipe);
    other.insert(other.find("ranker:"), i == 1 ? session : age);
    versions[i] = TrainAndActivate(*Open(other, "2024-05-02"));
    ASSERT_NE(versions[i], versions[i - 1]);
  }
  const auto engine = Open(kRecipe, "2024-05-02");
  // Some of these find all that they read kept already, as what the one before them read is; the
  // others read the log, which goes on meanwhile.
  constexpr int kOrder[] = {0, 1, 0, 2, 1, 2, 0, 1};
  std::atomic<bool> is_over = false;
  std::thread writer([&] {
    for (int i = 0; !is_over; ++i) Click(*engine, StrCat("u", i % 5), StrCat("i", i % 3));
  });
  std::thread reader([&] {
    for (int i = 0; !is_over; ++i) Rank(*engine, StrCat("u", i % 5));
  });
  for (const int version : kOrder) {
    const absl::Status activated = engine->Activate(versions[version]);
    EXPECT_TRUE(activated.ok()) << activated;
    Rank(*engine, "u1");
  }
  is_over = true;
  writer.join();
  reader.join();
  const SkewReport report = Verify(*engine);
  EXPECT_GE(report.requests, std::size(kOrder));
  EXPECT_EQ(report.without_ranker, 0u);
  EXPECT_EQ(report.differing, 0);
}

TEST_F(EngineSkewTest, ErasingAUserEmptiesTheLogOfWhatWasServed) {
  const auto engine = OpenTrained();
  Rank(*engine, "u1");
  ASSERT_TRUE(engine->EraseUser("u1").ok());
  EXPECT_EQ(Verify(*engine).requests, 0);
  Rank(*engine, "u2");
  const SkewReport report = Verify(*engine);
  EXPECT_EQ(report.requests, 1);
  EXPECT_EQ(report.differing, 0);
}

TEST_F(EngineSkewTest, ARequestWhoseServableIsGoneIsLeftOut) {
  const auto engine = OpenTrained();
  Rank(*engine, "u1");
  for (const auto& servable : std::filesystem::directory_iterator(Path("engine/servables"))) {
    if (servable.is_directory()) std::filesystem::remove_all(servable.path());
  }
  const SkewReport report = Verify(*engine);
  EXPECT_EQ(report.requests, 0);
  EXPECT_EQ(report.without_ranker, 1);
}

}  // namespace
}  // namespace fourfold
