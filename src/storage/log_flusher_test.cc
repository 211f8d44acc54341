#include "storage/log_flusher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace fourfold::storage {
namespace {

TEST(LogFlusherTest, FlushesAfterEachTouchThoughOnceForMany) {
  std::atomic<int> written = 0, flushed = 0, calls = 0;
  {
    LogFlusher flusher([&] {
      flushed = written.load();
      ++calls;
    });
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          ++written;
          flusher.Touch();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < 500 && flushed < 3000; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(flushed, 3000);
    EXPECT_LT(calls, 1000);
  }
}

TEST(LogFlusherTest, EndsUntouched) {
  int calls = 0;
  {
    const LogFlusher flusher([&] { ++calls; });
  }
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace fourfold::storage
