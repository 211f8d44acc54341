#pragma once

#include <yaml-cpp/yaml.h>

#include <string_view>

#include "absl/status/status.h"
#include "engine/recipe_section.h"

namespace fourfold {

// Sets the key that the variable names (FOURFOLD_SECTION__KEY) in the document, and notes the
// variable, so that a problem with the value names it. InvalidArgument when it names no place.
absl::Status ApplyRecipeOverride(std::string_view variable, std::string_view value,
                                 YAML::Node* document, RecipeReading* reading);

}  // namespace fourfold
