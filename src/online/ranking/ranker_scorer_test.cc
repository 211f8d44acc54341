#include "online/ranking/ranker_scorer.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/trees/tree_ensemble_testing.h"
#include "online/surfaces/surfaces.h"
#include "online/test_world.h"

namespace fourfold {
namespace {

using testing::AddItemToItem;
using testing::AddPopular;
using ::testing::ElementsAre;
using testing::ItemsOf;
using testing::MakeServable;
using testing::Share;
using testing::World;

const std::vector<std::string> kItems = {"a", "b", "c", "d", "e"};

// One split: `below` where the feature is below the threshold or has no value, else `above`.
nlohmann::json Stump(int feature, float threshold, float below, float above) {
  return {{"left_children", {1, -1, -1}},     {"right_children", {2, -1, -1}},
          {"split_indices", {feature, 0, 0}}, {"default_left", {1, 0, 0}},
          {"split_type", {0, 0, 0}},          {"split_conditions", {threshold, below, above}},
          {"sum_hessian", {2.0, 1.0, 1.0}},   {"loss_changes", {1.0, 0.0, 0.0}}};
}

std::shared_ptr<const TrainedRanker> Ranker(std::vector<FeatureDeclaration> features,
                                            std::vector<nlohmann::json> trees, int candidates) {
  RandomModel model(/*seed=*/1, features.size(), /*trees=*/0, /*depth=*/0);
  std::vector<std::string> names;
  for (const FeatureDeclaration& feature : features) names.push_back(feature.name);
  model.json()["learner"]["feature_names"] = names;
  model.trees() = std::move(trees);
  auto ranker = MakeTrainedRanker(std::move(features), model.json().dump(), {}, candidates);
  EXPECT_TRUE(ranker.ok()) << ranker.status();
  return *ranker;
}

FeatureDeclaration InputField(const std::string& name, const std::string& field) {
  return {name, "input_field", {{"field", field}}};
}
FeatureDeclaration ClicksOfUserOnItem() {
  return {"clicks",
          "count",
          {{"entity", std::string("user_item")}, {"types", std::vector<std::string>{"click"}}}};
}

// a is the most popular, e the least; e goes with a.
Servable SmallServable() {
  Servable servable = MakeServable(kItems);
  AddPopular(&servable, 1);
  AddItemToItem(&servable, 0.1, {{"a", {{"e", 0.9F}}}});
  return servable;
}

// A world whose feed a ranker puts in order; its state follows the log.
struct RankedWorld {
  explicit RankedWorld(std::shared_ptr<const TrainedRanker> trained) {
    state = std::make_shared<LiveState>(trained->plan->schema(), world.store.get());
    auto features = std::make_shared<const LiveFeatures>(trained->plan, state);
    live = std::make_shared<const LiveRanker>(
        LiveRanker{"by-hand", std::move(trained), std::move(features), nullptr});
    world.store->SetCommitListener([this](absl::Span<const LoggedEvent> committed) {
      world.catalogue.Apply(committed, world.store->NowMs());
      state->Follow(committed);
    });
    world.DeclareAll(kItems);
    EXPECT_TRUE(world.recommender->Activate(Share(SmallServable()), live).ok());
  }
  RecommendResponse Ask(int limit, bool explain = false) {
    RecommendRequest request;
    request.user = "u";
    request.limit = limit;
    request.explain = explain;
    return world.Ask(request);
  }

