#include "servable/servable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "model/trees/tree_ensemble_testing.h"
#include "servable/manifest_json.h"
#include "servable/servable_testing.h"

namespace fourfold {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

class ServableTest : public ServableDirectoryTest {
 protected:
  // Saves MakeServable() and returns its place.
  fs::path Saved() {
    const auto version = SaveServable(MakeServable(), directory_);
    EXPECT_TRUE(version.ok()) << version.status();
    return version.ok() ? directory_ / *version : directory_;
  }
  static std::vector<std::string> FilesIn(const fs::path& place) {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(place)) {
      files.push_back(entry.path().filename());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
};

TEST_F(ServableTest, LoadsWhatWasSaved) {
  const Servable made = MakeServable();
  const auto version = SaveServable(made, directory_);
  ASSERT_TRUE(version.ok()) << version.status();
  const auto loaded = LoadServable(directory_ / *version);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const Servable& servable = **loaded;
  EXPECT_EQ(servable.manifest.version, *version);
  EXPECT_EQ(servable.manifest.files.size(), 8u);
  EXPECT_EQ(servable.manifest.format_version, kServableFormatVersion);
  ServableManifest manifest = servable.manifest;
  manifest.format_version = made.manifest.format_version;
  manifest.version.clear();
  manifest.files.clear();
  EXPECT_EQ(manifest, made.manifest);
  EXPECT_EQ(servable.recipe_yaml, made.recipe_yaml);
  EXPECT_EQ(servable.vocabulary, made.vocabulary);
  EXPECT_EQ(servable.vocabulary_index, made.vocabulary_index);
  EXPECT_EQ(servable.popularity, made.popularity);
  EXPECT_EQ(servable.tie_rank, made.tie_rank);
  EXPECT_EQ(servable.popularity_tables, made.popularity_tables);
  EXPECT_EQ(servable.golden, made.golden);
  ASSERT_EQ(servable.item_to_item.size(), 3u);
  EXPECT_EQ(servable.item_to_item.at("basket").NeighboursOf(0)[1], 2u);
  EXPECT_EQ(servable.item_to_item.at("item-cf").ScoresOf(2)[0], 0.5f);
  ASSERT_EQ(servable.embeddings.size(), 1u);
  const ItemEmbeddings& embeddings = servable.embeddings.at("eges");
  EXPECT_THAT(embeddings.VectorOf(2), ElementsAreArray(made.embeddings.at("eges").VectorOf(2)));
  EXPECT_EQ(embeddings.FieldName(0), "colour");
}

TEST_F(ServableTest, SettlesTiesByPopularity) {
  const Servable servable = MakeServable();
  EXPECT_THAT(servable.tie_rank, ElementsAre(1, 2, 0));
  EXPECT_THAT(servable.popularity_tables.at("popular_week").by_score, ElementsAre(2, 0));
}

TEST_F(ServableTest, SameContentsHaveTheSameName) {
  const auto first = SaveServable(MakeServable(), directory_);
  Servable later = MakeServable();
  later.manifest.created_at_ms = 2'000;
  const auto second = SaveServable(later, directory_);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, *second);
  EXPECT_EQ((*LoadServable(directory_ / *first))->manifest.created_at_ms, 1'000);
  EXPECT_THAT(FilesIn(directory_), ElementsAre(*first));
}

TEST_F(ServableTest, OtherContentsHaveAnotherName) {
  const auto first = SaveServable(MakeServable(), directory_);
  Servable other = MakeServable();
  other.golden.requests[0].answers[0].score = std::nextafter(1.0 / 3, 1);
  const auto second = SaveServable(other, directory_);
  other.manifest.retrievers[1].shrink = 3;
  const auto third = SaveServable(other, directory_);
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_NE(*first, *second);
  EXPECT_NE(*second, *third);
}

TEST_F(ServableTest, SavingAgainHealsACorruptedOne) {
  const fs::path place = Saved();
  WriteBytes(place / "golden.json", "{}");
  EXPECT_FALSE(LoadServable(place).ok());
  EXPECT_EQ(Saved(), place);
  EXPECT_TRUE(LoadServable(place).ok());
}

TEST_F(ServableTest, RefusesEveryCorruptedByteNamingTheFile) {
  const fs::path place = Saved();
  std::mt19937 random(301);
  int flips = 0;
  for (const std::string& file : FilesIn(place)) {
    const std::string good = ReadBytes(place / file);
    // Every byte of the manifest, which no digest of another file covers; a sample of the others.
    const std::size_t step = file == "manifest.json" ? 1 : 1 + random() % 7;
    for (std::size_t at = 0; at < good.size(); at += step) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ static_cast<char>(1u << (random() % 8)));
      WriteBytes(place / file, bad);
      const absl::Status status = LoadServable(place).status();
      ASSERT_FALSE(status.ok()) << file << " byte " << at;
      ASSERT_THAT(status.ToString(), HasSubstr(file)) << "byte " << at;
      ++flips;
    }
    WriteBytes(place / file, good);
    ASSERT_TRUE(LoadServable(place).ok());
  }
  EXPECT_GT(flips, 2'000);
}

TEST_F(ServableTest, RefusesTruncatedAndMissingFilesNamingThem) {
  const fs::path place = Saved();
  for (const std::string& file : FilesIn(place)) {
    const std::string good = ReadBytes(place / file);
    for (const std::size_t size : {std::size_t{0}, good.size() / 2, good.size() - 1}) {
      WriteBytes(place / file, good.substr(0, size));
      const absl::Status status = LoadServable(place).status();
      EXPECT_TRUE(absl::IsDataLoss(status)) << file << ": " << status;
      EXPECT_THAT(status.ToString(), HasSubstr(file));
    }
    fs::remove(place / file);
    const absl::Status status = LoadServable(place).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.ToString(), HasSubstr(file));
    WriteBytes(place / file, good);
  }
}

