#include "feature/killed_process.h"

#include <gtest/gtest.h>

#include <thread>

namespace fourfold {
namespace {

using ::testing::ExitedWithCode;

// A shell's commands, with its pipe as $pipe.
std::string RunShellAndKill(const std::string& commands) {
  return RunAndKill("/bin/sh", {"sh", "-c", "pipe=/proc/self/fd/$1; " + commands},
                    /*early=*/false, /*after_ms=*/100);
}

TEST(KilledProcessDeathTest, WhatItToldUntilItWasKilledIsReturned) {
  EXPECT_EQ(RunShellAndKill("echo a 1 > $pipe; echo b 2 > $pipe; exec sleep 60"), "a 1\nb 2\n");
}

TEST(KilledProcessDeathTest, AFailureIsSeenAlsoWhereTheKillComesBeforeTheEnd) {
  EXPECT_EXIT(RunShellAndKill("echo a 1 > $pipe; echo failed > $pipe; exec sleep 60"),
              ExitedWithCode(1), "says so");
  // Of one thread, while another does not end.
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EXIT(
      {
        DieWithParent(ends[1]);
        std::thread writer([] {
          for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
        });
        FailCrashTest("an event is lost");
      },
      ExitedWithCode(1), "an event is lost");
  close(ends[1]);
  std::string lines;
  ReadPipeFor(ends[0], 1000, /*stop_at_first=*/false, &lines);
  close(ends[0]);
  EXPECT_EQ(lines, "failed\n");
}

TEST(KilledProcessDeathTest, AnEndOfItsOwnIsAFailure) {
  EXPECT_EXIT(RunShellAndKill("echo a 1 > $pipe; exit 0"), ExitedWithCode(1), "by itself");
  EXPECT_EXIT(RunShellAndKill("echo a 1 > $pipe; kill -ABRT $$"), ExitedWithCode(1), "by itself");
}

}  // namespace
}  // namespace fourfold
