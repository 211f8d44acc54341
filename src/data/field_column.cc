#include "data/field_column.h"

#include <re2/re2.h>

#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {
namespace {

using Problem = std::optional<EventProblem>;
using Kind = ColumnMapping::FieldColumn::Kind;

constexpr std::int64_t kPatternMemoryBytes = 1 << 20;

Problem ReadNumber(std::string_view cell, FieldValue* value) {
  double number = 0;
  const char* const end = cell.data() + cell.size();
  const auto [parsed_to, error] = std::from_chars(cell.data(), end, number);
  if (error != std::errc() || parsed_to != end || !std::isfinite(number)) {
    return EventProblem{"", StrCat("\"", cell, "\" is not a number")};
  }
  *value = number;
  return std::nullopt;
}

Problem ReadBoolean(std::string_view cell, FieldValue* value) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(cell));
  const bool is_true = lower == "true" || lower == "1";
  if (!is_true && lower != "false" && lower != "0") {
    return EventProblem{"", StrCat("\"", cell, "\" is none of true, false, 1, 0")};
  }
  *value = is_true;
  return std::nullopt;
}

std::vector<std::string> SplitList(std::string_view cell, std::string_view separator) {
  std::vector<std::string_view> elements;
  SplitParallelList(cell, separator, &elements);
  std::vector<std::string> list;
  for (const std::string_view element : elements) {
    if (!element.empty()) list.emplace_back(element);
  }
  return list;
}

Problem ReadNumberList(std::string_view cell, std::string_view separator, FieldValue* value) {
  std::vector<double> numbers;
  for (const std::string& element : SplitList(cell, separator)) {
    FieldValue number;
    if (Problem problem = ReadNumber(element, &number)) return problem;
    numbers.push_back(std::get<double>(number));
  }
  *value = std::move(numbers);
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<RE2>> CompilePattern(const std::string& pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemoryBytes);
  auto compiled = std::make_unique<RE2>(pattern, options);
  if (!compiled->ok()) {
    return InvalidArgument("expected a regular expression of RE2: ", compiled->error());
  }
  if (compiled->NumberOfCapturingGroups() != 1) {
    return InvalidArgument(
        "expected one group in parentheses, which is what the field holds; it has ",
        compiled->NumberOfCapturingGroups());
  }
  return compiled;
}

}  // namespace

absl::Status CheckFieldPattern(const std::string& pattern) {
  return CompilePattern(pattern).status();
}

absl::StatusOr<FieldColumnReader> FieldColumnReader::Make(ColumnMapping::FieldColumn mapping,
                                                          std::size_t column) {
  const bool is_list = mapping.kind == Kind::kList || mapping.kind == Kind::kNumberList;
  if (is_list && mapping.list_separator.empty()) {
    return InvalidArgument("field ", mapping.field, " has an empty list_separator");
  }
  FieldColumnReader reader(std::move(mapping), column);
  if (!reader.mapping_.pattern.empty()) {
    absl::StatusOr<std::unique_ptr<RE2>> pattern = CompilePattern(reader.mapping_.pattern);
    if (!pattern.ok()) {
      return Annotate(pattern.status(), StrCat("field ", reader.field(), ": pattern"));
    }
    reader.pattern_ = *std::move(pattern);
  }
  return reader;
}

FieldColumnReader::FieldColumnReader(ColumnMapping::FieldColumn mapping, std::size_t column)
    : mapping_(std::move(mapping)), column_(column) {}
FieldColumnReader::FieldColumnReader(FieldColumnReader&&) noexcept = default;
FieldColumnReader& FieldColumnReader::operator=(FieldColumnReader&&) noexcept = default;
FieldColumnReader::~FieldColumnReader() = default;

std::string_view FieldColumnReader::Said(std::string_view cell) const {
  if (pattern_ == nullptr || cell.empty()) return cell;
  re2::StringPiece captured;
  if (!RE2::PartialMatch(re2::StringPiece(cell.data(), cell.size()), *pattern_, &captured)) {
    return {};
  }
  return {captured.data(), captured.size()};
}

Problem FieldColumnReader::Read(std::string_view said, FieldValue* value) const {
  switch (mapping_.kind) {
    case Kind::kString:
      *value = std::string(said);
      return std::nullopt;
    case Kind::kNumber:
      return ReadNumber(said, value);
    case Kind::kBoolean:
      return ReadBoolean(said, value);
    case Kind::kList:
      *value = SplitList(said, mapping_.list_separator);
      return std::nullopt;
    case Kind::kNumberList:
      return ReadNumberList(said, mapping_.list_separator, value);
  }
  return std::nullopt;
}

void SplitParallelList(std::string_view cell, std::string_view separator,
                       std::vector<std::string_view>* elements) {
  elements->clear();
  if (cell.empty()) return;
  while (true) {
    const std::size_t end = cell.find(separator);
    elements->push_back(cell.substr(0, end));
    if (end == std::string_view::npos) return;
    cell.remove_prefix(end + separator.size());
  }
}

}  // namespace fourfold
