#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/strings.h"

// One list of a struct's fields serves both directions: a function template
//   template <typename Archive, typename T> void VisitFields(Archive& archive, T& value);
// calls archive.Field("name", value.name) for each.
namespace fourfold {

class JsonWriter {
 public:
  template <typename T>
  void Field(const char* name, const T& value) {
    json_[name] = value;
  }
  // An enumerator by its name.
  template <typename T, std::size_t n>
  void Enum(const char* name, const T& value, const std::pair<T, const char*> (&names)[n]) {
    for (const auto& [enumerator, text] : names) {
      if (enumerator == value) json_[name] = text;
    }
  }
  nlohmann::json Take() { return std::move(json_); }

 private:
  nlohmann::json json_ = nlohmann::json::object();
};

// Every field must be there, of its type and within its range; the first that is not makes the
// status, which names it by its path.
class JsonReader {
 public:
  // Both must outlive the reader.
  JsonReader(const nlohmann::json& json, std::string path) : json_(json), path_(std::move(path)) {
    if (!json.is_object()) status_ = DataLoss(path_, ": not an object");
  }

  template <typename T>
  void Field(const char* name, T& value) {
    if (const nlohmann::json* field = Find(name)) Read(*field, PathOf(name), value);
  }
  template <typename T, std::size_t n>
  void Enum(const char* name, T& value, const std::pair<T, const char*> (&names)[n]) {
    std::string text;
    Field(name, text);
    if (!status_.ok()) return;
    for (const auto& [enumerator, enumerator_name] : names) {
      if (text == enumerator_name) {
        value = enumerator;
        return;
      }
    }
    Fail(PathOf(name), "unknown value");
  }
  // The element of a list or an object, for a visitor of its own; null when absent.
  const nlohmann::json* Find(const char* name) {
    if (!status_.ok()) return nullptr;
    const auto field = json_.find(name);
    if (field != json_.end()) return &*field;
    Fail(PathOf(name), "missing");
    return nullptr;
  }
  std::string PathOf(const char* name) const { return StrCat(path_, ".", name); }
  void Fail(const std::string& path, std::string_view what) {
    if (status_.ok()) status_ = DataLoss(path, ": ", what);
  }
  const absl::Status& status() const { return status_; }

 private:
  void Read(const nlohmann::json& json, const std::string& path, std::string& value) {
    if (!json.is_string()) return Fail(path, "not a string");
    value = json.get<std::string>();
  }
  void Read(const nlohmann::json& json, const std::string& path, bool& value) {
    if (!json.is_boolean()) return Fail(path, "not true or false");
    value = json.get<bool>();
  }
  void Read(const nlohmann::json& json, const std::string& path, double& value) {
    if (!json.is_number()) return Fail(path, "not a number");
    value = json.get<double>();
  }
  template <std::integral T>
  void Read(const nlohmann::json& json, const std::string& path, T& value) {
    if (json.is_number_unsigned() && std::in_range<T>(json.get<std::uint64_t>())) {
      value = static_cast<T>(json.get<std::uint64_t>());
    } else if (json.is_number_integer() && !json.is_number_unsigned() &&
               std::in_range<T>(json.get<std::int64_t>())) {
      value = static_cast<T>(json.get<std::int64_t>());
    } else {
      Fail(path, "not an integer in range");
    }
  }
  template <typename T>
  void Read(const nlohmann::json& json, const std::string& path, std::vector<T>& values) {
    if (!json.is_array()) return Fail(path, "not a list");
    values.clear();
    for (const nlohmann::json& element : json) {
      Read(element, StrCat(path, "[", values.size(), "]"), values.emplace_back());
    }
  }
  template <typename T>
  void Read(const nlohmann::json& json, const std::string& path, std::map<std::string, T>& values) {
    if (!json.is_object()) return Fail(path, "not an object");
    values.clear();
    for (const auto& [key, element] : json.items()) {
      Read(element, StrCat(path, ".", key), values[key]);
    }
  }

  const nlohmann::json& json_;
  std::string path_;
  absl::Status status_;
};

}  // namespace fourfold
