#pragma once

#include <string>
#include <vector>

#include "base/strings.h"
#include "feature/plan/feature_declaration.h"

namespace fourfold {

// What benchmarks measure with: 20 features of 8 kinds of a shop with clicks and buys.
inline std::vector<FeatureDeclaration> TwentyFeatures() {
  const auto text = [](const char* value) { return FieldValue(std::string(value)); };
  const std::vector<std::string> clicks = {"click"};
  const std::vector<std::string> buys = {"buy"};
  std::vector<FeatureDeclaration> declared;
  const auto add = [&](const char* kind, std::vector<Field> parameters) {
    declared.push_back({StrCat(kind, declared.size()), kind, std::move(parameters)});
  };
  for (const char* entity : {"item", "user", "user_item"}) {
    for (const char* window : {"1h", "1d", "7d"}) {
      add("count", {{"entity", text(entity)}, {"types", clicks}, {"window", text(window)}});
    }
    add("recency", {{"entity", text(entity)}, {"types", clicks}});
  }
  add("rate", {{"entity", text("item")},
               {"types", buys},
               {"of_types", clicks},
               {"strength", 10.0},
               {"prior", 0.05}});
  add("sum", {{"entity", text("item")}, {"types", buys}, {"field", text("price")}});
  add("last", {{"entity", text("user")}, {"field", text("price")}});
  add("age", {{"entity", text("item")}});
  add("attribute", {{"entity", text("item")}, {"field", text("price")}});
  add("request", {{"of", text("hour")}});
  add("input_rank", {});
  add("request", {{"of", text("weekday")}});
  return declared;
}

}  // namespace fourfold
