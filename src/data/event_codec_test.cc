#include "data/event_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "data/event_id.h"
#include "data/random_event.h"

namespace fourfold {
namespace {

using ::testing::HasSubstr;

std::string Encoded(const Event& event) {
  std::string record;
  EncodeEvent(event, &record);
  return record;
}

Event Purchase() {
  Event event;
  event.kind = EventKind::kInteraction;
  event.event_time_ms = 1;
  event.user = "u";
  event.item = "ab";
  event.type = "buy";
  event.fields = {{"q", 6.0}, {"p", 0.5}};
  return event;
}

TEST(EventCodecTest, BytesAreTheDocumentedOnes) {
  using namespace std::string_literals;
  // Parts 1 (time), 2 (user), 4 (item), 5 (type), 11 (fields): 0x0836 is b6 10 as a varint.
  const std::string expected = "\x01\x04\xb6\x10\x02\x01"s + "u\x02"s + "ab\x03"s + "buy"s +
                               "\x02\x01q\x07\x0c\x01p\x03\x3f\xe0\x00\x00\x00\x00\x00\x00"s;
  EXPECT_EQ(Encoded(Purchase()), expected);
}

TEST(EventCodecTest, EveryEventComesBack) {
  RandomEvents events(1);
  for (int i = 0; i < 5000; ++i) {
    Event event = events.Next();
    if (i % 3 == 0) event.served_from = {5, -6, 7, "servable", "request"};
    const auto decoded = DecodeEvent(Encoded(event));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, event);
  }
}

TEST(EventCodecTest, EdgesOfNumbersComeBack) {
  Event event = Purchase();
  event.event_time_ms = kSinceForEverMs;
  event.step = std::numeric_limits<std::int64_t>::max();
  const double values[] = {-0.0, 9007199254740991.0, -9007199254740992.0, 1e300, 5e-324};
  event.fields.clear();
  for (const double value : values) event.fields.push_back({"f", value});
  const auto decoded = DecodeEvent(Encoded(event));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, event);
  EXPECT_TRUE(std::signbit(std::get<double>(decoded->fields[0].value)));
}

TEST(EventCodecTest, EveryTruncationIsAnError) {
  RandomEvents events(2);
  for (int i = 0; i < 200; ++i) {
    const std::string record = Encoded(events.Next());
    for (std::size_t size = 0; size < record.size(); ++size) {
      EXPECT_FALSE(DecodeEvent(std::string_view(record).substr(0, size)).ok());
    }
    EXPECT_FALSE(DecodeEvent(record + "x").ok());
  }
}

TEST(EventCodecTest, RandomDamageIsAnErrorOrAnotherEventButNeverACrash) {
  RandomEvents events(3);
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string record = Encoded(events.Next());
    record[random() % record.size()] = static_cast<char>(random());
    const auto decoded = DecodeEvent(record);
    EXPECT_TRUE(decoded.ok() || decoded.status().code() == absl::StatusCode::kDataLoss);
  }
}

TEST(EventCodecTest, AnotherVersionIsNamed) {
  std::string record = Encoded(Purchase());
  record[0] = 9;
  EXPECT_THAT(std::string(DecodeEvent(record).status().message()),
              HasSubstr("version 9, this program reads 1"));
}

TEST(EventIdTest, ContentIdNeverChanges) {
  // Computed apart: base64url(sha256(record + 8-byte big-endian occurrence)[:16]).
  EXPECT_EQ(ContentId(Purchase(), 0), "T61Zxeets_WqX6xPiTBprA");
  EXPECT_EQ(ContentId(Purchase(), 1), "f3lBmOHzA1iKfRm2Ov2O9Q");
}

TEST(EventIdTest, OwnIdDoesNotCountButContentDoes) {
  Event event = Purchase();
  event.id = "other";
  EXPECT_EQ(ContentId(event, 0), ContentId(Purchase(), 0));
  event.user = "v";
  EXPECT_NE(ContentId(event, 0), ContentId(Purchase(), 0));
}

}  // namespace
}  // namespace fourfold
