#include "server/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/strings.h"
#include "server/api_testing.h"
#include "server/http_bodies.h"
#include "server/openapi.h"

namespace fourfold {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string Click(std::string_view user, std::string_view item, std::string_view id = "") {
  return StrCat(R"({"event":"interaction","user":")", user, R"(","item":")", item,
                R"(","type":"click")", id.empty() ? "" : ",\"id\":\"", id, id.empty() ? "" : "\"",
                "}");
}

std::vector<std::string> ItemsOf(const HttpAnswer& answer) {
  std::vector<std::string> items;
  const Json json = answer.json();
  for (const Json& item : json.at("items")) items.push_back(item.at("item"));
  return items;
}

// An item that no training has seen, from the request that puts it to the slate.
TEST(ColdItemTest, IsRecommendedAtOnceAfterItsPut) {
  TestEngine engine(R"(
name: cold
catalogue: {items: declared}
retrievers:
  - {name: eges, kind: eges, side_fields: [price], dimension: 16, learning_rate: 0.2, threads: 1}
policy:
  seen_actions: [{type: click}]
)");
  engine.Fill();
  engine.Train();
  auto server = Server::Start(*engine, {.port = 0});
  ASSERT_TRUE(server.ok()) << server.status();
  HttpClient client(**server);
  const auto found = [&] {
    const HttpAnswer answer = client.Ask("POST", "/v1/recommend", R"({"user":"ann","limit":5})");
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::vector<std::string> items;
    const Json json = answer.json();
    for (const Json& item : json.at("items")) {
      if (item.at("score") > 0) items.push_back(item.at("item"));
    }
    return items;
  };
  ASSERT_EQ(client.Ask("POST", "/v1/events", Click("ann", "i3")).status, 200);
  EXPECT_THAT(found(), Not(Contains("cold")));
  // What it shares with i3 is the value of a side field, and nothing else.
  ASSERT_EQ(client.Ask("PUT", "/v1/items/cold", R"({"fields":{"price":3}})").status, 200);
  EXPECT_THAT(found(), Contains("cold"));
  ASSERT_EQ(client.Ask("DELETE", "/v1/items/cold").status, 200);
  EXPECT_THAT(found(), Not(Contains("cold")));
}

TEST_F(ApiTest, TheLastActionChangesTheNextResponse) {
  const HttpAnswer before = Ask("POST", "/v1/recommend", R"({"user":"new"})");
  ASSERT_EQ(before.status, 200) << before.body;
  EXPECT_THAT(before.json().at("items"), Not(IsEmpty()));
  EXPECT_EQ(before.json().at("servable"), version_);

  const HttpAnswer taken = Ask("POST", "/v1/events", Click("new", "i7"));
  ASSERT_EQ(taken.status, 200) << taken.body;
  const std::string position = taken.json().at("position");
  const HttpAnswer after =
      Ask("POST", "/v1/recommend",
          StrCat(R"({"user":"new","explain":true,"after_position":")", position, "\"}"));
  ASSERT_EQ(after.status, 200) << after.body;
  EXPECT_EQ(after.json().at("history").at(0).at("item"), "i7");
  EXPECT_THAT(ItemsOf(after), Not(Contains("i7")));
  EXPECT_NE(ItemsOf(after), ItemsOf(before));
}

