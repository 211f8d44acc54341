#include "server/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

namespace fourfold {
namespace {

template <typename Write>
std::string Written(const Write& write) {
  std::string json;
  JsonWriter writer(&json);
  write(&writer);
  return json;
}

TEST(JsonWriterTest, CommasStandBetweenMembersAndElementsAlone) {
  const std::string json = Written([](JsonWriter* writer) {
    writer->BeginObject();
    writer->Key("a");
    writer->BeginArray();
    writer->EndArray();
    writer->Key("b");
    writer->BeginArray();
    writer->Integer(-1);
    writer->BeginObject();
    writer->EndObject();
    writer->Bool(true);
    writer->Null();
    writer->EndArray();
    writer->Key("c");
    writer->Raw(R"({"x":1})");
    writer->EndObject();
  });
  EXPECT_EQ(json, R"({"a":[],"b":[-1,{},true,null],"c":{"x":1}})");
}

TEST(JsonWriterTest, TextIsEscaped) {
  EXPECT_EQ(Written([](JsonWriter* writer) { writer->String("a\"b\\c\n\x01é"); }),
            "\"a\\\"b\\\\c\\n\\u0001é\"");
}

TEST(JsonWriterTest, BytesThatAreNoUtf8BecomeReplacementCharacters) {
  EXPECT_EQ(Written([](JsonWriter* writer) { writer->String("caf\xe9!"); }),
            "\"caf\xef\xbf\xbd!\"");
}

TEST(JsonWriterTest, WhatJsonCannotSayIsNull) {
  EXPECT_EQ(Written([](JsonWriter* writer) { writer->Number(std::nan("")); }), "null");
  EXPECT_EQ(
      Written([](JsonWriter* writer) { writer->Number(-std::numeric_limits<double>::infinity()); }),
      "null");
}

TEST(JsonWriterTest, FieldValuesKeepTheirKind) {
  const std::string json = Written([](JsonWriter* writer) {
    writer->BeginArray();
    writer->Value(std::monostate());
    writer->Value(false);
    writer->Value(2.5);
    writer->Value(std::string("x"));
    writer->Value(std::vector<std::string>{"a", "b"});
    writer->Value(std::vector<double>{1, 2});
    writer->EndArray();
  });
  EXPECT_EQ(json, R"([null,false,2.5,"x",["a","b"],[1,2]])");
}

TEST(JsonWriterTest, RandomTextAndNumbersReadBackAsTheyWere) {
  std::mt19937_64 random(301);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (std::uint64_t i = random() % 12; i > 0; --i) {
      text.push_back(static_cast<char>(random() % 128));
    }
    std::uint64_t bits = random();
    double number = 0;
    std::memcpy(&number, &bits, sizeof number);
    if (!std::isfinite(number)) number = 0.1;
    const auto read = nlohmann::json::parse(Written([&](JsonWriter* writer) {
      writer->BeginArray();
      writer->String(text);
      writer->Number(number);
      writer->Unsigned(bits);
      writer->EndArray();
    }));
    EXPECT_EQ(read[0], text);
    EXPECT_EQ(read[1].get<double>(), number);
    EXPECT_EQ(read[2].get<std::uint64_t>(), bits);
  }
}

}  // namespace
}  // namespace fourfold
