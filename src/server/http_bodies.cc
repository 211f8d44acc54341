#include "server/http_bodies.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <variant>

#include "base/strings.h"
#include "data/limits.h"
#include "server/body_reader.h"

namespace fourfold {
namespace {

namespace dom = simdjson::dom;

struct RecommendKey {
  std::string_view name;
  std::variant<std::string RecommendRequest::*, std::vector<std::string> RecommendRequest::*,
               std::vector<Field> RecommendRequest::*, int RecommendRequest::*,
               bool RecommendRequest::*>
      member;
  std::size_t bytes_max = limits::kIdBytesMax;  // of a string, or of each in a list
};

constexpr RecommendKey kRecommendKeys[] = {
    {"user", &RecommendRequest::user},
    {"session", &RecommendRequest::session},
    {"surface", &RecommendRequest::surface},
    {"fields", &RecommendRequest::fields},
    {"limit", &RecommendRequest::limit},
    {"filter", &RecommendRequest::filter, limits::kExpressionBytesMax},
    {"include_items", &RecommendRequest::include_items},
    {"exclude_items", &RecommendRequest::exclude_items},
    {"after_request", &RecommendRequest::after_request},
    {"after_position", &RecommendRequest::after_position},
    {"why_not_item", &RecommendRequest::why_not_item},
    {"explain", &RecommendRequest::explain},
    {"log_slate", &RecommendRequest::log_slate},
};

void ReadMember(const RecommendKey& key, dom::element value, std::string* text,
                FieldErrors* errors) {
  std::string_view read;
  if (value.get(read)) {
    errors->push_back({std::string(key.name), "must be a string"});
  } else if (read.size() > key.bytes_max) {
    errors->push_back({std::string(key.name), StrCat("is longer than ", key.bytes_max, " bytes")});
  } else {
    text->assign(read);
  }
}

void ReadMember(const RecommendKey& key, dom::element value, std::vector<std::string>* ids,
                FieldErrors* errors) {
  dom::array list;
  if (value.get(list)) {
    errors->push_back({std::string(key.name), "must be a list of strings"});
    return;
  }
  if (list.size() > limits::kRequestItemListMax) {
    errors->push_back(
        {std::string(key.name), StrCat("holds more than ", limits::kRequestItemListMax, " items")});
    return;
  }
  ids->reserve(list.size());
  for (const dom::element element : list) {
    std::string_view id;
    if (element.get(id) || id.size() > key.bytes_max) {
      errors->push_back({StrCat(key.name, "[", ids->size(), "]"),
                         StrCat("must be a string of at most ", key.bytes_max, " bytes")});
      return;
    }
    ids->emplace_back(id);
  }
}

void ReadMember(const RecommendKey& key, dom::element value, std::vector<Field>* fields,
                FieldErrors* errors) {
  ReadFields(key.name, value, fields, errors);
}

void ReadMember(const RecommendKey& key, dom::element value, int* limit, FieldErrors* errors) {
  std::int64_t read = 0;
  if (value.get(read) || read < 1 || read > limits::kSlateLimitMax) {
    errors->push_back({std::string(key.name),
                       StrCat("must be a whole number from 1 to ", limits::kSlateLimitMax)});
  } else {
    *limit = static_cast<int>(read);
  }
}

void ReadMember(const RecommendKey& key, dom::element value, bool* truth, FieldErrors* errors) {
  if (value.get(*truth)) errors->push_back({std::string(key.name), "must be true or false"});
}

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// Takes the text up to the separator off the front of `rest`.
std::string_view TakeUpTo(char separator, std::string_view* rest) {
  const std::size_t end = rest->find(separator);
  const std::string_view taken = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return taken;
}

}  // namespace

const std::vector<std::string_view>& RecommendKeys() {
  static const std::vector<std::string_view> keys = [] {
    std::vector<std::string_view> names;
    for (const RecommendKey& key : kRecommendKeys) names.push_back(key.name);
    return names;
  }();
  return keys;
}

FieldErrors DecodeRecommendBody(std::string_view body, RecommendRequest* request) {
  FieldErrors errors;
  ForEachMember(body, &errors, [&](std::string_view name, dom::element value) {
    const auto key = std::find_if(std::begin(kRecommendKeys), std::end(kRecommendKeys),
                                  [&](const RecommendKey& known) { return known.name == name; });
    if (key == std::end(kRecommendKeys)) {
      errors.push_back({std::string(name), "is not known here"});
    } else if (!value.is_null()) {
      std::visit([&](auto member) { ReadMember(*key, value, &(request->*member), &errors); },
                 key->member);
    }
  });
  return errors;
}

FieldErrors DecodeEntityBody(std::string_view body, EntityBody* entity) {
  FieldErrors errors;
  bool given = false;
  ForEachMember(body, &errors, [&](std::string_view key, dom::element value) {
    if (key == "fields") {
      given = true;
      ReadFields("fields", value, &entity->fields, &errors);
    } else if (key == "timestamp") {
      ReadTimestamp("timestamp", value, &entity->event_time_ms, &errors);
    } else {
      errors.push_back({std::string(key), "is not known here"});
    }
  });
  if (errors.empty() && !given) errors.push_back({"fields", "is missing"});
  return errors;
}

FieldErrors DecodeTrainBody(std::string_view body, bool* activate) {
  FieldErrors errors;
  if (body.empty()) return errors;
  ForEachMember(body, &errors, [&](std::string_view key, dom::element value) {
    if (key != "activate") {
      errors.push_back({std::string(key), "is not known here"});
    } else if (!value.is_null() && value.get(*activate) != simdjson::SUCCESS) {
      errors.push_back({"activate", "must be true or false"});
    }
  });
  return errors;
}

std::optional<std::string> DecodePercent(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded.push_back(' ');
    } else if (text[i] != '%') {
      decoded.push_back(text[i]);
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const std::optional<int> high = HexDigit(text[i + 1]), low = HexDigit(text[i + 2]);
      if (!high || !low) return std::nullopt;
      decoded.push_back(static_cast<char>(*high * 16 + *low));
      i += 2;
    }
  }
  if (decoded.find('\0') != std::string::npos) return std::nullopt;
  if (!simdjson::validate_utf8(decoded.data(), decoded.size())) return std::nullopt;
  return decoded;
}