TEST_F(ApiTest, ExplainAndWhyNotSayWhatBecameOfItems) {
  const HttpAnswer answer =
      Ask("POST", "/v1/recommend", R"({"user":"u3","limit":3,"explain":true,"why_not_item":"i3"})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json json = answer.json();
  EXPECT_EQ(json.at("items").size(), 3U);
  EXPECT_TRUE(json.at("items").at(0).at("fields").contains("price"));
  EXPECT_EQ(json.at("why_not").at("verdict"), "dropped");
  EXPECT_THAT(json.at("dropped"), Not(IsEmpty()));
  const HttpAnswer plain = Ask("POST", "/v1/recommend", R"({"user":"u3"})");
  for (const char* key : {"dropped", "history", "why_not"}) {
    EXPECT_FALSE(plain.json().contains(key)) << key;
  }
}

TEST_F(ApiTest, ARequestRulesItsSlate) {
  const HttpAnswer filtered = Ask(
      "POST", "/v1/recommend", R"({"user":"u3","filter":"price >= 20","exclude_items":["i25"]})");
  ASSERT_EQ(filtered.status, 200) << filtered.body;
  for (const std::string& item : ItemsOf(filtered)) {
    EXPECT_GE(std::stoi(item.substr(1)), 20);
    EXPECT_NE(item, "i25");
  }
  const HttpAnswer included = Ask("POST", "/v1/recommend", R"({"include_items":["i20","i21"]})");
  EXPECT_THAT(ItemsOf(included), ::testing::UnorderedElementsAre("i20", "i21"));

  const HttpAnswer first = Ask("POST", "/v1/recommend", R"({"user":"u1","limit":5})");
  const HttpAnswer next = Ask("POST", "/v1/recommend",
                              StrCat(R"({"user":"u1","limit":5,"after_request":")",
                                     std::string(first.json().at("request_id")), "\"}"));
  ASSERT_EQ(next.status, 200) << next.body;
  for (const std::string& item : ItemsOf(next)) EXPECT_THAT(ItemsOf(first), Not(Contains(item)));
}

TEST_F(ApiTest, EventsAreTakenOneByOneInAnArrayAndOneALine) {
  const HttpAnswer one = Ask("POST", "/v1/events", Click("a", "i1", "e1"));
  ASSERT_EQ(one.status, 200) << one.body;
  EXPECT_EQ(one.json().at("accepted"), 1);
  EXPECT_EQ(one.json().at("results").at(0).at("id"), "e1");

  const HttpAnswer array =
      Ask("POST", "/v1/events", StrCat("[", Click("a", "i1", "e1"), ",", Click("a", "i2"), "]"));
  ASSERT_EQ(array.status, 200) << array.body;
  EXPECT_EQ(array.json().at("accepted"), 1);
  EXPECT_EQ(array.json().at("duplicate"), 1);
  EXPECT_EQ(array.json().at("results").at(0).at("outcome"), "duplicate");
  EXPECT_EQ(array.json().at("results").at(0).at("position"), one.json().at("position"));

  const HttpAnswer lines =
      Ask("POST", "/v1/events", StrCat(Click("a", "i3"), "\n", R"({"event":"click"})", "\n"),
          {{"Content-Type", "application/x-ndjson"}});
  EXPECT_EQ(lines.status, 207) << lines.body;
  EXPECT_EQ(lines.json().at("accepted"), 1);
  EXPECT_EQ(lines.json().at("rejected"), 1);
  EXPECT_THAT(std::string(lines.json().at("results").at(1).at("error")), HasSubstr("line 2"));
}

TEST_F(ApiTest, WhenEveryEventIsRejectedItIsAProblem) {
  const HttpAnswer answer = Ask("POST", "/v1/events", R"([{"event":"item"},{"evnt":"item"}])");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.problem(), "events-rejected");
  EXPECT_EQ(answer.json().at("errors").size(), 2U);
  EXPECT_EQ(answer.json().at("errors").at(1).at("field"), "events[1]");
  EXPECT_EQ(Ask("POST", "/v1/events", "").problem(), "invalid-request");
  EXPECT_EQ(Ask("POST", "/v1/events", "[{").problem(), "invalid-request");
}

