#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fourfold {

// One record of RFC 4180 at a time: fields divided by a separator, in double quotes where they
// hold separators, quotes (doubled) or newlines. A quote within a field that does not begin with
// one stands for itself. Not thread-safe.
class CsvParser {
 public:
  explicit CsvParser(char separator) : separator_(separator) {}

  // Takes a line without its end. False: the line ends within quotes, and the record goes on with
  // Continue. Starts a new record.
  bool Start(std::string_view line);
  // Takes the next line of an open record; `line_end` is what ended the line before.
  bool Continue(std::string_view line_end, std::string_view line);

  // Of a whole record. They hold until the next Start.
  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(text_).substr(begin, ends_[i] - begin);
  }
  // True when text follows the quote that ends a field: field bad_field() is then not to be used.
  bool is_bad() const { return is_bad_; }
  std::size_t bad_field() const { return bad_field_; }
  std::size_t bytes() const { return text_.size(); }

 private:
  bool Parse(std::string_view rest);
  bool TakeQuoted(std::string_view* rest);

  const char separator_;
  std::string text_;
  std::vector<std::size_t> ends_;
  bool is_bad_ = false;
  std::size_t bad_field_ = 0;
};

}  // namespace fourfold
