#include "engine/exam.h"

#include <gtest/gtest.h>

namespace fourfold {
namespace {

InteractionTable TableAt(std::vector<std::int64_t> times_ms) {
  InteractionTable table;
  table.event_time_ms = std::move(times_ms);
  return table;
}

TEST(ExamTest, WithoutCutsTheLastTenthTestsAndTheTenthBeforeItValidates) {
  std::vector<std::int64_t> times_ms;
  for (std::int64_t i = 100; i > 0; --i) times_ms.push_back(i * 1000);
  const auto with_cuts = WithCuts(EvaluationRecipe(), TableAt(std::move(times_ms)));
  ASSERT_TRUE(with_cuts.ok()) << with_cuts.status();
  EXPECT_EQ(with_cuts->cut_ms, 91'000);
  EXPECT_EQ(with_cuts->validation_cut_ms, 81'000);
}

TEST(ExamTest, TheRecipesCutStaysAndTheOtherFollowsFromIt) {
  EvaluationRecipe recipe;
  recipe.cut_ms = 10'000;
  std::vector<std::int64_t> times_ms;
  for (std::int64_t i = 1; i <= 100; ++i) times_ms.push_back(i * 1000);
  const auto with_cuts = WithCuts(recipe, TableAt(std::move(times_ms)));
  ASSERT_TRUE(with_cuts.ok()) << with_cuts.status();
  EXPECT_EQ(with_cuts->cut_ms, 10'000);
  EXPECT_EQ(with_cuts->validation_cut_ms, 9'000);
}

TEST(ExamTest, WhereAllIsOfOneMomentThereIsNothingToLearnFrom) {
  EXPECT_FALSE(WithCuts(EvaluationRecipe(), TableAt({5, 5, 5})).ok());
  EXPECT_FALSE(WithCuts(EvaluationRecipe(), TableAt({})).ok());
}

}  // namespace
}  // namespace fourfold
