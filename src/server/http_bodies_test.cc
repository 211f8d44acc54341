#include "server/http_bodies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "data/limits.h"

namespace fourfold {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// "field: detail" of each error.
std::vector<std::string> Told(const FieldErrors& errors) {
  std::vector<std::string> told;
  for (const FieldError& error : errors) told.push_back(StrCat(error.field, ": ", error.detail));
  return told;
}

std::vector<std::string> RecommendErrors(std::string_view body) {
  RecommendRequest request;
  return Told(DecodeRecommendBody(body, &request));
}

TEST(RecommendBodyTest, EveryKeyIsRead) {
  RecommendRequest request;
  const FieldErrors errors = DecodeRecommendBody(
      R"({"user":"u","session":"s","surface":"cart","limit":7,"filter":"price < 5",
          "include_items":["a","b"],"exclude_items":["c"],"after_request":"r","after_position":"p",
          "why_not_item":"w","explain":true,"log_slate":false})",
      &request);
  EXPECT_THAT(Told(errors), IsEmpty());
  EXPECT_EQ(request.user, "u");
  EXPECT_EQ(request.session, "s");
  EXPECT_EQ(request.surface, "cart");
  EXPECT_EQ(request.limit, 7);
  EXPECT_EQ(request.filter, "price < 5");
  EXPECT_THAT(request.include_items, ElementsAre("a", "b"));
  EXPECT_THAT(request.exclude_items, ElementsAre("c"));
  EXPECT_EQ(request.after_request, "r");
  EXPECT_EQ(request.after_position, "p");
  EXPECT_EQ(request.why_not_item, "w");
  EXPECT_TRUE(request.explain);
  EXPECT_FALSE(request.log_slate);
}

TEST(RecommendBodyTest, AbsentAndNullKeysLeaveTheDefaults) {
  RecommendRequest request;
  EXPECT_THAT(DecodeRecommendBody(R"({"user":null,"limit":null})", &request), IsEmpty());
  EXPECT_EQ(request.user, "");
  EXPECT_EQ(request.limit, 20);
  EXPECT_EQ(request.surface, "home");
  EXPECT_TRUE(request.log_slate);
}

TEST(RecommendBodyTest, UnknownAndRepeatedKeysAreNamed) {
  EXPECT_THAT(RecommendErrors(R"({"usr":"u","user":"a","user":"b"})"),
              ElementsAre("usr: is not known here", "user: stands twice"));
}

TEST(RecommendBodyTest, EveryMistakeIsTold) {
  EXPECT_THAT(
      RecommendErrors(
          R"({"user":1,"limit":0,"include_items":"a","exclude_items":["x",2],"explain":"yes"})"),
      ElementsAre("user: must be a string", "limit: must be a whole number from 1 to 500",
                  "include_items: must be a list of strings",
                  "exclude_items[1]: must be a string of at most 256 bytes",
                  "explain: must be true or false"));
  EXPECT_THAT(RecommendErrors(R"({"limit":1.5})"),
              ElementsAre("limit: must be a whole number from 1 to 500"));
}

TEST(RecommendBodyTest, LimitsHoldToTheByte) {
  const std::string longest(limits::kIdBytesMax, 'x');
  EXPECT_THAT(RecommendErrors(StrCat(R"({"user":")", longest, "\"}")), IsEmpty());
  EXPECT_THAT(RecommendErrors(StrCat(R"({"user":")", longest, "x\"}")),
              ElementsAre("user: is longer than 256 bytes"));
  std::string items = "\"a\"";
  for (std::size_t i = 1; i < limits::kRequestItemListMax; ++i) items += ",\"a\"";
  EXPECT_THAT(RecommendErrors(StrCat("{\"include_items\":[", items, "]}")), IsEmpty());
  EXPECT_THAT(RecommendErrors(StrCat("{\"include_items\":[", items, ",\"a\"]}")),
              ElementsAre("include_items: holds more than 1000 items"));
}

