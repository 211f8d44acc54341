#include "data/event_json.h"

#include <simdjson.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "base/strings.h"
#include "data/timestamp.h"

namespace fourfold {
namespace {

namespace dom = simdjson::dom;
using Problem = std::optional<EventProblem>;

constexpr std::string_view kSinceForEver = "since_for_ever";
constexpr std::int64_t kExactIntegerMax = std::int64_t{1} << 53;

constexpr unsigned Bit(EventKind kind) { return 1U << static_cast<unsigned>(kind); }
constexpr unsigned kInItem = Bit(EventKind::kItem);
constexpr unsigned kInUser = Bit(EventKind::kUser);
constexpr unsigned kInRanking = Bit(EventKind::kRanking);
constexpr unsigned kInInteraction = Bit(EventKind::kInteraction);
constexpr unsigned kInAll = kInItem | kInUser | kInRanking | kInInteraction;

enum class Key : std::uint8_t {
  kEvent,
  kTenant,
  kTimestamp,
  kText,  // a member of type string
  kStep,
  kFields,
  kItems,
  kDeleted,
};

struct KeySpec {
  std::string_view name;
  Key key;
  unsigned kinds;
  std::string Event::*member = nullptr;
};

constexpr KeySpec kKeys[] = {
    {"event", Key::kEvent, kInAll},
    {"id", Key::kText, kInAll, &Event::id},
    {"timestamp", Key::kTimestamp, kInAll},
    {"tenant", Key::kTenant, kInAll},
    {"user", Key::kText, kInUser | kInRanking | kInInteraction, &Event::user},
    {"session", Key::kText, kInUser | kInRanking | kInInteraction, &Event::session},
    {"item", Key::kText, kInItem | kInInteraction, &Event::item},
    {"type", Key::kText, kInInteraction, &Event::type},
    {"ranking", Key::kText, kInInteraction, &Event::ranking},
    {"tie_group", Key::kText, kInRanking | kInInteraction, &Event::tie_group},
    {"step", Key::kStep, kInRanking | kInInteraction},
    {"surface", Key::kText, kInRanking, &Event::surface},
    {"query", Key::kText, kInRanking, &Event::query_text},
    {"fields", Key::kFields, kInAll},
    {"items", Key::kItems, kInRanking},
    {"deleted", Key::kDeleted, kInItem},
};

// simdjson reads up to SIMDJSON_PADDING bytes past the end, so the text is copied into a buffer
// that has them. A parser keeps its memory; a thread that once saw a large body keeps that much.
struct Reader {
  dom::parser parser;
  std::string padded;