TEST_F(ServableTest, TellsAbsentForeignAndNewerApart) {
  EXPECT_TRUE(absl::IsNotFound(LoadServable(directory_ / "none").status()));
  fs::create_directories(directory_ / "foreign");
  EXPECT_TRUE(absl::IsFailedPrecondition(LoadServable(directory_ / "foreign").status()));
  WriteBytes(directory_ / "foreign" / "manifest.json", R"({"name": "an npm package"})");
  EXPECT_TRUE(absl::IsFailedPrecondition(LoadServable(directory_ / "foreign").status()));

  const fs::path place = Saved();
  std::string manifest = ReadBytes(place / "manifest.json");
  const std::string field = StrCat("\"format_version\": ", kServableFormatVersion);
  manifest.replace(manifest.find(field), field.size(),
                   StrCat("\"format_version\": ", kServableFormatVersion + 1));
  WriteBytes(place / "manifest.json", manifest);
  const absl::Status newer = LoadServable(place).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(newer));
  EXPECT_THAT(newer.ToString(), HasSubstr(StrCat("format version ", kServableFormatVersion + 1,
                                                 "; this engine reads ", kServableFormatVersion)));
}

TEST_F(ServableTest, FilesOfAnotherServableAreRefused) {
  const fs::path place = Saved();
  Servable other = MakeServable();
  other.recipe_yaml = "name: other\n";
  const auto version = SaveServable(other, directory_);
  ASSERT_TRUE(version.ok());
  fs::copy_file(directory_ / *version / "recipe.yaml", place / "recipe.yaml",
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(LoadServable(place).status().ToString(), HasSubstr("recipe.yaml"));
}

TEST_F(ServableTest, RefusesARankerWhoseFeaturesReadWhatItLacks) {
  const auto save = [&](const char* kind, const char* retriever) {
    RandomModel model(/*seed=*/3, /*features=*/1, /*trees=*/2, /*depth=*/2);
    model.json()["learner"]["feature_names"] = {"learned"};
    const auto ranker =
        MakeTrainedRanker({{"learned", kind, {{"retriever", std::string(retriever)}}}},
                          model.json().dump(), {1, 2}, /*candidates=*/7);
    EXPECT_TRUE(ranker.ok()) << ranker.status();
    Servable servable = MakeServable();
    servable.ranker = *ranker;
    return SaveServable(servable, directory_).status();
  };
  EXPECT_TRUE(save("covisit", "basket").ok());
  EXPECT_TRUE(save("similarity", "eges").ok());
  const absl::Status refused = save("similarity", "basket");
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(refused.ToString(),
              HasSubstr("feature \"learned\" reads the embeddings of retriever \"basket\", which "
                        "the servable lacks"));
  EXPECT_TRUE(absl::IsInvalidArgument(save("covisit", "popular_week")));
}

TEST_F(ServableTest, RefusesToSaveWhatCouldNotBeLoaded) {
  const auto expect_refused = [&](const char* what, auto change) {
    Servable servable = MakeServable();
    change(&servable);
    EXPECT_TRUE(absl::IsInvalidArgument(SaveServable(servable, directory_).status())) << what;
    EXPECT_THAT(FilesIn(directory_), ElementsAre()) << what;
  };
  expect_refused("a name that is a path",
                 [](Servable* s) { s->manifest.retrievers[3].name = "../x"; });
  expect_refused("a name twice", [](Servable* s) { s->manifest.retrievers[3].name = "basket"; });
  expect_refused("a weight of nobody", [](Servable* s) { s->manifest.blend.weights["x"] = 1; });
  expect_refused("an item twice", [](Servable* s) { s->vocabulary[1] = "apple"; });
  expect_refused("an item without id", [](Servable* s) { s->vocabulary[1] = ""; });
  expect_refused("a map of fewer items", [](Servable* s) {
    s->item_to_item.at("basket") = ItemToItemMap::FromRows({{}, {}});
  });
  expect_refused("embeddings by other fields",
                 [](Servable* s) { s->manifest.retrievers[4].side_fields = {"size"}; });
  expect_refused("a popularity below zero", [](Servable* s) { s->popularity[0] = -1; });
  expect_refused("a wrong order", [](Servable* s) {
    std::swap(s->popularity_tables["popular_week"].by_score[0],
              s->popularity_tables["popular_week"].by_score[1]);
  });
  expect_refused("no table", [](Servable* s) { s->popularity_tables.clear(); });
  expect_refused("a metric that is no number",
                 [](Servable* s) { s->manifest.metrics["x"] = std::nan(""); });
  expect_refused("a recipe's name that is no text",
                 [](Servable* s) { s->manifest.recipe_name = "\xff"; });
  expect_refused("a golden score that is no number",
                 [](Servable* s) { s->golden.requests[0].answers[0].score = INFINITY; });
}

}  // namespace
}  // namespace fourfold
