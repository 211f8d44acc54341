#include "engine/recipe_section.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "data/timestamp.h"
#include "engine/time_text.h"

namespace fourfold {
namespace {

constexpr std::size_t kProblemsMax = 100;
// yaml-cpp's tag of a quoted scalar: it is a text even if it looks like a number.
constexpr std::string_view kQuoted = "!";

int LineOf(const YAML::Node& node) { return node.Mark().line + 1; }

std::string_view KindOf(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return "nothing";
    case YAML::NodeType::Scalar:
      return "a single value";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
  }
  return "something else";
}

bool ParseNumber(const YAML::Node& node, double* value) {
  if (!node.IsScalar() || node.Tag() == kQuoted) return false;
  const std::string& text = node.Scalar();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(*value);
}

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string NumberText(double value) { return absl::StrCat(value); }

}  // namespace

void RecipeReading::AddProblem(int line, const std::string& path, std::string_view message) {
  if (problems.size() >= kProblemsMax) return;
  std::string_view variable;
  for (const auto& [overridden_path, name] : overridden) {
    const bool same = path == overridden_path;
    const bool inside =
        path.starts_with(overridden_path) && path.size() > overridden_path.size() &&
        (path[overridden_path.size()] == '.' || path[overridden_path.size()] == '[');
    if (same || inside) variable = name;
  }
  const std::string subject = path.empty() ? "" : StrCat(path, ": ");
  if (!variable.empty()) {
    problems.emplace_back(0, StrCat("environment variable ", variable, ": ", subject, message));
  } else {
    problems.emplace_back(line, StrCat(file, ":", line, ": ", subject, message));
  }
}

