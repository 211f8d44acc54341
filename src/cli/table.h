#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace fourfold {

// Columns of text, aligned for a terminal. Widths are counted in characters of UTF-8.
class Table {
 public:
  enum class Align : char { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void AddRow(std::vector<std::string> cells);  // one a column
  bool empty() const { return rows_.empty(); }
  void Print(std::ostream& out) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// The text, or its beginning and an ellipsis where it has more than `characters`.
std::string Shorten(std::string_view text, std::size_t characters);

// "0.1234" with so many decimals.
std::string Decimal(double value, int decimals);
// "397,924".
std::string Thousands(std::uint64_t value);
// "12.4 MB".
std::string Bytes(std::uint64_t bytes);

}  // namespace fourfold
