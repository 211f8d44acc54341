#include "base/mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace fourfold {
namespace {

TEST(MutexTest, NoIncrementIsLost) {
  Mutex mutex;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) {
        const MutexLock lock(&mutex);
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 4000);
}

TEST(CondVarTest, WaiterSeesWhatTheSignallerWrote) {
  Mutex mutex;
  CondVar changed;
  int value = 0;
  std::thread writer([&] {
    const MutexLock lock(&mutex);
    value = 7;
    changed.SignalAll();
  });
  {
    const MutexLock lock(&mutex);
    while (value == 0) changed.Wait(&mutex);
    EXPECT_EQ(value, 7);
  }
  writer.join();
}

}  // namespace
}  // namespace fourfold
