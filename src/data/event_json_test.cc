#include "data/event_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "data/random_event.h"

namespace fourfold {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(std::string_view json) {
  const auto event = ParseEventJson(json);
  return std::string(event.status().message());
}

TEST(EventJsonTest, ReadsEveryKeyOfAnInteraction) {
  const auto event = ParseEventJson(R"({"event": "interaction", "id": "e1", "tenant": "default",
      "timestamp": "1323435000000", "user": "17850", "session": "s", "ranking": "r1",
      "type": "purchase", "item": "22138", "tie_group": "581587", "step": 4,
      "fields": [{"name": "quantity", "value": 3}, {"name": "gift", "value": true},
                 {"name": "tags", "value": ["a", "b"]}, {"name": "sizes", "value": [1, 2.5]},
                 {"name": "note", "value": null}, {"name": "text", "value": "caf\u00e9"}]})");
  ASSERT_TRUE(event.ok()) << event.status();
  Event expected;
  expected.kind = EventKind::kInteraction;
  expected.id = "e1";
  expected.event_time_ms = 1'323'435'000'000;
  expected.user = "17850";
  expected.session = "s";
  expected.ranking = "r1";
  expected.type = "purchase";
  expected.item = "22138";
  expected.tie_group = "581587";
  expected.step = 4;
  expected.fields = {{"quantity", 3.0},
                     {"gift", true},
                     {"tags", std::vector<std::string>{"a", "b"}},
                     {"sizes", std::vector<double>{1, 2.5}},
                     {"note", std::monostate()},
                     {"text", std::string("caf\xc3\xa9")}};
  EXPECT_EQ(*event, expected);
}

TEST(EventJsonTest, ReadsRankingItemAndUser) {
  const auto ranking = ParseEventJson(
      R"({"event":"ranking","user":"u","surface":"search","query":"mug","timestamp":5,
          "items":[{"id":"a","fields":[{"name":"score","value":0.5}]},{"id":"b"}]})");
  ASSERT_TRUE(ranking.ok()) << ranking.status();
  EXPECT_EQ(ranking->kind, EventKind::kRanking);
  EXPECT_EQ(ranking->surface, "search");
  EXPECT_EQ(ranking->query_text, "mug");
  EXPECT_EQ(ranking->event_time_ms, 5);
  EXPECT_EQ(ranking->items, (std::vector<RankedItem>{{"a", {{"score", 0.5}}}, {"b", {}}}));

  const auto item = ParseEventJson(R"({"event":"item","item":"a","deleted":true})");
  ASSERT_TRUE(item.ok()) << item.status();
  EXPECT_TRUE(item->deleted);
  EXPECT_EQ(item->event_time_ms, kNoTimeMs);

  const auto user =
      ParseEventJson(R"({"event":"user","user":"u","timestamp":"since_for_ever","session":null})");
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->event_time_ms, kSinceForEverMs);
}

TEST(EventJsonTest, ErrorsNameTheKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"user":"u"})", "event: is missing"},
      {R"({"event":"click"})", "event: \"click\" is none of item, user, ranking, interaction"},
      {R"({"event":"item","item":"a","colour":"red"})", "colour: is not a known key"},
      {R"({"event":"item","item":"a","user":"u"})", "user: is not a key of item events"},
      {R"({"event":"item","item":"a","item":"b"})", "item: stands twice"},
      {R"({"event":"item","item":7})", "item: is not a string"},
      {R"({"event":"item","item":""})", "item: is empty"},
      {R"({"event":"item"})", "item: is missing"},
      {R"({"event":"item","item":"a\u0000b"})", "item: holds a control character"},
      {R"({"event":"interaction","user":"u","item":"i"})", "type: is missing"},
      {R"({"event":"interaction","type":"t","item":"i"})", "user: is missing, and so is session"},
      {R"({"event":"interaction","type":"t","item":"i","user":"u","step":-1})",
       "step: is negative"},
      {R"({"event":"interaction","type":"t","item":"i","user":"u","timestamp":"2011-12-09"})",
       "timestamp: \"2011-12-09\" is not an ISO-8601 time"},
      {R"({"event":"interaction","type":"t","item":"i","user":"u","timestamp":"since_for_ever"})",
       "timestamp: "},
      {R"({"event":"item","item":"a","tenant":"acme"})", "tenant: \"acme\""},
      {R"({"event":"item","item":"a","served_from":{}})", "served_from: is not a known key"},
      {R"({"event":"item","item":"a","fields":{}})", "fields: is not a list"},
      {R"({"event":"item","item":"a","fields":[{"name":"p"}]})", "fields[0].value: is missing"},
      {R"({"event":"item","item":"a","fields":[{"name":"p","value":{}}]})",
       "fields[0].value: is an object"},
      {R"({"event":"item","item":"a","fields":[{"name":"p","value":["x",1]}]})",
       "fields[0].value: is a list"},
      {R"({"event":"item","item":"a","fields":[{"name":"p","value":9007199254740993}]})",
       "fields[0].value: is a whole number beyond 2^53"},
      {R"({"event":"item","item":"a","fields":[{"name":"p","value":1},{"name":"p","value":2}]})",
       "fields.p: stands twice"},
      {R"({"event":"ranking","user":"u","items":[{"id":"a"},{"id":"a"}]})",
       "items: item a stands twice"},
      {R"({"event":"ranking","user":"u","items":[{"id":"a"},{"fields":[]}]})",
       "items[1].id: is missing"},
      {R"({"event":"ranking","user":"u","items":[{"id":"a","label":1}]})",
       "items[0].label: is not a known key"},
      {R"([1])", "an event is a JSON object"},
      {R"({"event":)", "is not JSON"},
      {"{\"event\":\"item\",\"item\":\"\xff\"}", "is not JSON"},
  };
  for (const auto& [json, expected] : cases)
    EXPECT_THAT(ErrorOf(json), HasSubstr(expected)) << json;
}

