#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/expression.h"
#include "fourfold/event.h"

// Reading one mapping of a recipe key by key, so that every key stands in one place with its type
// and default, and everything wrong with a file is told at once, with its line.
namespace fourfold {

// What the parser knows of one key; docs/recipe.md lists them all.
struct RecipeKey {
  std::string path;  // "retrievers[].candidates"
  std::string type;  // "integer", "duration", ...
  std::string fallback;
  friend bool operator==(const RecipeKey&, const RecipeKey&) = default;
};

// What is shared by the sections of one file.
struct RecipeReading {
  std::string file;
  std::map<std::string, std::string> overridden;      // path -> environment variable
  std::vector<std::pair<int, std::string>> problems;  // line (0: no line) and message
  std::vector<RecipeKey>* keys = nullptr;  // when set, nothing is read: the keys are collected

  void AddProblem(int line, const std::string& path, std::string_view message);
};

// The key among `known` with the fewest edits to `name`.
std::string_view NearestName(std::string_view name, const std::vector<std::string>& known);

// Every reader leaves its default in place when the key is absent or wrong. Throws what yaml-cpp
// throws: the caller catches.
class RecipeSection {
 public:
  // An undefined or null node is an empty section.
  RecipeSection(RecipeReading* reading, const YAML::Node& node, std::string path);

  void Text(const std::string& key, std::string* value);
  void Flag(const std::string& key, bool* value);
  void Integer(const std::string& key, int* value, int minimum, int maximum);
  void Number(const std::string& key, double* value, double minimum, double maximum);
  void Duration(const std::string& key, std::int64_t* value_ms);
  void Time(const std::string& key, std::optional<std::int64_t>* value_ms);
  void TextList(const std::string& key, std::vector<std::string>* value);
  void NumberList(const std::string& key, std::vector<double>* value, double minimum,
                  double maximum);
  void NumberMap(const std::string& key, std::map<std::string, double>* value, double minimum,
                 double maximum);
  void Condition(const std::string& key, std::optional<Expression>* value);
  void Value(const std::string& key, FieldValue* value);  // a scalar or a list of texts or numbers

  template <typename Enum>
  void Choice(const std::string& key, Enum* value,
              const std::vector<std::pair<std::string, Enum>>& choices) {
    std::vector<std::string> names;
    std::string fallback;
    for (const auto& [name, choice] : choices) {
      names.push_back(name);
      if (choice == *value) fallback = name;
    }
    const std::optional<std::size_t> chosen = ChosenName(key, names, fallback);
    if (chosen.has_value()) *value = choices[*chosen].second;
  }

  void Mapping(const std::string& key, const std::function<void(RecipeSection&)>& read);
  // A list of mappings. With `or_single`, one mapping may stand for a list of one.
  void List(const std::string& key, const std::function<void(RecipeSection&)>& read,
            bool or_single = false);

  // Keys read while `applies` is false are known, but an error when they are there.
  void AppliesIf(bool applies, std::string reason);

  bool Has(const std::string& key) const { return entries_.contains(key); }
  bool collecting() const { return reading_->keys != nullptr; }
  // At the line of the key, or of the section when the key is absent.
  void Problem(const std::string& key, std::string_view message);
  void RequireKey(const std::string& key);
  // What to say of a key that nobody reads, instead of "unknown key".
  void CallUnknown(std::string message) { unknown_ = std::move(message); }
  // The keys that nobody read are unknown. Call last.
  void Finish();

 private:
  struct Entry {
    YAML::Node value;
    int line = 0;
  };

  std::string PathOf(const std::string& key) const;
  // The value of a key, after noting that the key is known; null when there is none to read.
  const YAML::Node* Find(const std::string& key, std::string_view type, std::string_view fallback);
  const std::string* FindScalar(const std::string& key, std::string_view type,
                                std::string_view fallback);
  const YAML::Node* FindList(const std::string& key, std::string_view type,
                             std::string_view fallback);
  std::optional<std::size_t> ChosenName(const std::string& key,
                                        const std::vector<std::string>& names,
                                        const std::string& fallback);
  bool ReadNumber(const std::string& key, const YAML::Node& node, double minimum, double maximum,
                  double* value);

  RecipeReading* reading_;
  std::string path_;
  int line_ = 0;
  bool malformed_ = false;  // no mapping at all: its keys are not missing one by one
  std::map<std::string, Entry> entries_;
  std::vector<std::string> known_;
  bool applies_ = true;
  std::string reason_;
  std::string unknown_ = "unknown key";
};

}  // namespace fourfold
