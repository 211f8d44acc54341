#include "servable/golden_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/status_macros.h"
#include "base/strings.h"
#include "servable/json_fields.h"

namespace fourfold {
namespace {

using Json = nlohmann::json;

constexpr std::pair<HistoryKind, const char*> kKinds[] = {{HistoryKind::kAction, "action"},
                                                          {HistoryKind::kImpression, "impression"},
                                                          {HistoryKind::kFields, "fields"}};

template <typename Archive, typename Entry>
void VisitEntry(Archive& archive, Entry& entry) {
  archive.Enum("kind", entry.kind, kKinds);
  archive.Field("event_time_ms", entry.event_time_ms);
  archive.Field("known_time_ms", entry.known_time_ms);
  archive.Field("position", entry.position);
  archive.Field("user", entry.user);
  archive.Field("session", entry.session);
  archive.Field("item", entry.item);
  archive.Field("type", entry.type);
  archive.Field("ranking", entry.ranking);
  archive.Field("tie_group", entry.tie_group);
  archive.Field("step", entry.step);
  archive.Field("impressions", entry.impressions);
  archive.Field("deleted", entry.deleted);
}

template <typename Archive, typename Answer>
void VisitAnswer(Archive& archive, Answer& answer) {
  archive.Field("item", answer.item);
  archive.Field("score", answer.score);
}

template <typename Archive, typename Request>
void VisitRequest(Archive& archive, Request& request) {
  archive.Field("name", request.name);
  archive.Field("as_of_ms", request.as_of_ms);
  archive.Field("limit", request.limit);
  archive.Field("filter", request.filter);
}

Json ValueToJson(const FieldValue& value) {
  return std::visit(
      [](const auto& held) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
          return nullptr;
        } else {
          return held;
        }
      },
      value);
}

absl::StatusOr<FieldValue> ValueFromJson(const Json& json, const std::string& path) {
  if (json.is_null()) return FieldValue();
  if (json.is_boolean()) return FieldValue(json.get<bool>());
  if (json.is_number()) return FieldValue(json.get<double>());
  if (json.is_string()) return FieldValue(json.get<std::string>());
  if (json.is_array()) {
    if (std::all_of(json.begin(), json.end(), [](const Json& e) { return e.is_string(); })) {
      return FieldValue(json.get<std::vector<std::string>>());
    }
    if (std::all_of(json.begin(), json.end(), [](const Json& e) { return e.is_number(); })) {
      return FieldValue(json.get<std::vector<double>>());
    }
  }
  return DataLoss(path, ": not the value of a field");
}

bool IsFinite(const FieldValue& value) {
  if (const double* number = std::get_if<double>(&value)) return std::isfinite(*number);
  if (const auto* numbers = std::get_if<std::vector<double>>(&value)) {
    return std::all_of(numbers->begin(), numbers->end(),
                       [](double number) { return std::isfinite(number); });
  }
  return true;
}

absl::StatusOr<Json> ItemToJson(const GoldenItem& item) {
  Json fields = Json::object();
  for (const Field& field : item.fields) {
    if (!IsFinite(field.value)) {
      return InvalidArgument("golden.json: item \"", item.item, "\": ", field.name,
                             " is not finite");
    }
    fields[field.name] = ValueToJson(field.value);
  }
  return Json{{"item", item.item}, {"fields", std::move(fields)}};
}

absl::StatusOr<GoldenItem> ItemFromJson(const Json& json, const std::string& path) {
  GoldenItem item;
  JsonReader reader(json, path);
  reader.Field("item", item.item);
  const Json* fields = reader.Find("fields");
  FOURFOLD_RETURN_IF_ERROR(reader.status());
  if (!fields->is_object()) return DataLoss(path, ".fields: not an object");
  for (const auto& [name, value] : fields->items()) {
    FOURFOLD_ASSIGN_OR_RETURN(FieldValue held, ValueFromJson(value, StrCat(path, ".", name)));
    item.fields.push_back({name, std::move(held)});
  }
  return item;
}

