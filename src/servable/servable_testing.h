#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/strings.h"
#include "servable/servable.h"

// What the servable's tests share.
namespace fourfold {

// A small servable with a retriever of each kind.
inline Servable MakeServable() {
  Servable servable;
  ServableManifest& manifest = servable.manifest;
  manifest.engine_version = "0.1.0";
  manifest.recipe_name = "shop";
  manifest.created_at_ms = 1'000;
  manifest.as_of_ms = 900;
  manifest.known_at_ms = 950;
  manifest.position_end = 42;
  manifest.actions = 17;
  manifest.metrics = {{"nDCG@10", 0.1 + 0.2}};
  RetrieverSpec popular;
  popular.name = "popular_week";
  popular.kind = RetrieverSpec::Kind::kPopular;
  popular.window_ms = 7;
  RetrieverSpec item_cf;
  item_cf.name = "item-cf";
  item_cf.kind = RetrieverSpec::Kind::kItemCf;
  item_cf.action_types = {"purchase"};
  item_cf.shrink = 2.5;
  RetrieverSpec covisitation;
  covisitation.name = "basket";
  covisitation.kind = RetrieverSpec::Kind::kCovisitation;
  covisitation.within_tie_group = true;
  RetrieverSpec repeats;
  repeats.name = "repeats";
  repeats.kind = RetrieverSpec::Kind::kRepeats;
  RetrieverSpec eges;
  eges.name = "eges";
  eges.kind = RetrieverSpec::Kind::kEges;
  eges.side_fields = {"colour"};
  eges.dimension = 8;
  eges.learned_weights = false;
  manifest.retrievers = {popular, item_cf, covisitation, repeats, eges};
  manifest.blend.method = BlendSpec::Method::kReciprocalRank;
  manifest.blend.weights = {{"basket", 0.3}, {"repeats", 1}};

  servable.recipe_yaml = "name: shop\n";
  servable.vocabulary = {"apple", "line\nbreak", "pear"};
  servable.popularity = {2, 0, 5};
  IndexVocabulary(&servable);
  servable.popularity_tables["popular_week"] =
      MakePopularityTable({1.5f, 0, 1.5f}, servable.tie_rank);
  servable.item_to_item.emplace("item-cf", ItemToItemMap::FromRows({{{2, 0.5f}}, {}, {{0, 0.5f}}}));
  servable.item_to_item.emplace("basket",
                                ItemToItemMap::FromRows({{{1, 0.5f}, {2, 0.25f}}, {{0, 1}}, {}}));
  servable.item_to_item.emplace("eges", ItemToItemMap::FromRows({{{2, 1}}, {}, {{0, 1}}}));
  servable.embeddings.emplace(
      "eges",
      ItemEmbeddings::FromParts(
          {.dimension = 8,
           .trained = {1, 0, 0},
           .rows = std::vector<float>(3 * 8, 1.0f),
           .weights = std::vector<float>(3 * 2),
           .fields = {{"colour", {"red"}, {0, 1, 1, 2}, {0, 0}, std::vector<float>(8, 1.0f)}}}));

  GoldenRequest request;
  request.name = "after an apple";
  request.as_of_ms = 900;
  request.filter = "price < 5";
  HistoryEntry entry;
  entry.event_time_ms = 800;
  entry.known_time_ms = 801;
  entry.position = 3;
  entry.event_digest[15] = 255;
  entry.user = "ann";
  entry.item = "apple";
  entry.type = "purchase";
  entry.impressions = {"pear"};
  request.history = {entry};
  request.answers = {{"pear", 1.0 / 3}};
  servable.golden.catalogue = {{"apple",
                                {{"fresh", true},
                                 {"nothing", std::monostate()},
                                 {"price", 0.1},
                                 {"sizes", std::vector<double>{1, 2.5}},
                                 {"tags", std::vector<std::string>{"red"}},
                                 {"title", std::string("Äpfel")}}},
                               {"pear", {}}};
  servable.golden.requests = {request};
  return servable;
}

// An empty directory of its own for each test.
class ServableDirectoryTest : public testing::Test {
 protected:
  ServableDirectoryTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = StrCat(testing::TempDir(), "fourfold_", test->test_suite_name(), "_", test->name(),
                        "_", static_cast<std::int64_t>(getpid()));
    std::filesystem::remove_all(directory_);
  }
  ~ServableDirectoryTest() override { std::filesystem::remove_all(directory_); }

  static std::string ReadBytes(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void WriteBytes(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::filesystem::path directory_;
};

}  // namespace fourfold
