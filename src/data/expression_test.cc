#include "data/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/strings.h"

namespace fourfold {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::map<std::string, FieldValue, std::less<>>& Fields() {
  static const auto& fields = *new std::map<std::string, FieldValue, std::less<>>{
      {"price", 4.5},
      {"quantity", std::string("12")},
      {"kind", std::string("goods")},
      {"gift", true},
      {"sold_out", false},
      {"nothing", std::monostate()},
      {"unit price", 2.0},
      {"tags", std::vector<std::string>{"red", "tea cup"}},
      {"sizes", std::vector<double>{3, 5}},
      {"empty", std::vector<std::string>{}},
  };
  return fields;
}

const FieldValue* Lookup(std::string_view name) {
  const auto field = Fields().find(name);
  return field == Fields().end() ? nullptr : &field->second;
}

bool Holds(std::string_view text) {
  const auto expression = Expression::Parse(text);
  EXPECT_TRUE(expression.ok()) << text << ": " << expression.status();
  if (!expression.ok()) return false;
  std::vector<const FieldValue*> values;
  for (const std::string& name : expression->field_names()) values.push_back(Lookup(name));
  const bool holds = expression->Evaluate(Lookup);
  EXPECT_EQ(holds, expression->EvaluateValues(values)) << text;
  return holds;
}

TEST(ExpressionTest, HoldsAsItsHeaderSays) {
  for (const char* text : {
           "price < 5 and not (kind == \"postage\")",
           "price == 4.5",
           "price != 4",
           "4 < price",
           "price <= 4.5",
           "-1e1 < price",
           "quantity == 12",
           "quantity > 9",
           "12 == quantity",
           "quantity < \"2\"",
           "kind == 'goods'",
           "kind > 'good'",
           "kind in ['a', 'goods']",
           "kind not in ['a']",
           "kind != price",
           "gift",
           "gift == true",
           "not sold_out",
           "sold_out != true",
           "true",
           "not false",
           "true or gift and false",
           "(true or gift) and gift",
           "missing == null",
           "null == missing",
           "nothing == null",
           "missing != 1",
           "price != null",
           "missing not in [1]",
           "missing in [null]",
           "exists(price)",
           "not exists(nothing)",
           "not exists(missing)",
           "exists(`unit price`)",
           "`unit price` == 2",
           "starts_with(kind, 'go')",
           "ends_with(kind, 'ds')",
           "contains(kind, 'oo')",
           "matches(kind, '^g.*s$')",
           "matches(kind, 'oo')",
           "matches(quantity, '^[0-9]{2}$')",
           "tags == 'red'",
           "'tea cup' == tags",
           "tags in ['blue', 'red']",
           "contains(tags, 'cup')",
           "starts_with(tags, 'tea')",
           "tags != 'blue'",
           "sizes == 5",
           "sizes in [1, 3]",
           "empty != 'a'",
           "exists(empty)",
           "'it\\'s' == \"it's\"",
           "'a\\\\b' != 'ab'",
           "not not gift",
           "price in [quantity, 4.5]",
           "price\n<\t5",
       }) {
    EXPECT_TRUE(Holds(text)) << text;
  }
}

TEST(ExpressionTest, FailsToHoldAsItsHeaderSays) {
  for (const char* text : {
           "price < 4.5",
           "price == null",
           "missing < 1",
           "missing >= 1",
           "missing == 1",
           "missing != null",
           "nothing != null",
           "missing in [1]",
           "missing",
           "nothing",
           "price",
           "kind",
           "quantity == '12.0'",
           "kind == 5",
           "kind < 5",
           "kind > 5",
           "gift == 'true'",
           "gift < 5",
           "gift == 1",
           "tags != 'red'",
           "tags < 'z'",
           "sizes > 1",
           "empty == 'a'",
           "starts_with(missing, '')",
           "contains(price, '4')",
           "matches(kind, '^oo')",
           "starts_with(kind, 'goods!')",
           "kind not in ['goods']",
           "missing == missing2 and false",
           "false or false",
           "not gift or sold_out",
       }) {
    EXPECT_FALSE(Holds(text)) << text;
  }
}

TEST(ExpressionTest, NamesStandOnceInOrderOfUse) {
  const auto expression = Expression::Parse("b == 1 and a.x == b or exists(`c d`)");
  ASSERT_TRUE(expression.ok());
  EXPECT_THAT(expression->field_names(), ElementsAre("b", "a.x", "c d"));
  EXPECT_EQ(expression->text(), "b == 1 and a.x == b or exists(`c d`)");
}

TEST(ExpressionTest, ErrorsSayWhereAndWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "column 1: expected a condition, but the expression ends"},
      {"price <", "column 8: expected a name or a value, but the expression ends"},
      {"price = 5", "column 7: expected == to compare"},
      {"price < 5 and", "column 14: expected a condition"},
      {"price < 5 kind", "column 11: expected and, or, or the end"},
      {"(price < 5", "column 11: expected ), but the expression ends"},
      {"5", "column 2: expected a comparison after the value of column 1"},
      {"null and true", "column 6: expected a comparison"},
      {"kind in 'a'", "column 9: expected ["},
      {"kind in []", "column 10: expected a name or a value"},
      {"kind in ['a' 'b']", "column 14: expected , or ]"},
      {"kind not 'a'", "column 10: expected in"},
      {"begins_with(kind, 'a')", "column 1: expected one of starts_with"},
      {"starts_with('a', 'a')", "column 13: expected the name of a field"},
      {"starts_with(kind, 5)", "column 19: expected a string"},
      {"matches(kind, '(')", "column 15: expected a regular expression of RE2: missing )"},
      {"kind == 'a", "column 11: expected the ' that ends the string of column 9"},
      {"kind == '\\d'", "column 10: expected one of"},
      {"kind == ``", "column 9: expected a name between back-ticks"},
      {"price < 5x", "column 9: expected a number"},
      {"price < -", "column 9: expected a number"},
      {"price < 1e999", "column 9: expected a number"},
      {"price # 5", "column 7: expected a name, a value or an operator"},
      {"and", "column 1: expected a condition"},
  };
  for (const auto& [text, expected] : cases) {
    const auto expression = Expression::Parse(text);
    ASSERT_FALSE(expression.ok()) << text;
    EXPECT_THAT(std::string(expression.status().message()), HasSubstr(expected)) << text;
  }
}

TEST(ExpressionTest, LimitsHold) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '(') + "gift" +
           std::string(static_cast<std::size_t>(depth), ')');
  };
  EXPECT_TRUE(Expression::Parse(nested(63)).ok());
  EXPECT_FALSE(Expression::Parse(nested(64)).ok());
  const auto chain = [](int parts) {
    std::string text = "gift";
    for (int i = 1; i < parts; ++i) text += " or gift";
    return text;
  };
  EXPECT_TRUE(Expression::Parse(chain(128)).ok());
  EXPECT_FALSE(Expression::Parse(chain(129)).ok());
  const auto list = [](int elements) {
    std::string text = "a in [1";
    for (int i = 1; i < elements; ++i) text += ",1";
    return text + "]";
  };
  EXPECT_TRUE(Expression::Parse(list(1024)).ok());
  EXPECT_FALSE(Expression::Parse(list(1025)).ok());
  EXPECT_TRUE(Expression::Parse("gift" + std::string(4092, ' ')).ok());
  EXPECT_FALSE(Expression::Parse("gift" + std::string(4093, ' ')).ok());
}

}  // namespace
}  // namespace fourfold