  World world;
  std::shared_ptr<LiveState> state;
  std::shared_ptr<const LiveRanker> live;
};

TEST(RankerScorerTest, AnActionChangesTheOrderOfTheNextSlate) {
  RankedWorld ranked(Ranker({ClicksOfUserOnItem()}, {Stump(0, 0.5F, 0, 1)}, 500));
  EXPECT_THAT(ItemsOf(ranked.Ask(3)), ElementsAre("a", "b", "c"));
  ranked.world.Act("u", "d");
  EXPECT_THAT(ItemsOf(ranked.Ask(3)), ElementsAre("d", "a", "b"));
}

TEST(RankerScorerTest, EqualScoresAndTheRestFollowInTheOrderOfTheBlend) {
  // The first of the blend goes down; only three are ranked.
  RankedWorld ranked(Ranker({InputField("place", "blend.rank")}, {Stump(0, 1.5F, -1, 1)}, 3));
  EXPECT_THAT(ItemsOf(ranked.Ask(5)), ElementsAre("b", "c", "a", "d", "e"));
}

TEST(RankerScorerTest, WhatARetrieverDidNotFindHasNoPlaceInItsList) {
  // Above for what item_cf found, at whatever place; b's and others' lack of it counts as below.
  RankedWorld ranked(
      Ranker({InputField("companion", "item_cf.rank")}, {Stump(0, 0.5F, 0, 1)}, 500));
  EXPECT_THAT(ItemsOf(ranked.Ask(2)), ElementsAre("a", "b"));
  ranked.world.Act("u", "a");
  EXPECT_THAT(ItemsOf(ranked.Ask(2)), ElementsAre("e", "a"));
}

TEST(RankerScorerTest, ExplanationTellsBlendFeaturesAndContributions) {
  RankedWorld ranked(Ranker({ClicksOfUserOnItem()}, {Stump(0, 0.5F, 0, 1)}, 500));
  ranked.world.Act("u", "d");
  const RecommendResponse response = ranked.Ask(1, /*explain=*/true);
  ASSERT_EQ(response.items.size(), 1);
  const RecommendedItem& first = response.items[0];
  EXPECT_EQ(first.item, "d");
  EXPECT_EQ(first.blend_rank, 4);
  ASSERT_EQ(first.features.size(), 1);
  EXPECT_EQ(first.features[0].value, 1);
  ASSERT_EQ(first.feature_contributions.size(), 2);
  EXPECT_NEAR(*first.feature_contributions[0].value, 0.5, 1e-6);  // 1, where .5 is expected
  EXPECT_EQ(first.feature_contributions[1].name, kBaseContribution);
}

TEST(RankerScorerTest, TheLogKeepsHowShownItemsWereFound) {
  RankedWorld ranked(Ranker({InputField("place", "blend.rank")}, {Stump(0, 1.5F, -1, 1)}, 3));
  ranked.Ask(1);
  std::vector<Field> kept;
  ASSERT_TRUE(ranked.world.store
                  ->ScanLog(0, ranked.world.store->EndPosition(),
                            [&](const LoggedEvent& logged) {
                              if (logged.event.kind == EventKind::kRanking) {
                                kept = logged.event.items.at(0).fields;
                              }
                              return true;
                            })
                  .ok());
  ASSERT_EQ(kept.size(), 1);
  EXPECT_EQ(kept[0].name, "blend.rank");
  EXPECT_EQ(std::get<double>(kept[0].value), 2);
}

TEST(RankerScorerTest, ARankerOfBroughtListsLeavesTheFeedAlone) {
  RankedWorld ranked(Ranker({InputField("place", "blend.rank")}, {Stump(0, 1.5F, -1, 1)}, 0));
  const RecommendResponse response = ranked.Ask(5);
  EXPECT_THAT(ItemsOf(response), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(response.items[0].blend_rank, 0);
}

// What is retrieved for training is what the ranker is asked to order, told the same.
TEST(RankerScorerTest, RetrievedAsOfIsWhatTheRankerIsToldOf) {
  const auto trained =
      Ranker({InputField("place", "blend.rank"), InputField("score", "blend.score"),
              InputField("companion", "item_cf.rank")},
             {Stump(0, 1.5F, -1, 1)}, 4);
  RankedWorld ranked(trained);
  ranked.world.Act("u", "a");
  const RecommendResponse response = ranked.Ask(5, /*explain=*/true);
  const auto bound = ranked.world.recommender->Bind(Share(SmallServable()));
  ASSERT_TRUE(bound.ok());
  Recommender::AsOfRequest request;
  request.user = "u";
  request.at = ranked.world.store->Now();
  std::vector<FeatureCandidate> retrieved;
  ASSERT_TRUE(ranked.world.recommender
                  ->RetrieveAsOf(request, **bound,
                                 RetrievalFields(*trained->plan, {"popular", "item_cf"}), 4,
                                 &retrieved)
                  .ok());
  ASSERT_EQ(retrieved.size(), 4);
  for (const RecommendedItem& item : response.items) {
    if (item.blend_rank == 0) continue;
    const FeatureCandidate& candidate = retrieved.at(static_cast<std::size_t>(item.blend_rank) - 1);
    EXPECT_EQ(candidate.item, item.item);
    EXPECT_EQ(candidate.fields, item.retrieval_fields);
  }
  EXPECT_EQ(response.items.back().blend_rank, 0);
}

}  // namespace
}  // namespace fourfold