  simdjson::error_code Parse(std::string_view json, dom::element* root) {
    padded.reserve(json.size() + simdjson::SIMDJSON_PADDING);
    padded.assign(json);
    return parser.parse(padded.data(), json.size(), /*realloc_if_needed=*/false).get(*root);
  }
};

Reader& ThreadReader() {
  thread_local Reader reader;
  return reader;
}

std::string_view NameOf(EventKind kind) {
  switch (kind) {
    case EventKind::kItem:
      return "item";
    case EventKind::kUser:
      return "user";
    case EventKind::kRanking:
      return "ranking";
    case EventKind::kInteraction:
      return "interaction";
  }
  return "";
}

Problem Wrong(std::string_view field, std::string_view reason) {
  return EventProblem{std::string(field), std::string(reason)};
}

Problem ReadString(std::string_view field, dom::element element, std::string* out) {
  if (element.is_null()) return std::nullopt;
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) return Wrong(field, "is not a string");
  if (text.empty()) return Wrong(field, "is empty");
  out->assign(text);
  return std::nullopt;
}

Problem ReadKind(dom::object object, EventKind* kind) {
  dom::element element;
  std::string_view name;
  if (object["event"].get(element) != simdjson::SUCCESS) return Wrong("event", "is missing");
  if (element.get(name) != simdjson::SUCCESS) return Wrong("event", "is not a string");
  for (const EventKind candidate :
       {EventKind::kInteraction, EventKind::kRanking, EventKind::kItem, EventKind::kUser}) {
    if (name == NameOf(candidate)) {
      *kind = candidate;
      return std::nullopt;
    }
  }
  return Wrong("event", StrCat("\"", name, "\" is none of item, user, ranking, interaction"));
}

Problem ReadTimestamp(dom::element element, std::int64_t* time_ms) {
  if (element.is_null()) return std::nullopt;
  std::string_view text;
  if (element.get(text) == simdjson::SUCCESS) {
    if (text == kSinceForEver) {
      *time_ms = kSinceForEverMs;
      return std::nullopt;
    }
    const auto parsed = ParseTimestamp(text);
    if (!parsed.ok()) return Wrong("timestamp", MessageOf(parsed.status()));
    *time_ms = *parsed;
    return std::nullopt;
  }
  double number = 0;
  if (element.get(*time_ms) != simdjson::SUCCESS) {
    if (element.get(number) != simdjson::SUCCESS) {
      return Wrong("timestamp", "is neither a string nor a number");
    }
    if (!(std::fabs(number) < 1e15)) return Wrong("timestamp", "is outside of the years 1 to 9999");
    *time_ms = static_cast<std::int64_t>(std::floor(number));
  }
  if (*time_ms < limits::kTimeMsMin || *time_ms > limits::kTimeMsMax) {
    return Wrong("timestamp", "is outside of the years 1 to 9999");
  }
  return std::nullopt;
}

// Why a number cannot be kept, or nothing.
std::optional<std::string_view> ReadNumber(dom::element element, double* number) {
  if (element.is<std::int64_t>() || element.is<std::uint64_t>()) {
    std::int64_t whole = 0;
    if (element.get(whole) != simdjson::SUCCESS || whole > kExactIntegerMax ||
        whole < -kExactIntegerMax) {
      return "is a whole number beyond 2^53: it would be rounded; write it as a string";
    }
    *number = static_cast<double>(whole);
    return std::nullopt;
  }
  if (element.get(*number) != simdjson::SUCCESS) return "is not a number";
  return std::nullopt;
}

std::optional<std::string_view> ReadList(dom::array array, FieldValue* value) {
  if (array.size() > limits::kListElementsMax) return "has more than 1024 elements";
  const bool is_of_numbers = array.size() > 0 && array.at(0).is_number();
  if (is_of_numbers) {
    auto& numbers = value->emplace<std::vector<double>>();
    numbers.reserve(array.size());
    for (const dom::element element : array) {
      double number = 0;
      if (!element.is_number()) return "is a list that mixes types";
      if (const auto reason = ReadNumber(element, &number)) return reason;
      numbers.push_back(number);
    }
    return std::nullopt;
  }
  auto& texts = value->emplace<std::vector<std::string>>();
  texts.reserve(array.size());
  for (const dom::element element : array) {
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS) {
      return "is a list of something else than strings or numbers";
    }
    texts.emplace_back(text);
  }
  return std::nullopt;
}

std::optional<std::string_view> ReadValue(dom::element element, FieldValue* value) {
  switch (element.type()) {
    case dom::element_type::NULL_VALUE:
      value->emplace<std::monostate>();
      return std::nullopt;
    case dom::element_type::BOOL:
      *value = bool{element.get_bool()};
      return std::nullopt;
    case dom::element_type::STRING:
      value->emplace<std::string>(std::string_view{element.get_string()});
      return std::nullopt;
    case dom::element_type::ARRAY:
      return ReadList(element.get_array(), value);
    case dom::element_type::OBJECT:
      return "is an object; a value is null, true, false, a number, a string or a list";
    default:
      return ReadNumber(element, &value->emplace<double>());
  }
}

