#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "server/http_bodies.h"

// For tests: holds answers against the OpenAPI description.
namespace fourfold {

// Knows the part of JSON Schema that our description uses; any other keyword is reported, so that
// the description cannot say what nobody checks.
class OpenApiChecker {
 public:
  using Json = nlohmann::json;

  explicit OpenApiChecker(std::string_view document) : document_(Json::parse(document)) {}

  const Json& document() const { return document_; }

  // What is wrong with an answer, or an empty string. The path is as sent, with its query.
  std::string CheckAnswer(std::string_view method, std::string_view target, int status,
                          std::string_view content_type, const std::string& body) {
    const Json* response = FindResponse(method, target, status);
    if (response == nullptr) return StrCat("no such answer is described: ", status);
    const Json& content = response->at("content");
    if (!content.contains(content_type)) return StrCat("content type ", content_type);
    if (method == "HEAD") return body.empty() ? "" : "HEAD has a body";
    const Json& schema = content.at(std::string(content_type)).at("schema");
    if (content_type.find("json") == std::string_view::npos) return "";
    const Json value = Json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) return "the body is not JSON";
    return Check(schema, value, "body");
  }

  // "Schema.property" of everything that any checked answer held.
  const std::set<std::string>& seen() const { return seen_; }

  std::string CheckAs(const std::string& schema, const Json& value) {
    return Check({{"$ref", StrCat("#/components/schemas/", schema)}}, value, "value");
  }

 private:
  const Json& Resolve(const Json& node) const {
    const auto ref = node.find("$ref");
    if (ref == node.end()) return node;
    return document_.at(Json::json_pointer(ref->get<std::string>().substr(1)));
  }

  const Json* FindResponse(std::string_view method, std::string_view target, int status) const {
    std::string path(target.substr(0, target.find('?')));
    constexpr std::string_view kTenant = "/v1/tenants/default/";
    if (path.rfind(kTenant, 0) == 0) path = StrCat("/v1/", path.substr(kTenant.size()));
    std::string operation(method == "HEAD" ? "GET" : method);
    for (char& c : operation) c = static_cast<char>(c | 0x20);
    for (const auto& [pattern, item] : document_.at("paths").items()) {
      std::vector<std::string> values;
      if (MatchPath(pattern, path, &values) == PathMatch::kNo) continue;
      const auto found = item.find(operation);
      if (found == item.end()) continue;
      const auto response = found->at("responses").find(std::to_string(status));
      return response == found->at("responses").end() ? nullptr : &Resolve(*response);
    }
    // The description's own words: elsewhere a problem says 404, 405, or what was wrong before.
    const auto& problems = document_.at("components").at("responses");
    for (const int general : {400, 401, 404, 405}) {
      if (status == general) return &problems.at("Problem404");
    }
    return nullptr;
  }

  std::string Check(const Json& schema, const Json& value, const std::string& place) {
    static const std::set<std::string> known = {
        "$ref",     "type",      "enum",      "const",       "properties", "required",
        "items",    "anyOf",     "minLength", "minimum",     "maximum",    "additionalProperties",
        "maxItems", "maxLength", "default",   "description", "format"};
    for (const auto& [keyword, unused] : schema.items()) {
      if (!known.contains(keyword)) return StrCat(place, ": unknown keyword ", keyword);
    }
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      const std::string pointer = ref->get<std::string>();
      schema_ = pointer.substr(pointer.rfind('/') + 1);
      return Check(Resolve(schema), value, place);
    }
    if (const auto any = schema.find("anyOf"); any != schema.end()) {
      std::string last;
      for (const Json& choice : *any) {
        last = Check(choice, value, place);
        if (last.empty()) return "";
      }
      return last;
    }
    if (!HasType(schema, value)) return StrCat(place, ": type of ", value.dump());
    if (const auto choices = schema.find("enum"); choices != schema.end()) {
      if (std::find(choices->begin(), choices->end(), value) == choices->end()) {
        return StrCat(place, ": ", value.dump(), " is none of ", choices->dump());
      }
    }
    if (schema.contains("const") && schema.at("const") != value)
      return place + ": not the constant";
    if (value.is_string()) return CheckString(schema, value, place);
    if (value.is_number()) return CheckNumber(schema, value, place);
    if (value.is_array()) return CheckArray(schema, value, place);
    if (value.is_object()) return CheckObject(schema, value, place);
    return "";
  }

  static bool HasType(const Json& schema, const Json& value) {
    const auto wanted = schema.find("type");
    if (wanted == schema.end()) return true;
    const auto is = [&](const std::string& type) {
      if (type == "null") return value.is_null();
      if (type == "boolean") return value.is_boolean();
      if (type == "number") return value.is_number();
      if (type == "integer") return value.is_number_integer();
      if (type == "string") return value.is_string();
      if (type == "array") return value.is_array();
      return type == "object" && value.is_object();
    };
    if (wanted->is_string()) return is(wanted->get<std::string>());
    return std::any_of(wanted->begin(), wanted->end(),
                       [&](const Json& type) { return is(type.get<std::string>()); });
  }

  static std::string CheckString(const Json& schema, const Json& value, const std::string& place) {
    const std::size_t size = value.get_ref<const std::string&>().size();
    if (schema.contains("minLength") && size < schema.at("minLength")) return place + ": too short";
    if (schema.contains("maxLength") && size > schema.at("maxLength")) return place + ": too long";
    return "";
  }

  static std::string CheckNumber(const Json& schema, const Json& value, const std::string& place) {
    if (schema.contains("minimum") && value < schema.at("minimum")) return place + ": too small";
    if (schema.contains("maximum") && value > schema.at("maximum")) return place + ": too large";
    return "";
  }

  std::string CheckArray(const Json& schema, const Json& value, const std::string& place) {
    if (schema.contains("maxItems") && value.size() > schema.at("maxItems")) {
      return place + ": too many elements";
    }
    if (!schema.contains("items")) return place + ": the description does not say of what";
    const std::string name = schema_;
    for (std::size_t i = 0; i < value.size(); ++i) {
      schema_ = name;
      std::string problem = Check(schema.at("items"), value[i], StrCat(place, "[", i, "]"));
      if (!problem.empty()) return problem;
    }
    return "";
  }

  std::string CheckObject(const Json& schema, const Json& value, const std::string& place) {
    const Json wanted = schema.value("required", Json::array());
    for (const Json& required : wanted) {
      if (!value.contains(required)) return StrCat(place, ": lacks ", required.dump());
    }
    const Json properties = schema.value("properties", Json::object());
    const std::string name = schema_;
    for (const auto& [key, member] : value.items()) {
      const std::string where = StrCat(place, ".", key);
      std::string problem;
      if (const auto property = properties.find(key); property != properties.end()) {
        seen_.insert(StrCat(name, ".", key));
        schema_ = name;
        problem = Check(*property, member, where);
      } else if (const auto more = schema.find("additionalProperties");
                 more != schema.end() && more->is_object()) {
        problem = Check(*more, member, where);
      } else if (more != schema.end() && *more == false) {
        problem = where + ": is not described";
      }
      if (!problem.empty()) return problem;
    }
    return "";
  }

  const Json document_;
  std::string schema_;  // the name of the one being checked
  std::set<std::string> seen_;
};

}  // namespace fourfold
