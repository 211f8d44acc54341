#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/recipe_file.h"
#include "simulation/world_options.h"

// The recipe of a simulated world: one YAML file; docs/world.md lists every key.
namespace fourfold {

struct WorldRecipe {
  std::string text;  // the file, verbatim
  simulation::WorldOptions world;
};

// As ParseRecipe and LoadRecipe (engine/recipe.h): every problem with its line, and overrides by
// the environment.
absl::StatusOr<WorldRecipe> ParseWorldRecipe(
    std::string_view text, std::string_view file,
    std::span<const Environment::value_type> overrides = {});
absl::StatusOr<WorldRecipe> LoadWorldRecipe(const std::string& path);

std::vector<RecipeKey> KnownWorldRecipeKeys();

}  // namespace fourfold
