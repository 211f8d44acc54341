#include "cli/table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace fourfold {
namespace {

TEST(TableTest, AlignsColumnsByCharactersNotBytes) {
  Table table({{"item"}, {"price", Table::Align::kRight}, {"found by"}});
  table.AddRow({"café", "4.50", "popular"});
  table.AddRow({"teapot", "12.00", "cf"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(),
            "item    price  found by\n"
            "café     4.50  popular\n"
            "teapot  12.00  cf\n");
}

TEST(TableTest, ShortensAtWholeCharacters) {
  EXPECT_EQ(Shorten("café noir", 20), "café noir");
  EXPECT_EQ(Shorten("café noir", 5), "café…");
  EXPECT_EQ(Shorten("abc", 3), "abc");
}

TEST(TableTest, WritesNumbersForPeople) {
  EXPECT_EQ(Thousands(0), "0");
  EXPECT_EQ(Thousands(999), "999");
  EXPECT_EQ(Thousands(1000), "1,000");
  EXPECT_EQ(Thousands(12345678), "12,345,678");
  EXPECT_EQ(Bytes(999), "999 B");
  EXPECT_EQ(Bytes(12'400'000), "12.4 MB");
  EXPECT_EQ(Decimal(0.12345, 4), "0.1235");
}

}  // namespace
}  // namespace fourfold
