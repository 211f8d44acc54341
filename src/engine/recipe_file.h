#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/recipe_section.h"

// What all files of keys in YAML have in common, whatever their keys are: recipes of engines
// (recipe.h) and of worlds (world_recipe.h).
namespace fourfold {

// Names and values of environment variables.
using Environment = std::vector<std::pair<std::string, std::string>>;

// Variables of this process that change a recipe: FOURFOLD_<SECTION>__<KEY>, at least one "__".
Environment RecipeEnvironment();

// NotFound, naming the file, where it cannot be read.
absl::StatusOr<std::string> ReadRecipeFile(const std::string& path);

// Applies the overrides and hands the document to `read`, which need not call Finish.
// InvalidArgument lists every problem, one a line: "file:line: key: what is wrong".
absl::Status ReadRecipeText(const std::string& text, std::string_view file,
                            std::span<const Environment::value_type> overrides,
                            const std::function<void(RecipeSection& root)>& read);

// Every key that `read` reads, in the order of reading.
std::vector<RecipeKey> CollectRecipeKeys(const std::function<void(RecipeSection& root)>& read);

}  // namespace fourfold
