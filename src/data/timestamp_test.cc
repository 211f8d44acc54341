#include "data/timestamp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fourfold/event.h"

namespace fourfold {
namespace {

using ::testing::HasSubstr;

// 2011-12-09T12:50:00Z by `date -u -d ... +%s`.
constexpr std::int64_t kLastInvoiceMs = 1'323'435'000'000;

std::int64_t Parsed(std::string_view text) {
  const auto time_ms = ParseTimestamp(text);
  EXPECT_TRUE(time_ms.ok()) << time_ms.status();
  return time_ms.value_or(0);
}

TEST(TimestampTest, ReadsIsoWithAZoneAndUnixMilliseconds) {
  EXPECT_EQ(Parsed("2011-12-09T12:50:00Z"), kLastInvoiceMs);
  EXPECT_EQ(Parsed("2011-12-09T13:50:00+01:00"), kLastInvoiceMs);
  EXPECT_EQ(Parsed("2011-12-09 12:50:00.250Z"), kLastInvoiceMs + 250);
  EXPECT_EQ(Parsed("2011-12-09T12:50:00.2509Z"), kLastInvoiceMs + 250);
  EXPECT_EQ(Parsed("1323435000000"), kLastInvoiceMs);
  EXPECT_EQ(Parsed("-1"), -1);
  EXPECT_EQ(Parsed("0001-01-01T00:00:00Z"), -62'135'596'800'000);
  EXPECT_EQ(Parsed("9999-12-31T23:59:59.999Z"), 253'402'300'799'999);
}

TEST(TimestampTest, RefusesWhatStatesNoMoment) {
  for (const char* text :
       {"", "2011-12-09T12:50:00", "2011-12-09", "2011-13-09T12:50:00Z", "infinite-future",
        "yesterday", "1e3", "99999999999999999999", "253402300800000", "0000-12-31T00:00:00Z"}) {
    EXPECT_FALSE(ParseTimestamp(text).ok()) << text;
  }
  EXPECT_THAT(std::string(ParseTimestamp("2011-12-09").status().message()),
              HasSubstr("\"2011-12-09\" is not an ISO-8601 time with a zone"));
}

TEST(TimestampTest, ReadsColumnsByTheirFormat) {
  EXPECT_EQ(*TimeFormat::Make("unix_s")->Parse("1323435000"), kLastInvoiceMs);
  EXPECT_EQ(*TimeFormat::Make("unix_s")->Parse("1323435000.5"), kLastInvoiceMs + 500);
  EXPECT_EQ(*TimeFormat::Make("unix_s")->Parse("1.323435E9"), kLastInvoiceMs);
  EXPECT_EQ(*TimeFormat::Make("unix_ms")->Parse("1323435000000"), kLastInvoiceMs);
  EXPECT_EQ(*TimeFormat::Make("iso8601")->Parse("2011-12-09T12:50:00Z"), kLastInvoiceMs);
  EXPECT_EQ(*TimeFormat::Make("%Y-%m-%d %H:%M:%S")->Parse("2011-12-09 12:50:00"), kLastInvoiceMs);
  EXPECT_FALSE(TimeFormat::Make("unix_s")->Parse("9e15").ok());
  EXPECT_FALSE(TimeFormat::Make("unix_s")->Parse("9223372036854775807").ok());
  EXPECT_FALSE(TimeFormat::Make("unix_s")->Parse("nan").ok());
  EXPECT_FALSE(TimeFormat::Make("%Y-%m-%d")->Parse("2011-12-09 12:50:00").ok());
  EXPECT_FALSE(TimeFormat::Make("iso").ok());
}

TEST(TimestampTest, FormattedTimesReadBack) {
  EXPECT_EQ(FormatTimestamp(kLastInvoiceMs), "2011-12-09T12:50:00Z");
  EXPECT_EQ(FormatTimestamp(kLastInvoiceMs + 50), "2011-12-09T12:50:00.05Z");
  for (const std::int64_t time_ms :
       {-62'135'596'800'000L, -1L, 0L, 1L, kLastInvoiceMs + 7, 253'402'300'799'999L}) {
    EXPECT_EQ(Parsed(FormatTimestamp(time_ms)), time_ms);
  }
  EXPECT_EQ(FormatTimestamp(kSinceForEverMs), "since_for_ever");
}

TEST(DurationTest, ReadsANumberAndAUnit) {
  EXPECT_EQ(*ParseDuration("30d"), 2'592'000'000);
  EXPECT_EQ(*ParseDuration("12h"), 43'200'000);
  EXPECT_EQ(*ParseDuration("15m"), 900'000);
  EXPECT_EQ(*ParseDuration("90s"), 90'000);
  EXPECT_EQ(*ParseDuration("500ms"), 500);
  EXPECT_EQ(*ParseDuration("0"), 0);
  for (const char* text : {"", "5", "d", "-5d", "1.5h", "5 d", "5w", "9999999999d"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(DurationTest, FormatsInTheLargestExactUnit) {
  EXPECT_EQ(FormatDuration(2'592'000'000), "30d");
  EXPECT_EQ(FormatDuration(90'000), "90s");
  EXPECT_EQ(FormatDuration(60'000), "1m");
  EXPECT_EQ(FormatDuration(1'500), "1500ms");
  EXPECT_EQ(FormatDuration(0), "0");
}

}  // namespace
}  // namespace fourfold