TEST(RecommendBodyTest, WhatIsNoJsonObjectIsRefused) {
  EXPECT_THAT(RecommendErrors(""), ElementsAre(HasSubstr("the body is empty")));
  EXPECT_THAT(RecommendErrors("{"), ElementsAre(HasSubstr("the body is not JSON")));
  EXPECT_THAT(RecommendErrors(R"({"user":"u"} x)"), ElementsAre(HasSubstr("not JSON")));
  EXPECT_THAT(RecommendErrors("[]"), ElementsAre(": the body must be a JSON object"));
  EXPECT_THAT(RecommendErrors("{\"user\":\"\xff\"}"), ElementsAre(HasSubstr("not JSON")));
  EXPECT_THAT(RecommendErrors(std::string(100'000, '[')), ElementsAre(HasSubstr("not JSON")));
}

TEST(EntityBodyTest, FieldsOfEveryKindComeOutSorted) {
  EntityBody entity;
  EXPECT_THAT(DecodeEntityBody(R"({"fields":{"z":null,"y":true,"x":1.5,"w":"t","v":["a"],"u":[1,2]},
                                   "timestamp":"2011-12-09T12:50:00Z"})",
                               &entity),
              IsEmpty());
  EXPECT_THAT(entity.fields,
              ElementsAre(Field{"u", std::vector<double>{1, 2}},
                          Field{"v", std::vector<std::string>{"a"}}, Field{"w", std::string("t")},
                          Field{"x", 1.5}, Field{"y", true}, Field{"z", std::monostate()}));
  EXPECT_EQ(entity.event_time_ms, 1'323'435'000'000);
}

TEST(EntityBodyTest, TimestampsMayBeNumbersOrAbsent) {
  EntityBody entity;
  EXPECT_THAT(DecodeEntityBody(R"({"fields":{},"timestamp":1323435000000})", &entity), IsEmpty());
  EXPECT_EQ(entity.event_time_ms, 1'323'435'000'000);
  EntityBody timeless;
  EXPECT_THAT(DecodeEntityBody(R"({"fields":{},"timestamp":null})", &timeless), IsEmpty());
  EXPECT_EQ(timeless.event_time_ms, kNoTimeMs);
}

TEST(EntityBodyTest, MistakesAreNamed) {
  const auto errors = [](std::string_view body) {
    EntityBody entity;
    return Told(DecodeEntityBody(body, &entity));
  };
  EXPECT_THAT(errors("{}"), ElementsAre("fields: is missing"));
  EXPECT_THAT(errors(R"({"fields":[]})"),
              ElementsAre("fields: must be an object of names and values"));
  EXPECT_THAT(errors(R"({"fields":{"a":{}}})"), ElementsAre(HasSubstr("fields.a: must be null")));
  EXPECT_THAT(errors(R"({"fields":{"a":[1,"b"]}})"),
              ElementsAre("fields.a: a list holds strings or numbers, not both"));
  EXPECT_THAT(errors(R"({"fields":{"a":1,"a":2}})"), ElementsAre("fields.a: stands twice"));
  EXPECT_THAT(errors(R"({"fields":{"":1}})"), ElementsAre("fields.: a field needs a name"));
  EXPECT_THAT(errors(R"({"fields":{},"x":1})"), ElementsAre("x: is not known here"));
  EXPECT_THAT(errors(R"({"fields":{},"timestamp":"soon"})"), ElementsAre(HasSubstr("timestamp: ")));
  EXPECT_THAT(errors(StrCat(R"({"fields":{"a":")",
                            std::string(limits::kFieldValueBytesMax + 1, 'x'), "\"}}")),
              ElementsAre("fields.a: is longer than 32768 bytes"));
}

TEST(TrainBodyTest, ActivateIsReadAndMistakesAreNamed) {
  bool activate = false;
  EXPECT_THAT(DecodeTrainBody("", &activate), IsEmpty());
  EXPECT_FALSE(activate);
  EXPECT_THAT(DecodeTrainBody(R"({"activate":true})", &activate), IsEmpty());
  EXPECT_TRUE(activate);
  EXPECT_THAT(DecodeTrainBody(R"({"activate":1,"tune":false})", &activate),
              ElementsAre(FieldError{"activate", "must be true or false"},
                          FieldError{"tune", "is not known here"}));
}

TEST(DecodePercentTest, EscapesBecomeBytes) {
  EXPECT_EQ(DecodePercent("a%2Fb%20c%c3%A9+", false), "a/b cé+");
  EXPECT_EQ(DecodePercent("a+b", true), "a b");
}

TEST(DecodePercentTest, BrokenEscapesAndTextAreRefused) {
  for (const char* bad : {"%", "%2", "%zz", "a%", "%00", "%ff", "%c3"}) {
    EXPECT_EQ(DecodePercent(bad, false), std::nullopt) << bad;
  }
}

TEST(TargetTest, PathAndQueryComeApart) {
  const auto target = SplitTarget("/a/b?c=1&d=?");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->path, "/a/b");
  EXPECT_EQ(target->query, "c=1&d=?");
  EXPECT_EQ(SplitTarget("http://host:80/x?y")->path, "/x");
  EXPECT_FALSE(SplitTarget("").has_value());
  EXPECT_FALSE(SplitTarget("*").has_value());
  EXPECT_FALSE(SplitTarget("http://host").has_value());
}