TEST(EventJsonTest, LimitsHold) {
  const std::string long_id(257, 'x');
  EXPECT_THAT(ErrorOf(StrCat(R"({"event":"item","item":")", long_id, "\"}")),
              HasSubstr("item: has 257 bytes, more than 256"));
  const std::string long_text((32 << 10) + 1, 'x');
  EXPECT_THAT(ErrorOf(StrCat(R"({"event":"item","item":"a","fields":[{"name":"t","value":")",
                             long_text, "\"}]}")),
              HasSubstr("fields.t: has 32769 bytes"));
  EXPECT_THAT(ErrorOf(std::string((256 << 10) + 1, ' ')), HasSubstr("more than 262144"));
  std::string items;
  for (int i = 0; i < 501; ++i) StrAppend(&items, i == 0 ? "" : ",", "{\"id\":\"", i, "\"}");
  EXPECT_THAT(ErrorOf(StrCat(R"({"event":"ranking","user":"u","items":[)", items, "]}")),
              HasSubstr("items: has more than 500 items"));
  EXPECT_FALSE(ParseEventJson(std::string(100'000, '[')).ok());
}

TEST(EventJsonTest, EveryEventComesBack) {
  RandomEvents events(1);
  for (int i = 0; i < 5000; ++i) {
    const Event event = events.Next();
    ASSERT_TRUE(CheckEvent(event).ok()) << CheckEvent(event);
    const std::string json = EventToJson(event);
    const auto parsed = ParseEventJson(json);
    ASSERT_TRUE(parsed.ok()) << parsed.status() << " " << json;
    EXPECT_EQ(*parsed, event) << json;
  }
}

TEST(EventJsonTest, ReusedEventKeepsNothingOfTheOneBefore) {
  RandomEvents events(2);
  Event reused;
  for (int i = 0; i < 1000; ++i) {
    const Event event = events.Next();
    ASSERT_EQ(ReadEventJson(EventToJson(event), &reused), std::nullopt);
    EXPECT_EQ(reused, event);
  }
}

constexpr char kGood[] = R"({"event":"item","item":"a"})";
constexpr char kBad[] = R"({"event":"item"})";

TEST(EventsJsonTest, ABadEventOfAnArrayLeavesTheOthers) {
  const auto events = ParseEventsJson(StrCat("[", kGood, ",", kBad, ",7,", kGood, "]"));
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 4u);
  EXPECT_TRUE((*events)[0].ok());
  EXPECT_EQ(std::string((*events)[1].status().message()), "events[1]: item: is missing");
  EXPECT_EQ(std::string((*events)[2].status().message()), "events[2]: an event is a JSON object");
  EXPECT_TRUE((*events)[3].ok());
}

TEST(EventsJsonTest, ABadLineLeavesTheOthersAndIsNamed) {
  const std::string bodies[] = {
      StrCat("\n", kGood, "\r\n\n{oops\n", kGood, "\n"),
      StrCat("\n{oops\n\n", kGood, "\n", kGood),
  };
  const std::size_t bad_index[] = {1, 0};
  const char* const bad_place[] = {"line 4: is not JSON", "line 2: is not JSON"};
  for (int i = 0; i < 2; ++i) {
    const auto events = ParseEventsJson(bodies[i]);
    ASSERT_TRUE(events.ok()) << events.status();
    ASSERT_EQ(events->size(), 3u);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ((*events)[k].ok(), k != bad_index[i]);
    EXPECT_THAT(std::string((*events)[bad_index[i]].status().message()), HasSubstr(bad_place[i]));
  }
}

TEST(EventsJsonTest, OneObjectMayFillSeveralLines) {
  const auto events = ParseEventsJson("{\n  \"event\": \"item\",\n  \"item\": \"a\"\n}\n");
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 1u);
  ASSERT_TRUE((*events)[0].ok()) << (*events)[0].status();
  const auto broken = ParseEventsJson("{\n  \"event\": \"item\",\n  \"item\": \n}\n");
  ASSERT_TRUE(broken.ok());
  EXPECT_EQ(broken->size(), 1u);
  EXPECT_FALSE((*broken)[0].ok());
}

TEST(EventsJsonTest, AWholeBodyCanBeRefused) {
  EXPECT_FALSE(ParseEventsJson("").ok());
  EXPECT_FALSE(ParseEventsJson(" \n ").ok());
  EXPECT_FALSE(ParseEventsJson(StrCat("[", kGood, ",")).ok());
  EXPECT_FALSE(ParseEventsJson(StrCat("[", kGood, ",", kGood, "]"), 1).ok());
  EXPECT_FALSE(ParseEventsJson(StrCat(kGood, "\n", kGood), 1).ok());
  const auto none = ParseEventsJson("[]");
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
}

}  // namespace
}  // namespace fourfold
