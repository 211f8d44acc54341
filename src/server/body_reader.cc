#include "server/body_reader.h"

#include <algorithm>

#include "base/strings.h"
#include "data/limits.h"
#include "data/timestamp.h"

namespace fourfold {
namespace {

namespace dom = simdjson::dom;

// Parsers keep their buffers, which saves each request an allocation; one that a giant body has
// blown up is not kept.
constexpr std::size_t kParserBytesKept = 1 << 20;

// A list is one of numbers or of strings by its first element; an empty one is of strings.
std::string ReadList(dom::array list, FieldValue* out) {
  if (list.size() > limits::kListElementsMax) {
    return StrCat("holds more than ", limits::kListElementsMax, " elements");
  }
  std::vector<std::string> texts;
  std::vector<double> numbers;
  std::size_t bytes = 0;
  for (const dom::element element : list) {
    std::string_view text;
    double number = 0;
    if (!element.get(text)) {
      texts.emplace_back(text);
      bytes += text.size();
    } else if (!element.get(number)) {
      numbers.push_back(number);
    } else {
      return "a list holds strings or numbers";
    }
  }
  if (!texts.empty() && !numbers.empty()) return "a list holds strings or numbers, not both";
  if (bytes > limits::kFieldValueBytesMax) {
    return StrCat("is longer than ", limits::kFieldValueBytesMax, " bytes");
  }
  if (numbers.empty()) {
    *out = std::move(texts);
  } else {
    *out = std::move(numbers);
  }
  return "";
}

// What is wrong with the value, or an empty string.
std::string ReadFieldValue(dom::element value, FieldValue* out) {
  switch (value.type()) {
    case dom::element_type::NULL_VALUE:
      *out = std::monostate();
      return "";
    case dom::element_type::BOOL:
      *out = bool{value};
      return "";
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE:
      *out = double{value};
      return "";
    case dom::element_type::STRING: {
      const std::string_view text{value};
      if (text.size() > limits::kFieldValueBytesMax) {
        return StrCat("is longer than ", limits::kFieldValueBytesMax, " bytes");
      }
      *out = std::string(text);
      return "";
    }
    case dom::element_type::ARRAY:
      return ReadList(dom::array{value}, out);
    case dom::element_type::OBJECT:
      break;
  }
  return "must be null, a boolean, a number, a string, or a list of strings or of numbers";
}

}  // namespace

void ForEachMember(
    std::string_view body, FieldErrors* errors,
    absl::FunctionRef<void(std::string_view key, simdjson::dom::element value)> each) {
  thread_local dom::parser parser;
  if (parser.capacity() > kParserBytesKept) parser = dom::parser();
  dom::element document;
  if (const auto error = parser.parse(body.data(), body.size()).get(document)) {
    errors->push_back({"", body.empty()
                               ? std::string("the body is empty; a JSON object is wanted")
                               : StrCat("the body is not JSON: ",
                                        std::string_view(simdjson::error_message(error)))});
    return;
  }
  dom::object object;
  if (document.get(object)) {
    errors->push_back({"", "the body must be a JSON object"});
    return;
  }
  std::vector<std::string_view> seen;
  for (const dom::key_value_pair member : object) {
    if (std::find(seen.begin(), seen.end(), member.key) != seen.end()) {
      errors->push_back({std::string(member.key), "stands twice"});
      continue;
    }
    seen.push_back(member.key);
    each(member.key, member.value);
    if (errors->size() >= 100) return;  // enough to be told at once
  }
}

void ReadTimestamp(std::string_view key, dom::element value, std::int64_t* time_ms,
                   FieldErrors* errors) {
  std::string_view text;
  std::int64_t number = 0;
  std::string written;
  if (!value.get(text)) {
    written.assign(text);
  } else if (!value.get(number)) {
    written = StrCat(number);
  } else if (value.is_null()) {
    return;
  }
  const absl::StatusOr<std::int64_t> time = ParseTimestamp(written);
  if (time.ok()) {
    *time_ms = *time;
  } else {
    errors->push_back({std::string(key), std::string(MessageOf(time.status()))});
  }
}

void ReadFields(std::string_view key, dom::element value, std::vector<Field>* fields,
                FieldErrors* errors) {
  dom::object object;
  if (value.get(object)) {
    errors->push_back({std::string(key), "must be an object of names and values"});
    return;
  }
  if (object.size() > limits::kFieldsMax) {
    errors->push_back(
        {std::string(key), StrCat("holds more than ", limits::kFieldsMax, " fields")});
    return;
  }
  for (const dom::key_value_pair member : object) {
    Field field{std::string(member.key), {}};
    std::string problem;
    if (field.name.empty()) {
      problem = "a field needs a name";
    } else if (field.name.size() > limits::kIdBytesMax) {
      field.name.resize(32);
      problem = StrCat("the name is longer than ", limits::kIdBytesMax, " bytes");
    } else {
      problem = ReadFieldValue(member.value, &field.value);
    }
    if (problem.empty()) {
      fields->push_back(std::move(field));
    } else {
      errors->push_back({StrCat(key, ".", field.name), std::move(problem)});
    }
  }
  std::sort(fields->begin(), fields->end(),
            [](const Field& a, const Field& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(fields->begin(), fields->end(),
                         [](const Field& a, const Field& b) { return a.name == b.name; });
  if (twice != fields->end()) errors->push_back({StrCat(key, ".", twice->name), "stands twice"});
}

}  // namespace fourfold
