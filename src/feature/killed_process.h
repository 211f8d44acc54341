#pragma once

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"

// For tests that kill a process while it writes, and look for what got lost.
namespace fourfold {

// Of the process that is killed: the pipe to the one that started it.
inline int parent_fd = -1;

// Tells the one that started it. One line a write, short enough to be whole in the pipe or not at
// all.
inline void TellParent(int fd, const std::string& line) {
  if (write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::_Exit(3);
}

// Of the process that is killed: it goes with the one that started it, and tells it of a failure.
inline void DieWithParent(int fd) {
  parent_fd = fd;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

[[noreturn]] inline void FailCrashTest(const std::string& message) {
  // At once: the kill may come before the end, and would look as if all had been well.
  if (parent_fd >= 0) TellParent(parent_fd, "failed\n");
  std::fprintf(stderr, "crash test failed: %s\n", message.c_str());
  std::fflush(nullptr);
  // Other threads still write to what an exit takes away.
  std::_Exit(1);
}

// What comes through a pipe until the time is over, the pipe is closed, or at once after the first
// bytes.
inline void ReadPipeFor(int fd, int time_ms, bool stop_at_first, std::string* lines) {
  using Time = std::chrono::steady_clock;
  const auto end = Time::now() + std::chrono::milliseconds(time_ms);
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - Time::now()).count();
    pollfd waiting{fd, POLLIN, 0};
    if (left < 0 || poll(&waiting, 1, static_cast<int>(left)) <= 0) return;
    std::array<char, 1 << 16> buffer;
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size <= 0) return;
    lines->append(buffer.data(), static_cast<std::size_t>(size));
    if (stop_at_first) return;
  }
}

// Runs a program with these words and `--acknowledge-fd FD`, kills it (SIGKILL) so many
// milliseconds after it told something for the first time, or, where `early`, after it was started,
// and returns all that it told. It must neither have failed nor ended by itself.
inline std::string RunAndKill(const std::string& program, std::vector<std::string> words,
                              bool early, int after_ms) {
  int ends[2];
  if (pipe(ends) != 0) FailCrashTest("no pipe");
  words.emplace_back("--acknowledge-fd");
  words.push_back(StrCat(ends[1]));
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) FailCrashTest("no process");
  if (child == 0) {
    close(ends[0]);
    execv(program.c_str(), argv.data());
    std::_Exit(127);
  }
  close(ends[1]);
  std::string lines;
  if (!early) ReadPipeFor(ends[0], 60'000, /*stop_at_first=*/true, &lines);
  if (!early && lines.empty()) FailCrashTest("the process that writes acknowledged nothing");
  ReadPipeFor(ends[0], after_ms, false, &lines);
  kill(child, SIGKILL);
  ReadPipeFor(ends[0], 60'000, false, &lines);
  close(ends[0]);
  int how = 0;
  waitpid(child, &how, 0);
  if (StrCat("\n", lines).find("\nfailed\n") != std::string::npos) {
    FailCrashTest("the process that writes says so");
  }
  if (!WIFSIGNALED(how) || WTERMSIG(how) != SIGKILL) {
    FailCrashTest("the process that writes ended by itself");
  }
  return lines;
}

// Likewise this program once more.
inline std::string RunSelfAndKill(std::vector<std::string> words, bool early, int after_ms) {
  return RunAndKill("/proc/self/exe", std::move(words), early, after_ms);
}

}  // namespace fourfold