Problem ReadField(const std::string& where, dom::element element, Field* field) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) {
    return Wrong(where, "is not an object like {\"name\": \"price\", \"value\": 4.95}");
  }
  bool has_name = false;
  bool has_value = false;
  for (const auto& [key, value] : object) {
    if (key == "name") {
      if (has_name) return Wrong(StrCat(where, ".name"), "stands twice");
      has_name = true;
      std::string_view name;
      if (value.get(name) != simdjson::SUCCESS) {
        return Wrong(StrCat(where, ".name"), "is not a string");
      }
      field->name.assign(name);
    } else if (key == "value") {
      if (has_value) return Wrong(StrCat(where, ".value"), "stands twice");
      has_value = true;
      if (const auto reason = ReadValue(value, &field->value)) {
        return Wrong(StrCat(where, ".value"), *reason);
      }
    } else {
      return Wrong(StrCat(where, ".", key), "is not a known key: name, value");
    }
  }
  if (!has_name) return Wrong(StrCat(where, ".name"), "is missing");
  if (!has_value) return Wrong(StrCat(where, ".value"), "is missing");
  return std::nullopt;
}

Problem ReadFields(const std::string& where, dom::element element, std::vector<Field>* fields) {
  if (element.is_null()) return std::nullopt;
  dom::array array;
  if (element.get(array) != simdjson::SUCCESS) return Wrong(where, "is not a list");
  if (array.size() > limits::kFieldsMax) return Wrong(where, "has more than 128 fields");
  fields->resize(array.size());
  std::size_t i = 0;
  for (const dom::element field : array) {
    if (Problem problem = ReadField(where, field, &(*fields)[i])) {
      problem->field.insert(where.size(), StrCat("[", i, "]"));
      return problem;
    }
    ++i;
  }
  return std::nullopt;
}

Problem ReadItem(std::size_t index, dom::element element, RankedItem* item) {
  const std::string where = StrCat("items[", index, "]");
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return Wrong(where, "is not an object");
  for (const auto& [key, value] : object) {
    const std::string place = StrCat(where, ".", key);
    if (key == "id") {
      if (!item->item.empty()) return Wrong(place, "stands twice");
      if (Problem problem = ReadString(place, value, &item->item)) return problem;
    } else if (key == "fields") {
      if (!item->fields.empty()) return Wrong(place, "stands twice");
      if (Problem problem = ReadFields(place, value, &item->fields)) return problem;
    } else {
      return Wrong(place, "is not a known key: id, fields");
    }
  }
  if (item->item.empty()) return Wrong(StrCat(where, ".id"), "is missing");
  return std::nullopt;
}

Problem ReadItems(dom::element element, std::vector<RankedItem>* items) {
  if (element.is_null()) return std::nullopt;
  dom::array array;
  if (element.get(array) != simdjson::SUCCESS) return Wrong("items", "is not a list");
  if (array.size() > limits::kSlateItemsMax) return Wrong("items", "has more than 500 items");
  items->resize(array.size());
  std::size_t i = 0;
  for (const dom::element item : array) {
    if (Problem problem = ReadItem(i, item, &(*items)[i])) return problem;
    ++i;
  }
  return std::nullopt;
}

Problem ReadKey(const KeySpec& spec, dom::element value, Event* event) {
  switch (spec.key) {
    case Key::kEvent:
      return std::nullopt;
    case Key::kText:
      return ReadString(spec.name, value, &(event->*spec.member));
    case Key::kTimestamp:
      return ReadTimestamp(value, &event->event_time_ms);
    case Key::kTenant: {
      std::string tenant;
      if (Problem problem = ReadString(spec.name, value, &tenant)) return problem;
      if (!tenant.empty() && tenant != "default") {
        return Wrong(spec.name, StrCat("\"", tenant, "\" is not the tenant served here: default"));
      }
      return std::nullopt;
    }
    case Key::kStep:
      if (value.is_null() || value.get(event->step) == simdjson::SUCCESS) return std::nullopt;
      return Wrong(spec.name, "is not a whole number");
    case Key::kFields:
      return ReadFields("fields", value, &event->fields);
    case Key::kItems:
      return ReadItems(value, &event->items);
    case Key::kDeleted:
      if (value.is_null() || value.get(event->deleted) == simdjson::SUCCESS) return std::nullopt;
      return Wrong(spec.name, "is neither true nor false");
  }
  return std::nullopt;
}