TEST(QueryTest, ParametersAreDecodedInOrder) {
  QueryParameters parameters;
  EXPECT_THAT(DecodeQuery("limit=5&filter=a%3D%221%22+and+b&flag", &parameters), IsEmpty());
  EXPECT_THAT(parameters,
              ElementsAre(Pair("limit", "5"), Pair("filter", "a=\"1\" and b"), Pair("flag", "")));
  QueryParameters bad;
  EXPECT_THAT(Told(DecodeQuery("a=1&a=2&b=%zz", &bad)),
              ElementsAre("a: stands twice", "b: is not percent-encoded UTF-8"));
}

TEST(LimitTest, OnlyWholeNumbersInRangeAreTaken) {
  EXPECT_EQ(ParseLimit("1", 10), 1);
  EXPECT_EQ(ParseLimit("10", 10), 10);
  for (const char* bad : {"", "0", "11", "-1", "1.5", "x", "1x", "99999999999999999999"}) {
    EXPECT_EQ(ParseLimit(bad, 10), std::nullopt) << bad;
  }
}

TEST(MatchPathTest, NamesTakeWholeSegmentsDecoded) {
  std::vector<std::string> values;
  EXPECT_EQ(MatchPath("/v1/items/{id}/similar", "/v1/items/a%2Fb/similar", &values),
            PathMatch::kYes);
  EXPECT_THAT(values, ElementsAre("a/b"));
  EXPECT_EQ(MatchPath("/v1/servables/{version}:activate", "/v1/servables/x:y:activate", &values),
            PathMatch::kYes);
  EXPECT_THAT(values, ElementsAre("x:y"));
  EXPECT_EQ(MatchPath("/v1/items/{id}", "/v1/items/%zz", &values), PathMatch::kBadEncoding);
}

TEST(MatchPathTest, OtherPathsDoNotMatch) {
  std::vector<std::string> values;
  for (const char* path : {"", "/", "/v1", "/v1/items", "/v1/items/", "/v1/items/a/", "/v1/items//",
                           "/v1/items/a/b", "v1/items/a", "//v1/items/a", "/V1/items/a"}) {
    EXPECT_EQ(MatchPath("/v1/items/{id}", path, &values), PathMatch::kNo) << path;
  }
  EXPECT_EQ(MatchPath("/v1/servables/{version}:activate", "/v1/servables/:activate", &values),
            PathMatch::kNo);
}

}  // namespace
}  // namespace fourfold
