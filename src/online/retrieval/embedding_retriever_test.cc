#include "online/retrieval/embedding_retriever.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "online/test_world.h"

namespace fourfold {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Embedded;
using testing::ItemsOf;
using ::testing::Not;
using testing::World;

std::vector<Field> Tags(const std::vector<std::string>& tags) { return {{"tags", tags}}; }

const Embedded kKitchen = {
    .rows = {{"tea", {1, 0.2F}}, {"pot", {1, 0.4F}}, {"saw", {0, 0, 1}}},
    .values = {{"kitchen", {1}}, {"tools", {0, 0, 1}}},
    .values_of = {{"tea", {"kitchen"}}, {"pot", {"kitchen"}}, {"saw", {"tools"}}}};

// Tea and pot go together and are "kitchen"; saw stands alone and is "tools".
class EmbeddingRetrieverTest : public ::testing::TestWithParam<RetrieverSpec::Search> {
 protected:
  EmbeddingRetrieverTest() {
    world_.Declare("tea", Tags({"kitchen"}));
    world_.Declare("pot", Tags({"kitchen"}));
    world_.Declare("saw", Tags({"tools"}));
    Servable servable = testing::MakeServable({"tea", "pot", "saw"});
    RetrieverSpec spec;
    spec.search = GetParam();
    testing::AddEges(&servable, 1, kKitchen, spec);
    EXPECT_TRUE(world_.recommender->Activate(testing::Share(std::move(servable))).ok());
  }

  // The items that the retriever itself finds, not the fill.
  std::vector<std::string> Found(const std::string& user) {
    RecommendRequest request;
    request.user = user;
    std::vector<std::string> found;
    const RecommendResponse response = world_.Ask(request);
    EXPECT_TRUE(response.degraded.empty());
    for (const RecommendedItem& item : response.items) {
      if (item.score > 0) found.push_back(item.item);
    }
    return found;
  }

