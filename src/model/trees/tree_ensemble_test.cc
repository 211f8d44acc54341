#include "model/trees/tree_ensemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <thread>

#include "model/trees/tree_ensemble_testing.h"

namespace fourfold {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

TreeEnsemble Parsed(RandomModel& model) {
  auto ensemble = TreeEnsemble::Parse(model.json().dump());
  EXPECT_TRUE(ensemble.ok()) << ensemble.status();
  return *std::move(ensemble);
}

std::vector<float> Scores(const TreeEnsemble& ensemble, std::span<const float> rows) {
  std::vector<float> scores(rows.size() / ensemble.features());
  ensemble.Predict(rows, scores);
  return scores;
}

TEST(TreeEnsembleTest, AllRowsAtOnceAreOneRowAfterTheOther) {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    RandomModel model(seed, 7, 20, static_cast<int>(2 * seed) - 1);
    const TreeEnsemble ensemble = Parsed(model);
    EXPECT_EQ(ensemble.trees(), 20u);
    for (const std::size_t rows : {0, 1, 7, 8, 9, 40}) {
      const std::vector<float> values = model.Rows(rows);
      const std::vector<float> scores = Scores(ensemble, values);
      for (std::size_t i = 0; i < rows; ++i) {
        float expected = 0.25F;
        const auto row = std::span(values).subspan(7 * i, 7);
        for (const Json& tree : model.trees()) {
          expected += tree["split_conditions"][LeafOf(tree, row)].get<float>();
        }
        EXPECT_EQ(std::bit_cast<std::uint32_t>(scores[i]), std::bit_cast<std::uint32_t>(expected));
      }
    }
  }
}

// The definition: the mean over all orders of the features of what knowing this one more changes.
TEST(TreeEnsembleTest, ContributionsAreShapleyValuesAndSumToTheScore) {
  constexpr std::size_t kFeatures = 5;
  for (const std::uint64_t seed : {1, 2, 3}) {
    RandomModel model(seed, kFeatures, 4, 7);  // a path has a feature several times
    const TreeEnsemble ensemble = Parsed(model);
    const std::vector<float> values = model.Rows(10);
    const std::vector<float> scores = Scores(ensemble, values);
    for (std::size_t i = 0; i < 10; ++i) {
      const auto row = std::span(values).subspan(kFeatures * i, kFeatures);
      std::vector<double> of_subset(1u << kFeatures, 0.25);
      for (unsigned known = 0; known < of_subset.size(); ++known) {
        for (const Json& tree : model.trees()) of_subset[known] += ExpectedValue(tree, row, known);
      }
      std::vector<double> expected(kFeatures + 1);
      const double weights[] = {1.0 / 5, 1.0 / 20, 1.0 / 30, 1.0 / 20, 1.0 / 5};
      for (unsigned known = 0; known < of_subset.size(); ++known) {
        for (std::size_t feature = 0; feature < kFeatures; ++feature) {
          if ((known >> feature & 1) != 0) continue;
          expected[feature] +=
              weights[std::popcount(known)] * (of_subset[known | 1u << feature] - of_subset[known]);
        }
      }
      expected[kFeatures] = of_subset[0];
      std::vector<double> contributions(kFeatures + 1);
      ensemble.Contributions(row, contributions);
      double sum = 0;
      for (std::size_t f = 0; f <= kFeatures; ++f) {
        EXPECT_NEAR(contributions[f], expected[f], 1e-5) << "feature " << f;
        sum += contributions[f];
      }
      EXPECT_NEAR(sum, scores[i], 1e-4);
    }
  }
}

Json Stump() {
  RandomModel model(1, 2, 0, 0);
  model.json()["learner"]["feature_names"] = {"price", "clicks"};
  model.trees().push_back({{"left_children", {1, -1, -1}},
                           {"right_children", {2, -1, -1}},
                           {"split_indices", {1, 0, 0}},
                           {"default_left", {true, false, false}},
                           {"split_type", {0, 0, 0}},
                           {"split_conditions", {3.0, -1.0, 2.0}},
                           {"sum_hessian", {10, 4, 6}},
                           {"loss_changes", {7.5, 0, 0}}});
  return model.json();
}

TEST(TreeEnsembleTest, AStumpSplitsBelowItsThresholdAndSendsNullsItsDefaultWay) {
  const auto ensemble = TreeEnsemble::Parse(Stump().dump());
  ASSERT_TRUE(ensemble.ok()) << ensemble.status();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(Scores(*ensemble, std::vector<float>{0, 2.9F, 0, 3, 0, nan, nan, 4}),
              ElementsAre(-0.75F, 2.25F, -0.75F, 2.25F));
  EXPECT_THAT(ensemble->feature_names(), ElementsAre("price", "clicks"));
  EXPECT_THAT(ensemble->Importance(), ElementsAre(FeatureImportance{"price", 0, 0, 0},
                                                  FeatureImportance{"clicks", 7.5, 10, 1}));
  EXPECT_FALSE(ensemble->is_logistic());
  std::vector<double> contributions(3);
  ensemble->Contributions(std::vector<float>{0, 5}, contributions);
  // Mean .4 * -1 + .6 * 2 = .8.
  EXPECT_THAT(contributions, ElementsAre(0, testing::DoubleNear(1.2, 1e-12),
                                         testing::DoubleNear(0.25 + 0.8, 1e-12)));
}

