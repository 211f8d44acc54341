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

}  // namespace
}  // namespace fourfold
