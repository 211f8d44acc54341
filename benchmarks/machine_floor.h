#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace fourfold::bench {

// What the machine itself takes while a load runs on it: no server can answer faster. A thread of
// its own wakes up at fixed intervals, writes a few hundred bytes to a file and has them synced.
class MachineFloor {
 public:
  struct Percentiles {
    double p50_ms = 0, p99_ms = 0;
  };
  struct Result {
    Percentiles wake_up;    // later than asked for
    Percentiles disk_sync;  // write and fdatasync
  };

  // Measures until Stop, `per_second` times a second, in a file of its own that it removes.
  MachineFloor(std::string directory, double per_second);
  ~MachineFloor();
  MachineFloor(const MachineFloor&) = delete;
  MachineFloor& operator=(const MachineFloor&) = delete;

  absl::Status Start();
  Result Stop();

 private:
  void Measure();

  const std::string path_;
  const double per_second_;
  int file_ = -1;
  std::atomic<bool> stopping_{false};
  std::vector<double> late_ms_, sync_ms_;  // of the thread, until it is joined
  std::thread thread_;
};

// The smallest value that at least this share of them does not exceed; 0 of none. Sorted.
double PercentileOf(const std::vector<double>& sorted, double share);

}  // namespace fourfold::bench