TEST(TreeEnsembleTest, TheBaseOfALogisticModelIsAProbability) {
  Json json = Stump();
  json["learner"]["objective"]["name"] = "binary:logistic";
  json["learner"]["learner_model_param"]["base_score"] = "2E-1";
  const auto ensemble = TreeEnsemble::Parse(json.dump());
  ASSERT_TRUE(ensemble.ok()) << ensemble.status();
  EXPECT_TRUE(ensemble->is_logistic());
  const float score = Scores(*ensemble, std::vector<float>{0, 5}).front();
  EXPECT_NEAR(score, 2 - std::log(4.0), 1e-6);
  EXPECT_NEAR(ProbabilityOf(-std::log(4.0)), 0.2, 1e-12);
}

TEST(TreeEnsembleTest, EveryMistakeOfAModelIsToldWithItsPlace) {
  const auto error = [](const Json& json) {
    return std::string(TreeEnsemble::Parse(json.dump()).status().message());
  };
  Json json = Stump();
  Json& tree = json["learner"]["gradient_booster"]["model"]["trees"][0];
  const Json good = tree;
  tree["right_children"][0] = 9;
  EXPECT_EQ(error(json), "tree 0: node 0: child 9");
  tree = good;
  tree["right_children"][0] = 1;
  EXPECT_EQ(error(json), "tree 0: node 1 has two parents");
  tree = good;
  tree["left_children"][1] = 0;
  EXPECT_EQ(error(json), "tree 0: node 1: child -1");
  tree["right_children"][1] = 0;
  EXPECT_EQ(error(json), "tree 0: node 0 has two parents");
  tree = good;
  tree["split_indices"][0] = 2;
  EXPECT_EQ(error(json), "tree 0: node 0: feature 2");
  tree = good;
  tree["split_type"][0] = 1;
  EXPECT_EQ(error(json), "tree 0: node 0: a categorical split");
  tree = good;
  tree["split_conditions"].push_back(1);
  EXPECT_EQ(error(json), "tree 0: split_conditions: has 4 elements instead of 3");
  tree = good;
  tree["sum_hessian"][1] = "x";
  EXPECT_EQ(error(json), "tree 0: sum_hessian: holds what is no finite number");
  tree = good;
  tree.erase("default_left");
  EXPECT_EQ(error(json), "tree 0: default_left: is missing");
  tree = good;
  json["learner"]["objective"]["name"] = "multi:softmax";
  EXPECT_EQ(error(json), "objective multi:softmax is not known");
  json = Stump();
  json["learner"]["gradient_booster"]["name"] = "dart";
  EXPECT_EQ(error(json), "booster dart is not known; only gbtree");
  json = Stump();
  json["learner"]["learner_model_param"]["num_feature"] = "0";
  EXPECT_THAT(error(json), HasSubstr("num_feature: must be 1 to"));
  json["learner"]["learner_model_param"] = 3;
  EXPECT_EQ(error(json), "learner.learner_model_param.num_class: is missing");
  EXPECT_EQ(TreeEnsemble::Parse("{").status().message(), "the model is not JSON");
  EXPECT_EQ(TreeEnsemble::Parse("[]").status().message(), "learner: is missing");
}

TEST(TreeEnsembleTest, ATreeThatIsTooDeepIsRefused) {
  RandomModel model(1, 2, 0, 0);
  Json tree;
  const int depth = TreeEnsemble::kDepthMax + 1;
  for (int node = 0; node <= 2 * depth; ++node) {
    const bool splits = node % 2 == 0 && node < 2 * depth;
    tree["left_children"].push_back(splits ? node + 1 : -1);
    tree["right_children"].push_back(splits ? node + 2 : -1);
    for (const char* name : {"split_indices", "default_left", "split_type", "split_conditions",
                             "sum_hessian", "loss_changes"}) {
      tree[name].push_back(0);
    }
  }
  model.trees().push_back(tree);
  EXPECT_EQ(TreeEnsemble::Parse(model.json().dump()).status().message(), "tree 0: deeper than 64");
}

TEST(TreeEnsembleTest, DamagedBytesNeverCrash) {
  RandomModel model(5, 3, 2, 3);
  const std::string whole = model.json().dump();
  std::mt19937_64 random(6);
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    std::string text = whole.substr(0, i % 3 == 0 ? random() % whole.size() : whole.size());
    for (std::uint64_t changes = random() % 4; changes > 0 && !text.empty(); --changes) {
      text[random() % text.size()] = "0123456789-.,:[]{}\"eE\xff"[random() % 22];
    }
    const auto ensemble = TreeEnsemble::Parse(text);
    refused += !ensemble.ok();
    if (!ensemble.ok()) continue;
    const std::vector<float> row(ensemble->features(), 1.0F);
    std::vector<double> contributions(ensemble->features() + 1);
    (void)Scores(*ensemble, row);
    ensemble->Contributions(row, contributions);
  }
  EXPECT_GT(refused, 200);
}

TEST(TreeEnsembleTest, ThreadsShareIt) {
  RandomModel model(7, 6, 30, 5);
  const TreeEnsemble ensemble = Parsed(model);
  const std::vector<float> values = model.Rows(64);
  const std::vector<float> expected = Scores(ensemble, values);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) EXPECT_EQ(Scores(ensemble, values), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace fourfold
