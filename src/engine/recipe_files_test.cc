#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "base/strings.h"
#include "data/event_id.h"
#include "engine/file_import.h"
#include "engine/recipe.h"

// The recipes of the house on the files that they are made for, where these are there.
namespace fourfold {
namespace {

std::string SharedData(const std::string& name) {
  const char* directory = std::getenv("FOURFOLD_SHARED_DATA");
  return (directory != nullptr ? std::string(directory)
                               : std::string(FOURFOLD_SOURCE_DIR) + "/../shared/data") +
         "/" + name;
}

std::vector<Event> ReadByRecipe(const std::string& recipe_name, const std::string& path) {
  const absl::StatusOr<Recipe> recipe =
      LoadRecipe(StrCat(FOURFOLD_SOURCE_DIR, "/recipes/", recipe_name, ".yaml"));
  EXPECT_TRUE(recipe.ok()) << recipe.status();
  const auto import = FindImport(*recipe, path, "");
  EXPECT_TRUE(import.ok()) << import.status();
  SourceOptions options = (*import)->source;
  options.path = path;
  auto source = OpenEventSource(std::move(options));
  EXPECT_TRUE(source.ok()) << source.status();
  std::vector<Event> events;
  while (source.ok()) {
    auto result = (*source)->Next();
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok() || !*result) break;
    if (auto* event = std::get_if<Event>(&**result)) {
      events.push_back(std::move(*event));
    } else {
      ADD_FAILURE() << "line " << std::get<RejectedLine>(**result).line << ": "
                    << std::get<RejectedLine>(**result).reason;
    }
  }
  return events;
}

double NumberField(const std::vector<Field>& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (field.name == name) return std::get<double>(field.value);
  }
  return -1;
}

// Expected numbers of both tests were counted apart, with Python's csv module. Neither data set may
// be committed, so each test is skipped on a machine that lacks its files.
TEST(RecipeFilesTest, TrivagoGivesEachClickoutWithWhatWasShown) {
  const std::string path = SharedData("trivago/trivago_val_100k.tsv.gz");
  // Its terms keep the file out of the repository.
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "trivago's file is not there: " << path;
  std::map<std::string, int> types;
  std::set<std::string> sessions;
  std::set<std::string> slates;
  std::size_t shown = 0;
  std::size_t answered = 0;
  double prices = 0;
  Event slate;
  for (const Event& event : ReadByRecipe("trivago", path)) {
    if (event.kind == EventKind::kRanking) {
      slate = event;
      EXPECT_EQ(slate.id, ContentId(slate, 0));
      EXPECT_TRUE(slates.insert(slate.id).second);
      shown += slate.items.size();
      for (const RankedItem& item : slate.items) prices += NumberField(item.fields, "price");
    } else if (event.kind == EventKind::kInteraction) {
      ++types[event.type];
      sessions.insert(event.session);
      EXPECT_EQ(event.ranking.empty(), event.type != "clickout item");
      if (event.ranking.empty()) continue;
      EXPECT_EQ(event.ranking, slate.id);
      EXPECT_EQ(event.event_time_ms, slate.event_time_ms);
      EXPECT_EQ(event.step, slate.step);
      if (slate.items.size() < 2) continue;
      for (const RankedItem& item : slate.items) answered += item.item == event.item;
    }
  }
  EXPECT_EQ(types, (std::map<std::string, int>{{"change of sort order", 2'948},
                                               {"clickout item", 13'597},
                                               {"filter selection", 5'303},
                                               {"interaction item deals", 1'159},
                                               {"interaction item image", 68'538},
                                               {"interaction item info", 1'829},
                                               {"interaction item rating", 1'445},
                                               {"search for destination", 3'060},
                                               {"search for item", 1'044},
                                               {"search for poi", 1'080}}));
  EXPECT_EQ(sessions.size(), 7'612u);
  EXPECT_EQ(slates.size(), 13'597u);
  EXPECT_EQ(answered, 13'560u);
  EXPECT_EQ(shown, 312'539u);
  EXPECT_EQ(prices, 36'491'527);
}

TEST(RecipeFilesTest, MovieLensGivesRatingsAndFilmsWithTheirYear) {
  const std::string path = SharedData("ml-latest-small/ratings.csv");
  // Its terms keep the files out of the repository.
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "MovieLens is not there: " << path;
  std::map<std::string, int> types;
  double stars = 0;
  for (const Event& event : ReadByRecipe("movielens_small", path)) {
    ++types[event.type];
    stars += NumberField(event.fields, "rating");
  }
  EXPECT_EQ(types, (std::map<std::string, int>{{"like", 51'568}, {"rating", 48'436}}));
  EXPECT_EQ(stars, 354375.0);

  int years = 0;
  std::size_t genres = 0;
  std::vector<Event> films =
      ReadByRecipe("movielens_small", SharedData("ml-latest-small/movies.csv"));
  for (const Event& event : films) {
    for (const Field& field : event.fields) {
      if (field.name == "genres") genres += std::get<std::vector<std::string>>(field.value).size();
    }
    const double year = NumberField(event.fields, "year");
    if (year < 0) continue;
    ++years;
    EXPECT_GE(year, 1900);
    EXPECT_LE(year, 2016);
  }
  EXPECT_EQ(films.size(), 9'125u);
  EXPECT_EQ(years, 9'119);
  EXPECT_EQ(genres, 20'340u);
}

}  // namespace
}  // namespace fourfold