std::string_view NearestName(std::string_view name, const std::vector<std::string>& known) {
  std::string_view nearest;
  std::size_t best = std::numeric_limits<std::size_t>::max();
  // A name of kilobytes is no misspelling; its distance needs no table of that size.
  name = name.substr(0, 64);
  for (const std::string& candidate : known) {
    const std::size_t distance = EditDistance(name, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

RecipeSection::RecipeSection(RecipeReading* reading, const YAML::Node& node, std::string path)
    : reading_(reading), path_(std::move(path)) {
  if (!node.IsDefined() || node.IsNull()) return;
  line_ = LineOf(node);
  if (!node.IsMap()) {
    malformed_ = true;
    reading_->AddProblem(line_, path_, StrCat("must be a mapping of keys, not ", KindOf(node)));
    return;
  }
  for (const auto& pair : node) {
    const int line = LineOf(pair.first);
    if (!pair.first.IsScalar()) {
      reading_->AddProblem(line, path_, StrCat("a key must be a name, not ", KindOf(pair.first)));
      continue;
    }
    const std::string& key = pair.first.Scalar();
    const auto [entry, is_new] = entries_.emplace(key, Entry{pair.second, line});
    if (!is_new) {
      reading_->AddProblem(line, PathOf(key),
                           StrCat("stands here twice; first at line ", entry->second.line));
    }
  }
}

std::string RecipeSection::PathOf(const std::string& key) const {
  return path_.empty() ? key : StrCat(path_, ".", key);
}

void RecipeSection::Problem(const std::string& key, std::string_view message) {
  const auto entry = entries_.find(key);
  reading_->AddProblem(entry == entries_.end() ? line_ : entry->second.line, PathOf(key), message);
}

void RecipeSection::RequireKey(const std::string& key) {
  if (!collecting() && !malformed_ && !Has(key)) Problem(key, "is required and missing");
}

void RecipeSection::AppliesIf(bool applies, std::string reason) {
  applies_ = applies || collecting();
  reason_ = std::move(reason);
}

const YAML::Node* RecipeSection::Find(const std::string& key, std::string_view type,
                                      std::string_view fallback) {
  known_.push_back(key);
  if (collecting()) {
    reading_->keys->push_back(
        {.path = PathOf(key), .type = std::string(type), .fallback = std::string(fallback)});
    return nullptr;
  }
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return nullptr;
  if (!applies_) {
    Problem(key, StrCat("does not apply to ", reason_));
    return nullptr;
  }
  if (entry->second.value.IsNull()) {
    Problem(key, StrCat("has no value; expected ", type));
    return nullptr;
  }
  return &entry->second.value;
}

const std::string* RecipeSection::FindScalar(const std::string& key, std::string_view type,
                                             std::string_view fallback) {
  const YAML::Node* node = Find(key, type, fallback);
  if (node == nullptr) return nullptr;
  if (!node->IsScalar()) {
    Problem(key, StrCat("must be a ", type, ", not ", KindOf(*node)));
    return nullptr;
  }
  return &node->Scalar();
}

const YAML::Node* RecipeSection::FindList(const std::string& key, std::string_view type,
                                          std::string_view fallback) {
  const YAML::Node* node = Find(key, type, fallback);
  if (node == nullptr) return nullptr;
  if (!node->IsSequence()) {
    Problem(key, StrCat("must be a ", type, ", not ", KindOf(*node)));
    return nullptr;
  }
  return node;
}

void RecipeSection::Text(const std::string& key, std::string* value) {
  const std::string fallback = value->empty() ? "none" : StrCat("`", *value, "`");
  if (const std::string* text = FindScalar(key, "text", fallback)) *value = *text;
}

void RecipeSection::Flag(const std::string& key, bool* value) {
  const std::string* text = FindScalar(key, "true or false", *value ? "true" : "false");
  if (text == nullptr) return;
  if (*text == "true" || *text == "false") {
    *value = *text == "true";
  } else {
    Problem(key, StrCat("must be true or false, not \"", *text, "\""));
  }
}

bool RecipeSection::ReadNumber(const std::string& key, const YAML::Node& node, double minimum,
                               double maximum, double* value) {
  double number = 0;
  if (!ParseNumber(node, &number)) {
    Problem(key, node.IsScalar() ? StrCat("must be a number, not \"", node.Scalar(), "\"")
                                 : StrCat("must be a number, not ", KindOf(node)));
    return false;
  }
  if (number < minimum || number > maximum) {
    Problem(key, StrCat("must lie between ", minimum, " and ", maximum, ", not ", node.Scalar()));
    return false;
  }
  *value = number;
  return true;
}

void RecipeSection::Integer(const std::string& key, int* value, int minimum, int maximum) {
  const YAML::Node* node = Find(key, "integer", StrCat(*value));
  if (node == nullptr) return;
  double number = 0;
  if (!ReadNumber(key, *node, minimum, maximum, &number)) return;
  if (number != std::floor(number)) {
    Problem(key, StrCat("must be a whole number, not ", node->Scalar()));
    return;
  }
  *value = static_cast<int>(number);
}

void RecipeSection::Number(const std::string& key, double* value, double minimum, double maximum) {
  if (const YAML::Node* node = Find(key, "number", NumberText(*value))) {
    ReadNumber(key, *node, minimum, maximum, value);
  }
}

void RecipeSection::Duration(const std::string& key, std::int64_t* value_ms) {
  const std::string* text = FindScalar(key, "duration", FormatDuration(*value_ms));
  if (text == nullptr) return;
  const absl::StatusOr<std::int64_t> parsed = ParseDuration(*text);
  if (parsed.ok()) {
    *value_ms = *parsed;
  } else {
    Problem(key, MessageOf(parsed.status()));
  }
}

void RecipeSection::Time(const std::string& key, std::optional<std::int64_t>* value_ms) {
  const std::string* text = FindScalar(key, "time", "none");
  if (text == nullptr) return;
  const absl::StatusOr<std::int64_t> parsed = ParseTimeMs(*text);
  if (parsed.ok()) {
    *value_ms = *parsed;
  } else {
    Problem(key, MessageOf(parsed.status()));
  }
}

void RecipeSection::TextList(const std::string& key, std::vector<std::string>* value) {
  const YAML::Node* node = FindList(key, "list of texts", value->empty() ? "none" : "");
  if (node == nullptr) return;
  std::vector<std::string> texts;
  for (const YAML::Node& element : *node) {
    if (!element.IsScalar()) {
      Problem(key, StrCat("must hold texts, not ", KindOf(element)));
      return;
    }
    texts.push_back(element.Scalar());
  }
  *value = std::move(texts);
}

void RecipeSection::NumberList(const std::string& key, std::vector<double>* value, double minimum,
                               double maximum) {
  const std::string fallback = StrCat("[", absl::StrJoin(*value, ", "), "]");
  const YAML::Node* node = FindList(key, "list of numbers", fallback);
  if (node == nullptr) return;
  std::vector<double> numbers;
  for (const YAML::Node& element : *node) {
    double number = 0;
    if (!ReadNumber(key, element, minimum, maximum, &number)) return;
    numbers.push_back(number);
  }
  *value = std::move(numbers);
}

void RecipeSection::NumberMap(const std::string& key, std::map<std::string, double>* value,
                              double minimum, double maximum) {
  const YAML::Node* node = Find(key, "mapping of names to numbers", "none");
  if (node == nullptr) return;
  RecipeSection names(reading_, *node, PathOf(key));
  for (const auto& [name, entry] : names.entries_) {
    double number = 0;
    if (names.ReadNumber(name, entry.value, minimum, maximum, &number)) (*value)[name] = number;
  }
}

void RecipeSection::Condition(const std::string& key, std::optional<Expression>* value) {
  const std::string* text = FindScalar(key, "condition", "none");
  if (text == nullptr) return;
  absl::StatusOr<Expression> parsed = Expression::Parse(*text);
  if (parsed.ok()) {
    value->emplace(std::move(*parsed));
  } else {
    Problem(key, MessageOf(parsed.status()));
  }
}

void RecipeSection::Value(const std::string& key, FieldValue* value) {
  const YAML::Node* node = Find(key, "text, number, true or false, or a list", "none");
  if (node == nullptr) return;
  const auto scalar = [](const YAML::Node& from) -> FieldValue {
    double number = 0;
    if (ParseNumber(from, &number)) return number;
    const std::string& text = from.Scalar();
    if (from.Tag() != kQuoted && (text == "true" || text == "false")) return text == "true";
    return text;
  };
  if (node->IsScalar()) {
    *value = scalar(*node);
    return;
  }
  const bool scalars = node->IsSequence() &&
                       std::all_of(node->begin(), node->end(),
                                   [](const YAML::Node& element) { return element.IsScalar(); });
  if (!scalars) {
    Problem(key, StrCat("must be a single value or a list of them, not ", KindOf(*node)));
    return;
  }
  std::vector<std::string> texts;
  std::vector<double> numbers;
  for (const YAML::Node& element : *node) {
    texts.push_back(element.Scalar());
    double number = 0;
    if (ParseNumber(element, &number)) numbers.push_back(number);
  }
  if (!texts.empty() && numbers.size() == texts.size()) {
    *value = std::move(numbers);
  } else {
    *value = std::move(texts);
  }
}

std::optional<std::size_t> RecipeSection::ChosenName(const std::string& key,
                                                     const std::vector<std::string>& names,
                                                     const std::string& fallback) {
  const std::string type = StrCat("one of ", absl::StrJoin(names, ", "));
  const std::string* text = FindScalar(key, type, fallback.empty() ? "none" : fallback);
  if (text == nullptr) return std::nullopt;
  const auto found = std::find(names.begin(), names.end(), *text);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  Problem(key, StrCat("\"", *text, "\" is not ", type, "; did you mean ", NearestName(*text, names),
                      "?"));
  return std::nullopt;
}

void RecipeSection::Mapping(const std::string& key,
                            const std::function<void(RecipeSection&)>& read) {
  const YAML::Node* node = Find(key, "section", "none");
  RecipeSection section(reading_, node == nullptr ? YAML::Node() : *node, PathOf(key));
  read(section);
  section.Finish();
}

void RecipeSection::List(const std::string& key, const std::function<void(RecipeSection&)>& read,
                         bool or_single) {
  const YAML::Node* node =
      Find(key, or_single ? "section or list of sections" : "list of sections", "none");
  if (collecting()) {
    RecipeSection element(reading_, YAML::Node(), StrCat(PathOf(key), "[]"));
    read(element);
  }
  if (node == nullptr) return;
  if (or_single && node->IsMap()) {
    RecipeSection element(reading_, *node, PathOf(key));
    read(element);
    element.Finish();
    return;
  }
  if (!node->IsSequence()) {
    Problem(key, StrCat("must be a list, not ", KindOf(*node)));
    return;
  }
  std::size_t index = 0;
  for (const YAML::Node& value : *node) {
    RecipeSection element(reading_, value, StrCat(PathOf(key), "[", index++, "]"));
    if (!value.IsMap()) {
      if (value.IsNull()) reading_->AddProblem(LineOf(value), element.path_, "is empty");
      continue;
    }
    read(element);
    element.Finish();
  }
}

void RecipeSection::Finish() {
  if (collecting()) return;
  for (const auto& [key, entry] : entries_) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const std::string_view nearest = NearestName(key, known_);
    Problem(key, nearest.empty() ? unknown_ : StrCat(unknown_, "; did you mean ", nearest, "?"));
  }
}

}  // namespace fourfold
