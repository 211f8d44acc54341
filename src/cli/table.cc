#include "cli/table.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/strings.h"

namespace fourfold {
namespace {

bool BeginsCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

void PrintCell(std::ostream& out, std::string_view text, std::size_t width, Table::Align align,
               bool last) {
  const std::string padding(width - Width(text), ' ');
  if (align == Table::Align::kRight) {
    out << padding << text;
  } else {
    out << text << (last ? "" : padding);
  }
  out << (last ? "\n" : "  ");
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells) {
  FOURFOLD_CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::Print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = Width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, Width(row[i]));
    widths.push_back(width);
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    PrintCell(out, columns_[i].title, widths[i], columns_[i].align, i + 1 == columns_.size());
  }
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      PrintCell(out, row[i], widths[i], columns_[i].align, i + 1 == columns_.size());
    }
  }
}

std::string Shorten(std::string_view text, std::size_t characters) {
  if (Width(text) <= characters) return std::string(text);
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if (BeginsCharacter(text[end]) && ++seen == characters) break;
  }
  return StrCat(text.substr(0, end), "…");
}

std::string Decimal(double value, int decimals) { return absl::StrFormat("%.*f", decimals, value); }

std::string Thousands(std::uint64_t value) {
  const std::string digits = StrCat(value);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string Bytes(std::uint64_t bytes) {
  if (bytes < 1000) return StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  for (const char* unit : {"kB", "MB", "GB"}) {
    value /= 1000;
    if (value < 1000) return absl::StrFormat("%.1f %s", value, unit);
  }
  return absl::StrFormat("%.1f TB", value / 1000);
}

}  // namespace fourfold