  World world_;
};

TEST_P(EmbeddingRetrieverTest, FindsWhatGoesWithTheLastAction) {
  world_.Act("ann", "tea");
  EXPECT_THAT(Found("ann"), ElementsAre("pot"));
}

TEST_P(EmbeddingRetrieverTest, AnItemPutJustNowIsFoundAtOnceByItsSideFields) {
  world_.Act("ann", "tea");
  world_.Declare("cup", Tags({"kitchen"}));
  world_.Declare("hammer", Tags({"tools"}));
  world_.Declare("riddle", Tags({"unheard of"}));
  EXPECT_THAT(Found("ann"), ElementsAre("pot", "cup"));
  world_.Act("ben", "saw");
  EXPECT_THAT(Found("ben"), ElementsAre("hammer"));
}

TEST_P(EmbeddingRetrieverTest, AnActionOnAnItemPutJustNowFindsItsNeighbours) {
  world_.Declare("cup", Tags({"kitchen"}));
  world_.Act("ann", "cup");
  EXPECT_THAT(Found("ann"), ElementsAre("tea", "pot"));
}

TEST_P(EmbeddingRetrieverTest, AnItemThatChangedIsFoundWhereItNowBelongs) {
  world_.Act("ann", "tea");
  world_.Declare("cup", Tags({"kitchen"}));
  EXPECT_THAT(Found("ann"), Contains("cup"));
  world_.Declare("cup", Tags({"tools"}));
  EXPECT_THAT(Found("ann"), Not(Contains("cup")));
  world_.Act("ben", "saw");
  EXPECT_THAT(Found("ben"), ElementsAre("cup"));
  // One that the servable knows keeps its own row: saw moves halfway towards the kitchen.
  world_.Declare("saw", Tags({"kitchen"}));
  EXPECT_THAT(Found("ann"), ElementsAre("pot", "saw"));
  world_.Declare("saw", Tags({"tools"}));
  EXPECT_THAT(Found("ann"), ElementsAre("pot"));
}

TEST_P(EmbeddingRetrieverTest, AnItemThatWasDeletedIsGoneAtOnce) {
  world_.Act("ann", "tea");
  world_.Declare("cup", Tags({"kitchen"}));
  EXPECT_THAT(Found("ann"), ElementsAre("pot", "cup"));
  world_.Delete("cup");
  EXPECT_THAT(Found("ann"), ElementsAre("pot"));
  world_.Delete("pot");
  EXPECT_THAT(Found("ann"), ElementsAre());
  world_.Declare("cup", Tags({"kitchen"}));
  EXPECT_THAT(Found("ann"), ElementsAre("cup"));
}

TEST_P(EmbeddingRetrieverTest, SimilarItemsOfAnItemPutJustNow) {
  world_.Declare("cup", Tags({"kitchen"}));
  SimilarRequest request;
  request.item = "cup";
  request.limit = 2;
  const auto response = world_.recommender->Similar(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(ItemsOf(*response), ElementsAre("tea", "pot"));
}

TEST_P(EmbeddingRetrieverTest, ANewcomerEntersAFullRowOnlyAboveItsLast) {
  Servable servable = testing::MakeServable({"tea", "pot", "saw"});
  RetrieverSpec spec;
  spec.neighbours = 1;
  testing::AddEges(&servable, 1,
                   {.rows = {{"tea", {1, 0, 1}}, {"pot", {1, 0.2F, 1}}},
                    .values = {{"kitchen", {1}}, {"tools", {0, 0, 1}}, {"both", {1, 0, 1}}},
                    .values_of = {{"tea", {"kitchen"}}, {"pot", {"kitchen"}}, {"saw", {"tools"}}}},
                   spec);
  ASSERT_TRUE(world_.recommender->Activate(testing::Share(std::move(servable))).ok());
  world_.Act("ann", "tea");
  world_.Declare("cup", Tags({"kitchen"}));  // cosine .87 with tea, below pot's
  EXPECT_THAT(Found("ann"), ElementsAre("pot"));
}

INSTANTIATE_TEST_SUITE_P(Searches, EmbeddingRetrieverTest,
                         ::testing::Values(RetrieverSpec::Search::kMap,
                                           RetrieverSpec::Search::kActions));

TEST(EmbeddingRetrieverMeanTest, FindsWhatIsNearTheMeanOfTheActions) {
  World world;
  world.DeclareAll({"a", "b", "ab", "c", "d"});
  Servable servable = testing::MakeServable({"a", "b", "ab", "c", "d"});
  RetrieverSpec spec;
  spec.search = RetrieverSpec::Search::kMean;
  spec.history_decay = 0.5;
  testing::AddEges(
      &servable, 1,
      {.rows = {{"a", {1}}, {"b", {0, 1}}, {"ab", {1, 1}}, {"c", {0, 0, 1}}, {"d", {0, 0, 0, 3}}},
       .values = {{"x", {1, 2}}},
       .values_of = {{"d", {"x"}}}},
      spec);
  ASSERT_TRUE(world.recommender->Activate(testing::Share(std::move(servable))).ok());
  world.Act("ann", "a");
  world.clock.Advance(1);
  world.Act("ann", "b");
  world.Declare("new", Tags({"x"}));
  // The mean is (1/2, 1): b counts twice as much as a, and what came just now lies right there.
  // What is known of its value is known from d, which has lost it since.
  RecommendRequest request;
  request.user = "ann";
  const RecommendResponse response = world.Ask(request);
  EXPECT_THAT(ItemsOf(response), ElementsAre("new", "ab", "b", "a", "c", "d"));
  EXPECT_NEAR(response.items[1].score, 1.5 / std::sqrt(2 * 1.25), 1e-6);
  EXPECT_NEAR(response.items[2].score, 1 / std::sqrt(1.25), 1e-6);
}

class LiveEmbeddingsTest : public ::testing::Test {
 protected:
  // The items' ids, by rising.
  std::vector<std::string> Fresh() const {
    const Catalogue::ReadLock catalogue(*catalogue_);
    const LiveEmbeddings::View view(*live_, catalogue);
    std::vector<std::string> fresh;
    for (std::uint32_t number = 0; number < view.fresh(); ++number) {
      fresh.emplace_back(catalogue.Id(view.FreshItem(number)));
    }
    std::sort(fresh.begin(), fresh.end());
    return fresh;
  }
  void Follow(std::size_t fresh_max) { Follow(fresh_max, &world_.catalogue); }
  void Follow(std::size_t fresh_max, Catalogue* catalogue) {
    catalogue_ = catalogue;
    Servable servable = testing::MakeServable({"tea", "pot", "saw"});
    testing::AddEges(&servable, 1, kKitchen);
    const auto shared = testing::Share(std::move(servable));
    auto bound = BoundServable::Bind(shared, catalogue, world_.store.get());
    ASSERT_TRUE(bound.ok()) << bound.status();
    bound_ = *std::move(bound);
    live_ = std::make_unique<LiveEmbeddings>(&shared->embeddings.at("eges"), bound_.get(),
                                             *catalogue, world_.store.get(), fresh_max);
  }

  // Cup, then mug, then cup again; the catalogue met cup first.
  void PutCupBeforeAndAfterMug() {
    for (const char* item : {"cup", "mug", "cup"}) {
      world_.clock.Advance(1);
      world_.Declare(item, Tags({"kitchen"}));
    }
  }

  World world_;
  Catalogue* catalogue_ = nullptr;
  std::unique_ptr<const BoundServable> bound_;
  std::unique_ptr<LiveEmbeddings> live_;
};

TEST_F(LiveEmbeddingsTest, PastTheLimitWhatWasPutLongestAgoIsLeftOut) {
  world_.Declare("tea", Tags({"kitchen"}));
  world_.Declare("pot", Tags({"kitchen"}));
  world_.Declare("saw", Tags({"tools"}));
  Follow(2);
  world_.Declare("cup", Tags({"kitchen"}));
  world_.Declare("mug", Tags({"kitchen"}));
  EXPECT_THAT(Fresh(), ElementsAre("cup", "mug"));
  EXPECT_EQ(live_->left_out(), 0u);
  world_.Declare("cup", Tags({"tools"}));  // now the newer of the two
  world_.Declare("jug", Tags({"kitchen"}));
  EXPECT_THAT(Fresh(), ElementsAre("cup", "jug"));
  EXPECT_EQ(live_->left_out(), 1u);
  world_.Declare("mug", Tags({"tools"}));
  EXPECT_THAT(Fresh(), ElementsAre("jug", "mug"));
  EXPECT_EQ(live_->left_out(), 1u);
  world_.Delete("jug");
  world_.Delete("cup");
  EXPECT_THAT(Fresh(), ElementsAre("mug"));
  EXPECT_EQ(live_->left_out(), 0u);
}

TEST_F(LiveEmbeddingsTest, AnActivationLeavesOutWhatWasPutLongestAgo) {
  PutCupBeforeAndAfterMug();
  Follow(1);
  EXPECT_THAT(Fresh(), ElementsAre("cup"));
  EXPECT_EQ(live_->left_out(), 1u);
}

TEST_F(LiveEmbeddingsTest, AStartLeavesOutWhatWasPutLongestAgo) {
  PutCupBeforeAndAfterMug();
  Catalogue restarted(Catalogue::Membership::kDeclared);
  ASSERT_TRUE(restarted.Load(*world_.store).ok());
  Follow(1, &restarted);
  EXPECT_THAT(Fresh(), ElementsAre("cup"));
  // What comes then is newer than what the start found.
  restarted.Put("jug", Tags({"kitchen"}));
  EXPECT_THAT(Fresh(), ElementsAre("jug"));
}

TEST_F(LiveEmbeddingsTest, MoreChangesThanTheCatalogueKeepsLeaveOutWhatWasPutLongestAgo) {
  world_.Declare("tea", Tags({"kitchen"}));
  Follow(1);
  PutCupBeforeAndAfterMug();
  const auto change_often = [&] {
    for (std::size_t i = 0; i <= Catalogue::kChangesKept; ++i) world_.catalogue.Put("saw", {});
  };
  change_often();
  world_.Declare("saw", Tags({"tools"}));
  EXPECT_THAT(Fresh(), ElementsAre("cup"));  // by the times of their facts
  EXPECT_EQ(live_->left_out(), 1u);
  change_often();
  world_.Declare("mug", Tags({"tools"}));
  world_.Declare("cup", Tags({"tools"}));
  EXPECT_THAT(Fresh(), ElementsAre("cup"));  // by the order of the changes
}

TEST_F(LiveEmbeddingsTest, AChangedItemThatIsLeftOutHasTheVectorOfItsTrainingAgain) {
  world_.Declare("tea", Tags({"kitchen"}));
  world_.Declare("pot", Tags({"kitchen"}));
  world_.Declare("saw", Tags({"tools"}));
  Follow(1);
  world_.Declare("saw", Tags({"kitchen"}));
  EXPECT_THAT(Fresh(), ElementsAre("saw"));
  world_.Declare("cup", Tags({"kitchen"}));
  EXPECT_THAT(Fresh(), ElementsAre("cup"));
  const Catalogue::ReadLock catalogue(world_.catalogue);
  const LiveEmbeddings::View view(*live_, catalogue);
  EXPECT_FALSE(view.IsReplaced(2));
  EXPECT_FALSE(view.VectorOf(bound_->CatalogueItem(2)).empty());
}

// Against the plain thing: embed every item that exists as its fields say now, compare all.
TEST(EmbeddingRetrieverRandomTest, IsWhatComparingAllItemsGives) {
  std::mt19937 random(6);
  std::normal_distribution<float> normal(0, 1);
  const auto vector = [&] {
    std::vector<float> values(8);
    for (float& value : values) value = normal(random);
    return values;
  };
  std::vector<std::string> tags, items;
  Embedded embedded;
  for (int i = 0; i < 6; ++i) embedded.values[tags.emplace_back(StrCat("tag", i))] = vector();
  const auto some_tags = [&] {
    std::vector<std::string> chosen;
    for (const std::string& tag : tags) {
      if (random() % 3 == 0) chosen.push_back(tag);
    }
    return chosen;
  };
  World world;
  std::map<std::string, std::vector<std::string>> tags_of;
  for (int i = 0; i < 40; ++i) {
    const std::string item = items.emplace_back(StrCat("item", i));
    if (i % 5 != 0) embedded.rows[item] = vector();
    embedded.values_of[item] = tags_of[item] = some_tags();
    world.Declare(item, Tags(tags_of[item]));
  }
  Servable servable = testing::MakeServable(items);
  RetrieverSpec spec;
  spec.neighbours = 0;
  spec.history_decay = 0.5;
  testing::AddEges(&servable, 1, embedded, spec);
  const auto shared = testing::Share(std::move(servable));
  ASSERT_TRUE(world.recommender->Activate(shared).ok());
  const ItemEmbeddings& embeddings = shared->embeddings.at("eges");

  for (int round = 0; round < 60; ++round) {
    const std::string changed = random() % 2 == 0 ? items[random() % items.size()]
                                                  : items.emplace_back(StrCat("new", round));
    if (random() % 4 == 0 && tags_of.contains(changed)) {
      world.Delete(changed);
      tags_of.erase(changed);
    } else {
      world.Declare(changed, Tags(tags_of[changed] = some_tags()));
    }
    const std::string user = StrCat("user", round);
    std::vector<std::string> acted;
    for (int i = 0; i < 3; ++i) {
      const std::string item = items[random() % items.size()];
      if (std::find(acted.begin(), acted.end(), item) != acted.end()) continue;
      world.clock.Advance(1);
      world.Act(user, item);
      acted.insert(acted.begin(), item);  // newest first
    }
    const auto vector_of = [&](const std::string& item) -> std::vector<float> {
      const auto known = shared->vocabulary_index.find(item);
      const auto now = tags_of.find(item);
      if (now == tags_of.end()) {
        // Deleted: nobody sees it, but an action on it still says what it said in training.
        if (known == shared->vocabulary_index.end()) return {};
        const auto trained = embeddings.VectorOf(known->second);
        return {trained.begin(), trained.end()};
      }
      return embeddings.Compose(
          known == shared->vocabulary_index.end() ? ItemEmbeddings::kNoItemRow : known->second,
          {now->second});
    };
    std::map<std::string, double> expected;
    double weight = 1;
    for (const std::string& item : acted) {
      const std::vector<float> from = vector_of(item);
      for (const auto& [other, now] : tags_of) {
        const std::vector<float> to = vector_of(other);
        if (from.empty() || to.empty() || other == item) continue;
        const float cosine = PlainVectorKernels().dot(from.data(), to.data(), 8);
        if (cosine > 0) expected[other] += weight * static_cast<double>(cosine);
      }
      weight /= 2;
    }
    RecommendRequest request;
    request.user = user;
    request.limit = 100;
    std::map<std::string, double> found;
    for (const RecommendedItem& item : world.Ask(request).items) {
      if (item.score > 0) found[item.item] = item.score;
    }
    double most = 0;
    for (const auto& [item, score] : expected) most = std::max(most, score);
    ASSERT_EQ(found.size(), expected.size()) << round;
    for (const auto& [item, score] : expected) {
      EXPECT_NEAR(found[item], score / most, 1e-5) << round << " " << item;
    }
  }
}

TEST(EmbeddingRetrieverThreadsTest, RequestsAndChangesAtOnce) {
  World world;
  world.Declare("tea", Tags({"kitchen"}));
  Servable servable = testing::MakeServable({"tea"});
  testing::AddEges(&servable, 1,
                   {.rows = {{"tea", {1, 0.2F}}},
                    .values = {{"kitchen", {1}}},
                    .values_of = {{"tea", {"kitchen"}}}});
  ASSERT_TRUE(world.recommender->Activate(testing::Share(std::move(servable))).ok());
  world.Act("ann", "tea");
  std::thread writer([&] {
    for (int i = 0; i < 100; ++i) {
      world.Declare(StrCat("cup", i % 10), Tags({i % 3 == 0 ? "none" : "kitchen"}));
    }
  });
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      RecommendRequest request;
      request.user = "ann";
      for (int i = 0; i < 100; ++i) EXPECT_TRUE(world.Ask(request).degraded.empty());
    });
  }
  writer.join();
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace fourfold
