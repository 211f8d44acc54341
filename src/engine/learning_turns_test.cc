#include "engine/learning_turns.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace fourfold {
namespace {

TEST(LearningTurnsTest, OneLearnsAtATimeAndNothingIsRemovedMeanwhile) {
  LearningTurns turns;
  ASSERT_TRUE(turns.TakeToLearn({}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(turns.TakeToLearn({})));
  EXPECT_TRUE(absl::IsFailedPrecondition(turns.TakeToRemove()));
  turns.GiveBack();
  ASSERT_TRUE(turns.TakeToRemove().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(turns.TakeToRemove()));
  turns.GiveBack();
  EXPECT_TRUE(turns.TakeToLearn({}).ok());
}

TEST(LearningTurnsTest, ARemovalGivesWayToOneThatLearns) {
  LearningTurns turns;
  ASSERT_TRUE(turns.TakeToRemove().ok());
  EXPECT_FALSE(turns.IsWanted());
  absl::Status taken = absl::UnknownError("waits");
  std::thread learner([&] { taken = turns.TakeToLearn({}); });
  while (!turns.IsWanted()) std::this_thread::yield();
  // There is one to wait for already.
  EXPECT_TRUE(absl::IsFailedPrecondition(turns.TakeToLearn({})));
  turns.GiveBack();
  learner.join();
  EXPECT_TRUE(taken.ok()) << taken;
  EXPECT_FALSE(turns.IsWanted());
  EXPECT_TRUE(absl::IsFailedPrecondition(turns.TakeToRemove()));
}

TEST(LearningTurnsTest, OneThatWaitsCanBeCalledOff) {
  LearningTurns turns;
  ASSERT_TRUE(turns.TakeToRemove().ok());
  std::atomic<bool> is_cancelled = false;
  absl::Status taken;
  std::thread learner([&] { taken = turns.TakeToLearn([&] { return is_cancelled.load(); }); });
  while (!turns.IsWanted()) std::this_thread::yield();
  is_cancelled = true;
  learner.join();
  EXPECT_TRUE(absl::IsCancelled(taken)) << taken;
  EXPECT_FALSE(turns.IsWanted());
}

TEST(LearningTurnsTest, OneWhoseCallerThrowsWaitsNoLonger) {
  LearningTurns turns;
  ASSERT_TRUE(turns.TakeToRemove().ok());
  int asked = 0;
  const auto throws_while_it_waits = [&]() -> bool {
    if (++asked == 1) return false;
    EXPECT_TRUE(turns.IsWanted());
    throw std::runtime_error("the caller's own");
  };
  EXPECT_THROW((void)turns.TakeToLearn(throws_while_it_waits), std::runtime_error);
  EXPECT_FALSE(turns.IsWanted());
  turns.GiveBack();
  EXPECT_TRUE(turns.TakeToLearn({}).ok());
}

}  // namespace
}  // namespace fourfold
