#include "data/csv_parser.h"

#include <gtest/gtest.h>

#include <random>

namespace fourfold {
namespace {

using Row = std::vector<std::string>;

// The plain twin: RFC 4180 one character at a time, over a whole text without stray quotes.
std::vector<Row> PlainCsv(std::string_view text, char separator) {
  std::vector<Row> rows(1, Row(1));
  bool in_quotes = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_quotes && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      rows.back().back() += '"';
      ++i;
    } else if (c == '"') {
      in_quotes = !in_quotes;
    } else if (c == separator && !in_quotes) {
      rows.back().emplace_back();
    } else if (c == '\n' && !in_quotes) {
      rows.emplace_back(1);
    } else {
      rows.back().back() += c;
    }
  }
  return rows;
}

std::vector<Row> ParsedRows(std::string_view text, char separator) {
  std::vector<Row> rows;
  CsvParser parser(separator);
  bool is_whole = true;
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    is_whole = is_whole ? parser.Start(line) : parser.Continue("\n", line);
    if (is_whole) {
      EXPECT_FALSE(parser.is_bad());
      Row& row = rows.emplace_back();
      for (std::size_t i = 0; i < parser.size(); ++i) row.emplace_back(parser[i]);
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  EXPECT_TRUE(is_whole);
  return rows;
}

TEST(CsvParserTest, RandomTablesAreReadAsByThePlainTwin) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    const char separator = round % 2 == 0 ? ',' : '\t';
    std::string text;
    const std::uint64_t fields = 1 + random() % 12;
    for (std::uint64_t i = 0; i < fields; ++i) {
      if (i > 0) text += random() % 4 == 0 ? '\n' : separator;
      const bool is_quoted = random() % 2 == 0;
      if (is_quoted) text += '"';
      const std::uint64_t size = random() % 5;
      for (std::uint64_t k = 0; k < size; ++k) {
        constexpr char kAnywhere[] = "abc ;'";
        const std::uint64_t choice = random() % 9;
        if (choice < 6 || !is_quoted) {
          text += kAnywhere[choice % 6];
        } else if (choice == 6) {
          text += "\"\"";
        } else {
          text += choice == 7 ? '\n' : separator;
        }
      }
      if (is_quoted) text += '"';
    }
    ASSERT_EQ(ParsedRows(text, separator), PlainCsv(text, separator)) << text;
  }
}

TEST(CsvParserTest, TextAfterAClosingQuoteIsBad) {
  CsvParser parser(',');
  EXPECT_TRUE(parser.Start("a,\"b\"c,d"));
  EXPECT_TRUE(parser.is_bad());
  EXPECT_EQ(parser.bad_field(), 1u);
  EXPECT_EQ(parser.size(), 3u);
  EXPECT_TRUE(parser.Start("a"));
  EXPECT_FALSE(parser.is_bad());
}

}  // namespace
}  // namespace fourfold
