#include "engine/recipe_override.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"
#include "engine/recipe_file.h"

namespace fourfold {
namespace {

constexpr std::string_view kPrefix = "FOURFOLD_";

// The element of a list that a part of a variable's name means: by its number, or by the first of
// its keys that names things. -1: none.
int FindElement(const YAML::Node& list, const std::string& part) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const YAML::Node element = list[i];
    if (part == std::to_string(i)) return static_cast<int>(i);
    if (!element.IsMap()) continue;
    for (const char* key : {"name", "field", "type", "files"}) {
      const YAML::Node name = element[key];
      if (!name.IsDefined() || !name.IsScalar()) continue;
      if (absl::AsciiStrToLower(name.Scalar()) == part) return static_cast<int>(i);
      break;
    }
  }
  return -1;
}

}  // namespace

Environment RecipeEnvironment() {
  Environment found;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    if (equals == std::string_view::npos || !name.starts_with(kPrefix)) continue;
    if (name.find("__") == std::string_view::npos) continue;
    found.emplace_back(name, text.substr(equals + 1));
  }
  std::sort(found.begin(), found.end());
  return found;
}

absl::Status ApplyRecipeOverride(std::string_view variable, std::string_view value,
                                 YAML::Node* document, RecipeReading* reading) {
  const auto refuse = [&](const auto&... why) {
    return InvalidArgument("environment variable ", variable, ": ", why...);
  };
  const std::vector<std::string> parts =
      absl::StrSplit(absl::AsciiStrToLower(ToAbsl(variable.substr(kPrefix.size()))), "__");
  YAML::Node at = *document;
  std::string path;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) return refuse("names no key");
    YAML::Node next;
    if (at.IsSequence()) {
      const int element = FindElement(at, parts[i]);
      if (element < 0) return refuse(path, " has no element ", parts[i]);
      path += StrCat("[", element, "]");
      next.reset(at[element]);
    } else if (at.IsMap() || at.IsNull()) {
      path += StrCat(path.empty() ? "" : ".", parts[i]);
      next.reset(at[parts[i]]);
    } else {
      return refuse(path, " holds a single value and no keys");
    }
    if (i + 1 == parts.size()) {
      try {
        next = YAML::Load(std::string(value));
      } catch (const YAML::Exception& error) {
        return refuse("not YAML: ", error.msg);
      }
    } else if (!next.IsDefined() || next.IsNull()) {
      next = YAML::Node(YAML::NodeType::Map);
    }
    at.reset(next);
  }
  reading->overridden[path] = variable;
  return absl::OkStatus();
}

}  // namespace fourfold