TEST_F(ApiTest, EveryKeyOfAnEventThatIsDescribedIsTaken) {
  const std::string events = R"([
    {"event":"item","id":"k1","timestamp":"2020-01-01T00:00:00Z","tenant":"default","item":"i1",
     "deleted":false,"fields":[{"name":"price","value":2}]},
    {"event":"user","id":"k2","timestamp":1577836800000,"user":"k","session":"s",
     "fields":[{"name":"tags","value":["a","b"]}]},
    {"event":"ranking","id":"k3","timestamp":"1577836800001","user":"k","session":"s",
     "surface":"home","query":"q","items":[{"id":"i1","fields":[{"name":"rank","value":1}]}]},
    {"event":"interaction","id":"k4","user":"k","session":"s","item":"i1","type":"click",
     "ranking":"k3","tie_group":"t","step":4,"fields":[{"name":"dwell","value":null}]}])";
  std::set<std::string> keys;
  for (const Json& event : Json::parse(events)) {
    EXPECT_EQ(checker_.CheckAs("Event", event), "");
    for (const auto& [key, unused] : event.items()) keys.insert(key);
  }
  const auto& described =
      checker_.document().at("components").at("schemas").at("Event").at("properties");
  for (const auto& [key, unused] : described.items()) EXPECT_THAT(keys, Contains(key));
  const HttpAnswer answer = Ask("POST", "/v1/events", events);
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json().at("accepted"), 4);
}