std::optional<Target> SplitTarget(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (target.substr(0, kScheme.size()) == kScheme) {
    target.remove_prefix(kScheme.size());
    const std::size_t slash = target.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    target.remove_prefix(slash);
  }
  if (target.empty() || target.front() != '/') return std::nullopt;
  target = target.substr(0, target.find('#'));
  Target split;
  split.path = TakeUpTo('?', &target);
  split.query = target;
  return split;
}

FieldErrors DecodeQuery(std::string_view query, QueryParameters* parameters) {
  FieldErrors errors;
  while (!query.empty()) {
    std::string_view value = TakeUpTo('&', &query);
    if (value.empty()) continue;
    const std::string_view name = TakeUpTo('=', &value);
    std::optional<std::string> decoded_name = DecodePercent(name, /*plus_is_space=*/true);
    std::optional<std::string> decoded_value = DecodePercent(value, /*plus_is_space=*/true);
    if (!decoded_name || !decoded_value) {
      errors.push_back({decoded_name.value_or(""), "is not percent-encoded UTF-8"});
      continue;
    }
    const auto same = [&](const auto& parameter) { return parameter.first == *decoded_name; };
    if (std::any_of(parameters->begin(), parameters->end(), same)) {
      errors.push_back({*decoded_name, "stands twice"});
      continue;
    }
    parameters->emplace_back(*std::move(decoded_name), *std::move(decoded_value));
  }
  return errors;
}

std::optional<int> ParseLimit(std::string_view text, int max) {
  int limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (limit < 1 || limit > max) return std::nullopt;
  return limit;
}

PathMatch MatchPath(std::string_view pattern, std::string_view path,
                    std::vector<std::string>* values) {
  values->clear();
  if (path.empty() || path.back() == '/') return PathMatch::kNo;
  bool bad_encoding = false;
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = TakeUpTo('/', &pattern);
    std::string_view segment = TakeUpTo('/', &path);
    if (pattern.empty() != path.empty()) return PathMatch::kNo;
    if (wanted.empty() || wanted.front() != '{') {
      if (wanted != segment) return PathMatch::kNo;
      continue;
    }
    const std::string_view suffix = wanted.substr(wanted.find('}') + 1);
    if (segment.size() <= suffix.size() ||
        segment.substr(segment.size() - suffix.size()) != suffix) {
      return PathMatch::kNo;
    }
    segment.remove_suffix(suffix.size());
    std::optional<std::string> value = DecodePercent(segment, /*plus_is_space=*/false);
    bad_encoding |= !value.has_value();
    values->push_back(std::move(value).value_or(""));
  }
  if (!pattern.empty() || !path.empty()) return PathMatch::kNo;
  return bad_encoding ? PathMatch::kBadEncoding : PathMatch::kYes;
}

}  // namespace fourfold
