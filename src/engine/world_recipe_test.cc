#include "engine/world_recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/strings.h"

namespace fourfold {
namespace {

using testing::HasSubstr;

std::string ProblemOf(std::string_view text) {
  const absl::StatusOr<WorldRecipe> recipe = ParseWorldRecipe(text, "w.yaml");
  return std::string(MessageOf(recipe.status()));
}

TEST(WorldRecipeTest, SetsWhatItNamesAndKeepsTheRest) {
  const absl::StatusOr<WorldRecipe> recipe = ParseWorldRecipe(
      "name: mine\n"
      "start: 2025-06-01\n"
      "users: {population: 10, casual: {gap: 2h}}\n"
      "actions: {purchase: {value: 7.5}}\n",
      "w.yaml");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  const simulation::WorldOptions usual;
  EXPECT_EQ(recipe->world.name, "mine");
  EXPECT_EQ(recipe->world.start_ms, 1'748'736'000'000);
  EXPECT_EQ(recipe->world.users.population, 10);
  EXPECT_EQ(recipe->world.users.casual.gap_ms, 2 * simulation::kHourMs);
  EXPECT_EQ(recipe->world.users.casual.slates, usual.users.casual.slates);
  EXPECT_EQ(recipe->world.actions[3].value, 7.5);
  EXPECT_EQ(recipe->world.actions[3].base, usual.actions[3].base);
}

TEST(WorldRecipeTest, TellsAllThatIsWrongWithItsLine) {
  EXPECT_EQ(ProblemOf("name: mine\n"
                      "users:\n"
                      "  populaton: 10\n"
                      "slates: {uniform: 0.7, personal: 0.6}\n"
                      "items: {alive: 3}\n"
                      "trend: {half_life: 0}\n"
                      "delivery: {late: 2}\n"),
            "w.yaml:3: users.populaton: unknown key; did you mean population?\n"
            "w.yaml:4: slates.personal: must not exceed 1 together with uniform\n"
            "w.yaml:5: items.alive: must lie between 100 and 1e+07, not 3\n"
            "w.yaml:6: trend.half_life: must lie between 1ms and 365d\n"
            "w.yaml:7: delivery.late: must lie between 0 and 1, not 2");
  EXPECT_THAT(ProblemOf("days: 3\n"), HasSubstr("name: is required and missing"));
  EXPECT_THAT(ProblemOf("name: [\n"), HasSubstr("w.yaml:2: not YAML"));
  EXPECT_THAT(ProblemOf(""), HasSubstr("is empty"));
  EXPECT_EQ(ProblemOf("name: a\ntopics: 2\n"),
            "w.yaml:2: topics: must not be fewer than interests.topics, 3");
}

TEST(WorldRecipeTest, TheEnvironmentChangesOneKey) {
  const Environment overrides = {{"FOURFOLD_USERS__POPULATION", "77"}};
  const absl::StatusOr<WorldRecipe> recipe =
      ParseWorldRecipe("name: mine\nusers: {population: 10}\n", "w.yaml", overrides);
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  EXPECT_EQ(recipe->world.users.population, 77);
}

TEST(WorldRecipeTest, EveryKeyStandsInTheManual) {
  std::ifstream file(FOURFOLD_SOURCE_DIR "/docs/world.md");
  const std::string manual{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(manual.empty());
  for (const RecipeKey& key : KnownWorldRecipeKeys()) {
    if (key.type == "section") continue;
    EXPECT_THAT(manual,
                HasSubstr(StrCat("| `", key.path, "` | ", key.type, " | ", key.fallback, " |")));
  }
}

TEST(WorldRecipeTest, EveryWorldOfTheHouseIsSound) {
  int worlds = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(FOURFOLD_SOURCE_DIR "/recipes/worlds")) {
    const absl::StatusOr<WorldRecipe> recipe = LoadWorldRecipe(entry.path().string());
    EXPECT_TRUE(recipe.ok()) << recipe.status();
    if (recipe.ok()) {
      EXPECT_EQ(recipe->world.name, entry.path().stem().string());
    }
    ++worlds;
  }
  EXPECT_GE(worlds, 1);
}

}  // namespace
}  // namespace fourfold
