#include "data/csv_parser.h"

#include <algorithm>

namespace fourfold {

bool CsvParser::Start(std::string_view line) {
  text_.clear();
  ends_.clear();
  is_bad_ = false;
  return Parse(line);
}

bool CsvParser::Continue(std::string_view line_end, std::string_view line) {
  text_.append(line_end);
  if (!TakeQuoted(&line)) return false;
  ends_.push_back(text_.size());
  if (line.empty()) return true;
  return Parse(line.substr(1));
}

// Takes fields up to the end of the line; stands at the first character of a field.
bool CsvParser::Parse(std::string_view rest) {
  while (true) {
    if (rest.starts_with('"')) {
      rest.remove_prefix(1);
      if (!TakeQuoted(&rest)) return false;
    } else {
      const std::string_view field = rest.substr(0, rest.find(separator_));
      text_.append(field);
      rest.remove_prefix(field.size());
    }
    ends_.push_back(text_.size());
    if (rest.empty()) return true;
    rest.remove_prefix(1);
  }
}

// Takes the rest of a quoted field up to its separator; false when the line ends before the quote.
bool CsvParser::TakeQuoted(std::string_view* rest) {
  while (true) {
    const std::size_t quote = rest->find('"');
    text_.append(rest->substr(0, quote));
    if (quote == std::string_view::npos) return false;
    rest->remove_prefix(quote + 1);
    if (!rest->starts_with('"')) break;
    text_.push_back('"');
    rest->remove_prefix(1);
  }
  if (!rest->empty() && rest->front() != separator_) {
    is_bad_ = true;
    bad_field_ = ends_.size();
    rest->remove_prefix(std::min(rest->find(separator_), rest->size()));
  }
  return true;
}

}  // namespace fourfold