absl::StatusOr<Json> RequestToJson(const GoldenRequest& request) {
  JsonWriter writer;
  VisitRequest(writer, request);
  Json json = writer.Take();
  json["history"] = Json::array();
  for (const HistoryEntry& entry : request.history) {
    JsonWriter entry_writer;
    VisitEntry(entry_writer, entry);
    entry_writer.Field("event_digest", entry.event_digest);
    json["history"].push_back(entry_writer.Take());
  }
  json["answers"] = Json::array();
  for (const GoldenRequest::Answer& answer : request.answers) {
    if (!std::isfinite(answer.score)) {
      return InvalidArgument("golden.json: request \"", request.name, "\": a score is not finite");
    }
    JsonWriter answer_writer;
    VisitAnswer(answer_writer, answer);
    json["answers"].push_back(answer_writer.Take());
  }
  return json;
}

absl::StatusOr<HistoryEntry> EntryFromJson(const Json& json, const std::string& path) {
  HistoryEntry entry;
  JsonReader reader(json, path);
  VisitEntry(reader, entry);
  std::vector<std::uint8_t> digest;
  reader.Field("event_digest", digest);
  FOURFOLD_RETURN_IF_ERROR(reader.status());
  if (digest.size() != entry.event_digest.size()) {
    return DataLoss(path, ".event_digest: not ", entry.event_digest.size(), " bytes");
  }
  std::copy(digest.begin(), digest.end(), entry.event_digest.begin());
  return entry;
}

absl::StatusOr<GoldenRequest::Answer> AnswerFromJson(const Json& json, const std::string& path) {
  GoldenRequest::Answer answer;
  JsonReader reader(json, path);
  VisitAnswer(reader, answer);
  FOURFOLD_RETURN_IF_ERROR(reader.status());
  return answer;
}

// Reads each element of a list with `read(element, path)` into *elements.
template <typename T, typename Reader>
absl::Status ReadList(JsonReader* parent, const char* name, const Reader& read,
                      std::vector<T>* elements) {
  const Json* list = parent->Find(name);
  FOURFOLD_RETURN_IF_ERROR(parent->status());
  if (!list->is_array()) return DataLoss(parent->PathOf(name), ": not a list");
  for (const Json& element : *list) {
    FOURFOLD_ASSIGN_OR_RETURN(
        T value, read(element, StrCat(parent->PathOf(name), "[", elements->size(), "]")));
    elements->push_back(std::move(value));
  }
  return absl::OkStatus();
}

absl::StatusOr<GoldenRequest> RequestFromJson(const Json& json, const std::string& path) {
  GoldenRequest request;
  JsonReader reader(json, path);
  VisitRequest(reader, request);
  FOURFOLD_RETURN_IF_ERROR(ReadList(&reader, "history", EntryFromJson, &request.history));
  FOURFOLD_RETURN_IF_ERROR(ReadList(&reader, "answers", AnswerFromJson, &request.answers));
  return request;
}

}  // namespace

absl::StatusOr<std::string> GoldenToJson(const GoldenSet& golden) {
  Json json = {{"catalogue", Json::array()}, {"requests", Json::array()}};
  for (const GoldenItem& item : golden.catalogue) {
    FOURFOLD_ASSIGN_OR_RETURN(Json item_json, ItemToJson(item));
    json["catalogue"].push_back(std::move(item_json));
  }
  for (const GoldenRequest& request : golden.requests) {
    FOURFOLD_ASSIGN_OR_RETURN(Json request_json, RequestToJson(request));
    json["requests"].push_back(std::move(request_json));
  }
  try {
    return json.dump(1) + "\n";
  } catch (const Json::exception&) {
    return InvalidArgument("golden.json: a string is not UTF-8");
  }
}

absl::StatusOr<GoldenSet> GoldenFromJson(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return DataLoss("golden.json: not JSON");
  GoldenSet golden;
  JsonReader reader(json, "golden.json");
  FOURFOLD_RETURN_IF_ERROR(ReadList(&reader, "catalogue", ItemFromJson, &golden.catalogue));
  FOURFOLD_RETURN_IF_ERROR(ReadList(&reader, "requests", RequestFromJson, &golden.requests));
  return golden;
}

}  // namespace fourfold
