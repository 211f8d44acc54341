#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "server/api.h"
#include "server/api_testing.h"

namespace fourfold {
namespace {

using ::testing::Contains;

TEST_F(ApiTest, AListIsPutInOrder) {
  const auto ranked = Ask("POST", "/v1/rank", R"({"user": "u1", "items": ["i1", {"item": "i2",
      "fields": {"price": 3}}], "explain": true})");
  ASSERT_EQ(ranked.status, 200) << ranked.body;
  ASSERT_EQ(ranked.json().at("items").size(), 2);
  EXPECT_EQ(ranked.json().at("servable"), version_);
  EXPECT_GE(ranked.json().at("items").at(0).at("score"),
            ranked.json().at("items").at(1).at("score"));
  EXPECT_TRUE(ranked.json().at("items").at(0).at("contributions").contains("(base)"));
  EXPECT_EQ(Ask("POST", "/v1/rank", R"({"items": []})").status, 400);
  const auto bad = Ask("POST", "/v1/rank", R"({"items": [{"itm": "i1"}, 5], "explain": 1})");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.json().at("errors").size(), 3) << bad.body;
}

class ApiHeadsTest : public ApiTest {
 protected:
  ApiHeadsTest() : ApiTest(Recipe()) {}

  static std::string Recipe() {
    const std::string_view all = TestEngine::kItemCfRecipe;
    return StrCat(all.substr(0, all.find("ranker:")), R"(
ranker:
  kind: transact
  rows: actions
  labels: {click: 1, hide: 0}
  heads: [{name: click, actions: [click]}, {name: hide, actions: [hide]}]
  value_model: {click: 1, hide: -5}
  validation_share: 0
  transact: {actions: 3, action_dimension: 8, item_dimension: 8, layers: 1, latest: 1, hidden: [8], epochs: 1}
)");
  }
};

TEST_F(ApiHeadsTest, TheValueModelIsReadAndChangedAndExplained) {
  const auto before = Ask("GET", "/v1/value-model");
  ASSERT_EQ(before.status, 200) << before.body;
  EXPECT_EQ(before.json().at("servable"), version_);
  EXPECT_EQ(before.json().at("weights"), (Json{{"click", 1}, {"hide", -5}}));
  const auto changed = Ask("PUT", "/v1/value-model", R"({"weights": {"hide": -7.5}})");
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.json().at("weights"), (Json{{"click", 1}, {"hide", -7.5}}));
  EXPECT_EQ(changed.json().at("recipe_weights"), before.json().at("weights"));
  const auto ranked =
      Ask("POST", "/v1/rank", R"({"user": "u1", "items": ["i1", "i2"], "explain": true})");
  const auto slate = Ask("POST", "/v1/recommend", R"({"user": "u1", "explain": true})");
  for (const auto& answer : {ranked, slate}) {
    ASSERT_EQ(answer.status, 200) << answer.body;
    const Json item = answer.json().at("items").at(0);
    const Json predictions = item.at("predictions");
    EXPECT_EQ(predictions.at("hide").at("weight"), -7.5);
    EXPECT_NEAR(item.at("score").get<double>(),
                predictions.at("click").at("probability").get<double>() -
                    7.5 * predictions.at("hide").at("probability").get<double>(),
                1e-5);
  }
  for (const char* bad : {"{}", R"({"weights": 3})", R"({"weights": {"hide": "much"}})",
                          R"({"weights": {"hide": 1e7}})", R"({"weights": {"love": 1}})",
                          R"({"weights": {}, "more": 1})"}) {
    EXPECT_EQ(Ask("PUT", "/v1/value-model", bad).status, 400) << bad;
  }
  EXPECT_EQ(Ask("GET", "/v1/value-model").json().at("weights").at("hide"), -7.5);
  for (const char* key : {"RankedResult.predictions", "RecommendedItem.predictions",
                          "ValueModelAnswer.weights", "ValueModelAnswer.recipe_weights"}) {
    EXPECT_THAT(checker_.seen(), Contains(key));
  }
}

TEST_F(ApiTest, WithoutHeadsThereIsNoValueModel) {
  EXPECT_EQ(Ask("GET", "/v1/value-model").status, 409);
  EXPECT_EQ(Ask("PUT", "/v1/value-model", R"({"weights": {}})").status, 409);
}

TEST_F(ApiTest, FeaturesAreReadAsOfAnyMoment) {
  const auto now = Ask("POST", "/v1/features:read", R"({"user": "u0", "items": ["i0", "gone"]})");
  ASSERT_EQ(now.status, 200) << now.body;
  EXPECT_EQ(now.json().at("items").at(0).at("features").at("price"), 0);
  EXPECT_GT(now.json().at("items").at(0).at("features").at("clicks"), 0);
  EXPECT_TRUE(now.json().at("items").at(1).at("features").at("price").is_null());
  EXPECT_EQ(now.json().at("sequences").at("latest").size(), 3);
  const auto then = Ask("POST", "/v1/features:read",
                        R"({"user": "u0", "items": ["i0"], "as_of": "2001-01-01T00:00:00Z"})");
  ASSERT_EQ(then.status, 200) << then.body;
  EXPECT_EQ(then.json().at("items").at(0).at("features").at("clicks"), 0);
  EXPECT_EQ(then.json().at("as_of"), "2001-01-01T00:00:00Z");
  const auto bad = Ask("POST", "/v1/features:read", R"({"usr": "u0", "as_of": "soon"})");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.json().at("errors").size(), 2) << bad.body;
}

}  // namespace
}  // namespace fourfold