TEST_F(ApiTest, AnItemIsReplacedMergedAndDeleted) {
  ASSERT_EQ(Ask("PUT", "/v1/items/a%2Fb", R"({"fields":{"price":3,"kind":"x"}})").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/items/a%2Fb").json().at("fields"),
            Json::parse(R"({"price":3,"kind":"x"})"));
  EXPECT_EQ(Ask("GET", "/v1/items/a%2Fb").json().at("item"), "a/b");
  ASSERT_EQ(Ask("PATCH", "/v1/items/a%2Fb", R"({"fields":{"price":4}})").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/items/a%2Fb").json().at("fields"),
            Json::parse(R"({"price":4,"kind":"x"})"));
  ASSERT_EQ(Ask("PUT", "/v1/items/a%2Fb", R"({"fields":{"colour":"red"}})").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/items/a%2Fb").json().at("fields"), Json::parse(R"({"colour":"red"})"));
  EXPECT_THAT(ItemsOf(Ask("POST", "/v1/recommend", R"({"include_items":["a/b"]})")),
              Contains("a/b"));
  ASSERT_EQ(Ask("DELETE", "/v1/items/a%2Fb").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/items/a%2Fb").problem(), "not-found");
  EXPECT_THAT(ItemsOf(Ask("POST", "/v1/recommend", R"({"include_items":["a/b"]})")), IsEmpty());
}

TEST_F(ApiTest, AUserIsReplacedMergedAndForgotten) {
  ASSERT_EQ(Ask("PUT", "/v1/users/w", R"({"fields":{"country":"FR","age":30}})").status, 200);
  ASSERT_EQ(Ask("PATCH", "/v1/users/w", R"({"fields":{"age":null}})").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/users/w").json().at("fields"), Json::parse(R"({"country":"FR"})"));
  ASSERT_EQ(Ask("POST", "/v1/events", Click("w", "i2")).status, 200);
  const HttpAnswer actions = Ask("GET", "/v1/users/w/actions?limit=10");
  ASSERT_EQ(actions.status, 200) << actions.body;
  EXPECT_EQ(actions.json().at("actions").at(0).at("item"), "i2");

  const HttpAnswer erased = Ask("DELETE", "/v1/users/w");
  ASSERT_EQ(erased.status, 200) << erased.body;
  EXPECT_GE(erased.json().at("erased_events"), 1);
  EXPECT_EQ(Ask("GET", "/v1/users/w").problem(), "gone");
  EXPECT_EQ(Ask("GET", "/v1/users/w/actions").problem(), "gone");
  // A user without fields who has acted is somebody.
  EXPECT_EQ(Ask("GET", "/v1/users/v").problem(), "not-found");
  EXPECT_THAT(Ask("GET", "/v1/users/v/actions").json().at("actions"), IsEmpty());
  ASSERT_EQ(Ask("POST", "/v1/events", Click("v", "i2", "once")).status, 200);
  EXPECT_EQ(Ask("GET", "/v1/users/v").json().at("fields"), Json::object());
  // What an erased event said, its duplicate is not told.
  ASSERT_EQ(Ask("DELETE", "/v1/users/v").status, 200);
  const Json again = Ask("POST", "/v1/events", Click("v", "i2", "once")).json().at("results").at(0);
  EXPECT_EQ(again.at("outcome"), "duplicate");
  EXPECT_FALSE(again.contains("event_time_ms"));
}

TEST_F(ApiTest, AnIdempotencyKeyMakesAWriteCountOnce) {
  const HttpClient::Headers key = {{"Idempotency-Key", "write-1"}};
  EXPECT_EQ(Ask("PATCH", "/v1/items/i1", R"({"fields":{"price":9}})", key).json().at("accepted"),
            1);
  EXPECT_EQ(Ask("PATCH", "/v1/items/i1", R"({"fields":{"price":8}})", key).json().at("duplicate"),
            1);
  EXPECT_EQ(Ask("GET", "/v1/items/i1").json().at("fields").at("price"), 9);
}

TEST_F(ApiTest, SimilarItemsAreNeighbours) {
  const HttpAnswer answer = Ask("GET", "/v1/items/i10/similar?limit=2&filter=price%20%3E%2010");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(ItemsOf(answer), ::testing::SizeIs(2));
  for (const std::string& item : ItemsOf(answer)) EXPECT_GT(std::stoi(item.substr(1)), 10);
  EXPECT_EQ(Ask("GET", "/v1/items/nonsense/similar").problem(), "not-found");
  EXPECT_EQ(Ask("GET", "/v1/items/i10/similar?limit=0").problem(), "invalid-request");
  EXPECT_EQ(Ask("GET", "/v1/items/i10/similar?filter=price+%3C").problem(), "invalid-request");
}

TEST_F(ApiTest, ServablesAreListedActivatedAndRolledBack) {
  ASSERT_EQ(Ask("POST", "/v1/events", Click("u1", "i20")).status, 200);
  const std::string second = engine_.Train();
  ASSERT_NE(second, version_);
  HttpAnswer listed = Ask("GET", "/v1/servables");
  ASSERT_EQ(listed.json().at("servables").size(), 2U) << listed.body;

  const HttpAnswer back = Ask("POST", "/v1/servables:rollback");
  ASSERT_EQ(back.status, 200) << back.body;
  EXPECT_EQ(back.json().at("active"), version_);
  EXPECT_EQ(Ask("POST", "/v1/recommend", "{}").json().at("servable"), version_);
  const HttpAnswer forth = Ask("POST", StrCat("/v1/servables/", second, ":activate"));
  ASSERT_EQ(forth.status, 200) << forth.body;
  EXPECT_EQ(Ask("POST", "/v1/recommend", "{}").json().at("servable"), second);
  EXPECT_EQ(Ask("POST", "/v1/servables/latest:activate").json().at("active"), second);
  EXPECT_EQ(Ask("POST", "/v1/servables/nonsense:activate").status, 404);
  // A damaged one is refused, and what served goes on.
  std::ofstream(engine_.path() / "engine/servables" / version_ / "manifest.json") << "{";
  for (const std::string& path :
       {StrCat("/v1/servables/", version_, ":activate"), std::string("/v1/servables:rollback")}) {
    EXPECT_EQ(Ask("POST", path).status, 409) << Ask("POST", path).body;
  }
  EXPECT_EQ(Ask("POST", "/v1/recommend", "{}").json().at("servable"), second);
}

TEST_F(ApiTest, AServableIsTrainedAndActivatedBesideServing) {
  ASSERT_FALSE(Ask("GET", "/v1/servables").json().contains("training"));
  ASSERT_EQ(Ask("POST", "/v1/events", Click("u1", "i20")).status, 200);
  EXPECT_EQ(Ask("POST", "/v1/servables", R"({"activat":true})").problem(), "invalid-request");
  const HttpAnswer begun = Ask("POST", "/v1/servables", R"({"activate":true})");
  ASSERT_EQ(begun.status, 202) << begun.body;
  const Json done = AwaitTraining();
  EXPECT_EQ(done.at("state"), "active") << done;
  const std::string version = done.at("servable");
  EXPECT_NE(version, version_);
  EXPECT_EQ(Ask("POST", "/v1/recommend", "{}").json().at("servable"), version);

  // Without a word it is published only.
  ASSERT_EQ(Ask("POST", "/v1/events", Click("u2", "i20")).status, 200);
  ASSERT_EQ(Ask("POST", "/v1/servables").status, 202);
  EXPECT_EQ(AwaitTraining().at("state"), "published");
  EXPECT_EQ(Ask("POST", "/v1/recommend", "{}").json().at("servable"), version);
  EXPECT_EQ(Ask("GET", "/v1/servables").json().at("servables").size(), 3U);
}

TEST_F(ApiTest, TheDefaultTenantIsTheSamePlace) {
  ASSERT_EQ(Ask("POST", "/v1/tenants/default/events", Click("t", "i1")).status, 200);
  EXPECT_EQ(Ask("GET", "/v1/users/t/actions").json().at("actions").size(), 1U);
  EXPECT_EQ(Ask("GET", "/v1/tenants/default/items/i1").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/tenants/other/items/i1").problem(), "unknown-tenant");
  EXPECT_EQ(Ask("GET", "/v1/tenants/default").problem(), "not-found");
}

TEST_F(ApiTest, HealthSaysWhetherToSendRequests) {
  EXPECT_EQ(Ask("GET", "/health/live").status, 200);
  EXPECT_EQ(Ask("HEAD", "/health/live").status, 200);
  const HttpAnswer ready = Ask("GET", "/health/ready");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.json().at("servable"), version_);
}

TEST_F(ApiTest, MetricsCountWhatHappened) {
  Ask("POST", "/v1/recommend", R"({"user":"u1"})");
  Ask("POST", "/v1/events", Click("u1", "i9"));
  const HttpAnswer metrics = Ask("GET", "/metrics");
  ASSERT_EQ(metrics.status, 200);
  for (const char* line :
       {"fourfold_http_request_duration_seconds_count{code=\"200\",method=\"POST\","
        "route=\"/v1/recommend\"} 1\n",
        "fourfold_requests_total{degraded=\"false\",surface=\"home\"} 1\n",
        "fourfold_events_total{result=\"accepted\"} 1\n",
        "fourfold_event_visible_seconds_count 1\n", "fourfold_catalogue_items 30\n",
        "fourfold_http_connections 1\n", "process_resident_memory_bytes "}) {
    EXPECT_THAT(metrics.body, HasSubstr(line));
  }
  EXPECT_THAT(metrics.body, HasSubstr(StrCat("{version=\"", version_, "\",state=\"active\"")));
}

TEST_F(ApiTest, MetricsTellOfTheRankersFeatures) {
  ASSERT_EQ(Ask("POST", "/v1/rank", R"({"user":"u1","items":["i1","never heard of"]})").status,
            200);
  const std::string body = Ask("GET", "/metrics").body;
  for (const char* line :
       {"# TYPE fourfold_feature_nulls_total counter\n",
        "fourfold_feature_values_total{feature=\"clicks\"} 2\n",
        "fourfold_feature_values_total{feature=\"clicked\"} 1\n",
        "fourfold_feature_defaults_total{feature=\"clicks\"} 1\n",
        "fourfold_feature_nulls_total{feature=\"clicks\"} 0\n",
        "fourfold_feature_staleness_seconds_count{feature=\"clicks\"} 1\n",
        "fourfold_feature_staleness_seconds_bucket{feature=\"clicks\",le=\"60\"} "}) {
    EXPECT_THAT(body, HasSubstr(line));
  }
}

TEST_F(ApiTest, MistakesAreNamedByField) {
  const HttpAnswer body = Ask("POST", "/v1/recommend", R"({"usr":"u","limit":501})");
  EXPECT_EQ(body.status, 400);
  EXPECT_EQ(body.problem(), "invalid-request");
  EXPECT_EQ(body.json().at("errors").at(0).at("field"), "usr");
  EXPECT_EQ(body.json().at("errors").at(1).at("field"), "limit");
  const HttpAnswer query = Ask("GET", "/v1/items/i1/similar?limt=3");
  EXPECT_EQ(query.json().at("errors").at(0).at("field"), "limt");
  EXPECT_EQ(Ask("GET", "/v1/items/i1?x=1").problem(), "invalid-request");
  EXPECT_EQ(Ask("GET", "/v1/items/%zz").problem(), "invalid-request");
  EXPECT_EQ(Ask("POST", "/v1/recommend", R"({"filter":"price <"})").problem(), "invalid-request");
  EXPECT_EQ(Ask("PUT", "/v1/items/i1", "{}").problem(), "invalid-request");
  EXPECT_EQ(Ask("GET", "/v1/users/u1/actions?limit=1001").problem(), "invalid-request");
  EXPECT_EQ(Ask("GET", "/v1/items/none").problem(), "not-found");
  EXPECT_EQ(Ask("GET", "/v1/users/none").problem(), "not-found");
}

TEST_F(ApiTest, OtherPathsAndMethodsAreRefused) {
  EXPECT_EQ(Ask("GET", "/").problem(), "not-found");
  EXPECT_EQ(Ask("GET", "/v1/recommend/").problem(), "not-found");
  const HttpAnswer wrong = Ask("DELETE", "/v1/recommend");
  EXPECT_EQ(wrong.problem(), "method-not-allowed");
  EXPECT_EQ(wrong.allow, "POST");
  EXPECT_EQ(Ask("POST", "/v1/items/i1").allow, "GET, HEAD, PUT, PATCH, DELETE");
  EXPECT_EQ(Ask("POST", "/v1/recommend", "{}", {{"Content-Encoding", "gzip"}}).problem(),
            "unsupported-encoding");
}

TEST_F(ApiTest, TheRequestIdOfTheClientIsEchoed) {
  EXPECT_EQ(Ask("GET", "/health/live", "", {{"X-Request-Id", "abc-1"}}).request_id, "abc-1");
  const HttpAnswer slate = Ask("POST", "/v1/recommend", "{}", {{"X-Request-Id", "abc-2"}});
  EXPECT_EQ(slate.request_id, "abc-2");
  EXPECT_NE(slate.json().at("request_id"), "abc-2");
  const std::string too_long(129, 'x');
  EXPECT_NE(Ask("GET", "/health/live", "", {{"X-Request-Id", too_long}}).request_id, too_long);
  EXPECT_NE(Ask("GET", "/health/live").request_id, Ask("GET", "/health/live").request_id);
}

TEST_F(ApiTest, WithAKeyOnlyHealthIsOpen) {
  Serve({.api_key = "secret"});
  const HttpAnswer refused = Ask("POST", "/v1/recommend", "{}");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.problem(), "unauthorized");
  EXPECT_EQ(refused.authenticate, "Bearer");
  EXPECT_EQ(Ask("GET", "/metrics").status, 401);
  EXPECT_EQ(Ask("GET", "/openapi.json").status, 401);
  EXPECT_EQ(Ask("GET", "/nowhere").status, 401);
  EXPECT_EQ(Ask("GET", "/health/live").status, 200);
  EXPECT_EQ(Ask("GET", "/health/ready").status, 200);
  const auto with = [&](const char* name, const char* value) {
    return Ask("POST", "/v1/recommend", "{}", {{name, value}}).status;
  };
  EXPECT_EQ(with("X-API-Key", "secret"), 200);
  EXPECT_EQ(with("Authorization", "Bearer secret"), 200);
  EXPECT_EQ(with("Authorization", "bearer secret"), 200);
  EXPECT_EQ(with("X-API-Key", "Secret"), 401);
  EXPECT_EQ(with("X-API-Key", "secret2"), 401);
  EXPECT_EQ(with("Authorization", "Basic secret"), 401);
}

TEST_F(ApiTest, TheDescriptionNamesEveryRouteAndNoOther) {
  std::set<std::string> served, described;
  for (const Api::Route& route : Api::Routes()) {
    served.insert(StrCat(route.method, " ", route.pattern, route.open ? " open" : ""));
    for (const auto& key : route.query_keys) served.insert(StrCat(route.pattern, "?", key));
  }
  for (const auto& [pattern, item] : checker_.document().at("paths").items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method == "parameters") continue;
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(c & ~0x20);
      described.insert(StrCat(upper, " ", pattern, operation.contains("security") ? " open" : ""));
      const Json parameters = operation.value("parameters", Json::array());
      for (const Json& parameter : parameters) {
        if (parameter.at("in") != "query") continue;
        described.insert(StrCat(pattern, "?", std::string(parameter.at("name"))));
      }
    }
  }
  EXPECT_EQ(served, described);

  const auto& properties =
      checker_.document().at("components").at("schemas").at("RecommendRequest").at("properties");
  std::set<std::string> read, told;
  for (const std::string_view key : RecommendKeys()) read.insert(std::string(key));
  for (const auto& [key, unused] : properties.items()) told.insert(key);
  EXPECT_EQ(read, told);
  EXPECT_EQ(Ask("GET", "/openapi.json").json(), checker_.document());
}