const KeySpec* FindKey(std::string_view name) {
  for (const KeySpec& spec : kKeys) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

// Back to the defaults, but with the memory of the strings kept.
void Clear(Event* event) {
  for (const KeySpec& spec : kKeys) {
    if (spec.member != nullptr) (event->*spec.member).clear();
  }
  event->event_time_ms = kNoTimeMs;
  event->step = 0;
  event->fields.clear();
  event->items.clear();
  event->deleted = false;
  event->served_from = {};
}

Problem ReadElement(dom::element element, Event* event) {
  Clear(event);
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return Wrong("", "an event is a JSON object");
  if (Problem problem = ReadKind(object, &event->kind)) return problem;
  unsigned seen = 0;
  for (const auto& [name, value] : object) {
    const KeySpec* spec = FindKey(name);
    if (spec == nullptr) return Wrong(name, "is not a known key of an event");
    if ((spec->kinds & Bit(event->kind)) == 0) {
      return Wrong(name, StrCat("is not a key of ", NameOf(event->kind), " events"));
    }
    const unsigned bit = 1U << static_cast<unsigned>(spec - kKeys);
    if ((seen & bit) != 0) return Wrong(name, "stands twice");
    seen |= bit;
    if (Problem problem = ReadKey(*spec, value, event)) return problem;
  }
  return FindProblem(*event);
}

Problem NotJson(simdjson::error_code error) {
  return Wrong("", StrCat("is not JSON: ", simdjson::error_message(error)));
}

Problem TooLarge(std::size_t bytes) {
  return Wrong("", StrCat("the event has ", bytes, " bytes, more than ", limits::kEventBytesMax));
}

std::string_view TrimmedEnd(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

// Takes the first line, without its end, off *rest.
std::string_view TakeLine(std::string_view* rest) {
  const std::size_t end = rest->find('\n');
  const std::string_view line = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return TrimmedEnd(line);
}

using Events = std::vector<absl::StatusOr<Event>>;

absl::Status TooManyEvents(std::size_t events_max) {
  return InvalidArgument("more than ", events_max, " events in one batch");
}

absl::StatusOr<Event> ToResult(Problem problem, Event* event, std::string_view place) {
  if (!problem) return std::move(*event);
  if (place.empty()) return InvalidArgument(ToString(*problem));
  return InvalidArgument(place, ": ", ToString(*problem));
}

absl::StatusOr<Events> ParseArray(std::string_view body, std::size_t events_max) {
  dom::element root;
  if (const auto error = ThreadReader().Parse(body, &root)) {
    return InvalidArgument("the array is not JSON: ", simdjson::error_message(error));
  }
  const dom::array array = root.get_array();
  Events events;
  for (const dom::element element : array) {
    if (events.size() == events_max) return TooManyEvents(events_max);
    Event event;
    Problem problem = ReadElement(element, &event);
    events.push_back(ToResult(std::move(problem), &event, StrCat("events[", events.size(), "]")));
  }
  return events;
}

absl::StatusOr<Events> ParseLines(std::string_view body, std::size_t events_max) {
  Events events;
  std::size_t line_number = 0;
  while (!body.empty()) {
    const std::string_view line = TakeLine(&body);
    ++line_number;
    if (line.empty()) continue;
    if (events.size() == events_max) return TooManyEvents(events_max);
    Event event;
    Problem problem = ReadEventJson(line, &event);
    events.push_back(ToResult(std::move(problem), &event, StrCat("line ", line_number)));
  }
  return events;
}

// Whether a body is one object a line, rather than one object over several lines.
bool IsOneObjectALine(std::string_view body) {
  std::string_view rest = body;
  const std::string_view first = TakeLine(&rest);
  if (TrimmedEnd(rest).empty()) return false;
  dom::element root;
  if (ThreadReader().Parse(first, &root) == simdjson::SUCCESS) return true;
  if (ThreadReader().Parse(body, &root) == simdjson::SUCCESS) return false;
  // Neither is JSON. Lines after the first that begin an object may still be good events.
  while (!rest.empty()) {
    if (TakeLine(&rest).starts_with('{')) return true;
  }
  return false;
}

nlohmann::ordered_json NumberToJson(double number) {
  if (std::trunc(number) == number && std::fabs(number) <= static_cast<double>(kExactIntegerMax) &&
      !(number == 0 && std::signbit(number))) {
    return static_cast<std::int64_t>(number);
  }
  return number;
}

struct ValueToJson {
  nlohmann::ordered_json operator()(std::monostate) const { return nullptr; }
  nlohmann::ordered_json operator()(bool value) const { return value; }
  nlohmann::ordered_json operator()(double value) const { return NumberToJson(value); }
  nlohmann::ordered_json operator()(const std::string& value) const { return value; }
  nlohmann::ordered_json operator()(const std::vector<std::string>& values) const { return values; }
  nlohmann::ordered_json operator()(const std::vector<double>& values) const {
    auto list = nlohmann::ordered_json::array();
    for (const double value : values) list.push_back(NumberToJson(value));
    return list;
  }
};

nlohmann::ordered_json FieldsToJson(const std::vector<Field>& fields) {
  auto list = nlohmann::ordered_json::array();
  for (const Field& field : fields) {
    list.push_back({{"name", field.name}, {"value", std::visit(ValueToJson{}, field.value)}});
  }
  return list;
}

}  // namespace

std::optional<EventProblem> ReadEventJson(std::string_view json, Event* event) {
  if (json.size() > limits::kEventBytesMax) return TooLarge(json.size());
  dom::element root;
  if (const auto error = ThreadReader().Parse(json, &root)) return NotJson(error);
  return ReadElement(root, event);
}

absl::StatusOr<Event> ParseEventJson(std::string_view json) {
  Event event;
  Problem problem = ReadEventJson(json, &event);
  return ToResult(std::move(problem), &event, "");
}

absl::StatusOr<std::vector<absl::StatusOr<Event>>> ParseEventsJson(std::string_view body,
                                                                   std::size_t events_max) {
  const std::size_t first = body.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return InvalidArgument("no event in the body");
  if (body[first] == '[') return ParseArray(body, events_max);
  if (IsOneObjectALine(body.substr(first))) return ParseLines(body, events_max);
  Events events;
  Event event;
  Problem problem = ReadEventJson(TrimmedEnd(body.substr(first)), &event);
  events.push_back(ToResult(std::move(problem), &event, ""));
  return events;
}

std::string EventToJson(const Event& event) {
  nlohmann::ordered_json json;
  json["event"] = NameOf(event.kind);
  for (const KeySpec& spec : kKeys) {
    if (spec.key == Key::kText && !(event.*spec.member).empty()) {
      json[std::string(spec.name)] = event.*spec.member;
    } else if (spec.key == Key::kTimestamp && event.event_time_ms != kNoTimeMs) {
      json["timestamp"] = FormatTimestamp(event.event_time_ms);
    }
  }
  if (event.step != 0) json["step"] = event.step;
  if (!event.fields.empty()) json["fields"] = FieldsToJson(event.fields);
  if (event.kind == EventKind::kRanking) {
    auto& items = json["items"] = nlohmann::ordered_json::array();
    for (const RankedItem& item : event.items) {
      nlohmann::ordered_json entry = {{"id", item.item}};
      if (!item.fields.empty()) entry["fields"] = FieldsToJson(item.fields);
      items.push_back(std::move(entry));
    }
  }
  if (event.deleted) json["deleted"] = true;
  return json.dump(-1, ' ', /*ensure_ascii=*/false,
                   nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace fourfold
