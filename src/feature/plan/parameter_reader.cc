#include "feature/plan/parameter_reader.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "data/timestamp.h"

namespace fourfold {

const FieldValue* ParameterReader::Find(std::string_view name, std::string_view type) {
  known_.push_back({std::string(name), std::string(type)});
  if (declaration_ == nullptr) return nullptr;
  for (const Field& parameter : declaration_->parameters) {
    if (parameter.name == name) return &parameter.value;
  }
  return nullptr;
}

void ParameterReader::Problem(std::string_view parameter, std::string message) {
  if (declaration_ != nullptr) problems_.emplace_back(parameter, std::move(message));
}

std::string ParameterReader::Text(std::string_view name, std::string fallback) {
  const FieldValue* value = Find(name, "text");
  if (value == nullptr) return fallback;
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  Problem(name, "must be a text");
  return fallback;
}

std::string ParameterReader::RequiredText(std::string_view name) {
  std::string text = Text(name);
  const bool is_there =
      declaration_ == nullptr ||
      std::any_of(declaration_->parameters.begin(), declaration_->parameters.end(),
                  [&](const Field& parameter) { return parameter.name == name; });
  if (!is_there) Problem(name, "is required and missing");
  return text;
}

std::vector<std::string> ParameterReader::Texts(std::string_view name) {
  const FieldValue* value = Find(name, "list of texts");
  if (value == nullptr) return {};
  if (const auto* texts = std::get_if<std::vector<std::string>>(value)) return *texts;
  if (const auto* text = std::get_if<std::string>(value)) return {*text};
  // An empty list has no type of its own.
  const auto* numbers = std::get_if<std::vector<double>>(value);
  if (numbers == nullptr || !numbers->empty()) Problem(name, "must be a list of texts");
  return {};
}

double ParameterReader::Number(std::string_view name, double fallback, double minimum,
                               double maximum) {
  const FieldValue* value = Find(name, "number");
  if (value == nullptr) return fallback;
  const auto* number = std::get_if<double>(value);
  if (number == nullptr) {
    Problem(name, "must be a number");
  } else if (!(*number >= minimum && *number <= maximum)) {
    Problem(name, StrCat("must lie between ", minimum, " and ", maximum));
  } else {
    return *number;
  }
  return fallback;
}

bool ParameterReader::Flag(std::string_view name, bool fallback) {
  const FieldValue* value = Find(name, "true or false");
  if (value == nullptr) return fallback;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  Problem(name, "must be true or false");
  return fallback;
}

std::int64_t ParameterReader::Duration(std::string_view name) {
  const FieldValue* value = Find(name, "duration");
  if (value == nullptr) return 0;
  const auto* number = std::get_if<double>(value);
  if (number != nullptr && *number == 0) return 0;
  const auto* text = std::get_if<std::string>(value);
  const absl::StatusOr<std::int64_t> parsed =
      ParseDuration(text == nullptr ? std::string_view() : *text);
  if (parsed.ok()) return *parsed;
  Problem(name, "must be a duration such as 30d, 12h or 90s");
  return 0;
}

std::string ParameterReader::Choice(std::string_view name,
                                    const std::vector<std::string>& choices) {
  const FieldValue* value = Find(name, absl::StrJoin(choices, ", "));
  if (value == nullptr) return choices.front();
  const auto* text = std::get_if<std::string>(value);
  if (text != nullptr && std::find(choices.begin(), choices.end(), *text) != choices.end()) {
    return *text;
  }
  Problem(name, StrCat("must be one of ", absl::StrJoin(choices, ", ")));
  return choices.front();
}

void ParameterReader::Finish() {
  if (declaration_ == nullptr) return;
  for (const Field& parameter : declaration_->parameters) {
    const bool is_known = std::any_of(known_.begin(), known_.end(), [&](const Known& known) {
      return known.name == parameter.name;
    });
    if (is_known) continue;
    std::vector<std::string> names;
    for (const Known& known : known_) names.push_back(known.name);
    Problem(parameter.name, StrCat("unknown parameter; ", declaration_->kind, " takes ",
                                   names.empty() ? "none" : absl::StrJoin(names, ", ")));
  }
}

}  // namespace fourfold