TEST_F(ApiTest, EveryFieldOfAnAnswerThatIsDescribedIsServed) {
  Ask("GET", "/health/live");
  Ask("GET", "/health/ready");
  Ask("POST", "/v1/recommend", R"({"user":"u3","explain":true,"why_not_item":"i3"})");
  Ask("POST", "/v1/recommend", R"({"x":1})");
  Ask("GET", "/v1/items/i3");
  Ask("GET", "/v1/items/i3/similar");
  Ask("PUT", "/v1/users/u3", R"({"fields":{"a":1}})");
  Ask("GET", "/v1/users/u3");
  Ask("GET", "/v1/users/u3/actions");
  Ask("POST", "/v1/events", StrCat("[{},", Click("u3", "i1"), "]"));
  Ask("DELETE", "/v1/users/u3");
  Ask("POST", StrCat("/v1/servables/", version_, ":activate"));
  Ask("GET", "/v1/servables");
  Ask("POST", "/v1/features:read", R"({"items":["i1"]})");
  Ask("POST", "/v1/rank", R"({"user":"u3","items":["i1",{"item":"i2"}],"explain":true})");
  Ask("POST", "/v1/servables");
  AwaitTraining();
  const std::set<std::string> only_when_something_broke = {
      "Servable.problem", "Training.problem", "Degradation.stage", "Degradation.reason"};
  // ApiHeadsTest has them.
  const std::set<std::string> only_with_heads = {"RankedResult.predictions",
                                                 "RecommendedItem.predictions"};
  for (const auto& [name, schema] : checker_.document().at("components").at("schemas").items()) {
    if (name == "Event" || name == "RecommendRequest" || name == "EntityBody" ||
        name == "FeatureReadRequest" || name == "RankRequest" || name == "ValueModelBody" ||
        name == "ValueModelAnswer" || name == "TrainBody" || name == "Predictions") {
      continue;
    }
    const Json properties = schema.value("properties", Json::object());
    for (const auto& [property, unused] : properties.items()) {
      const std::string key = StrCat(name, ".", property);
      if (only_when_something_broke.contains(key) || only_with_heads.contains(key)) continue;
      EXPECT_THAT(checker_.seen(), Contains(key));
    }
  }
}

TEST(ApiWithoutServableTest, TheServerIsNotReadyButAnswers) {
  TestEngine engine;
  auto server = Server::Start(*engine, {.port = 0});
  ASSERT_TRUE(server.ok()) << server.status();
  HttpClient client(**server);
  EXPECT_EQ(client.Ask("GET", "/health/live").status, 200);
  const HttpAnswer ready = client.Ask("GET", "/health/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.problem(), "unavailable");
  EXPECT_EQ(ready.retry_after, "1");
  EXPECT_EQ(client.Ask("POST", "/v1/recommend", "{}").status, 200);
  EXPECT_EQ(client.Ask("POST", "/v1/servables:rollback").status / 100, 4);
}

}  // namespace
}  // namespace fourfold
