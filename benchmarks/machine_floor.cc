#include "machine_floor.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/strings.h"

namespace fourfold::bench {
namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

MachineFloor::Percentiles Summarise(std::vector<double>* values) {
  std::sort(values->begin(), values->end());
  return {PercentileOf(*values, 0.5), PercentileOf(*values, 0.99)};
}

}  // namespace

double PercentileOf(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank - 1, 0.0))];
}

MachineFloor::MachineFloor(std::string directory, double per_second)
    : path_(StrCat(directory, "/machine_floor.", getpid())), per_second_(per_second) {}

MachineFloor::~MachineFloor() { Stop(); }

absl::Status MachineFloor::Start() {
  file_ = open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file_ < 0) return InvalidArgument(path_, ": cannot be written");
  thread_ = std::thread([this] { Measure(); });
  return absl::OkStatus();
}

MachineFloor::Result MachineFloor::Stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  if (file_ >= 0) {
    close(std::exchange(file_, -1));
    unlink(path_.c_str());
  }
  return {Summarise(&late_ms_), Summarise(&sync_ms_)};
}

void MachineFloor::Measure() {
  const std::string bytes(400, 'x');  // about what one event takes in a write-ahead log
  const auto interval =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / per_second_));
  for (Clock::time_point due = Clock::now() + interval; !stopping_; due += interval) {
    std::this_thread::sleep_until(due);
    const Clock::time_point woken = Clock::now();
    late_ms_.push_back(Milliseconds(woken - due));
    if (write(file_, bytes.data(), bytes.size()) < 0 || fdatasync(file_) != 0) return;
    sync_ms_.push_back(Milliseconds(Clock::now() - woken));
    // A sync that took longer than the interval makes no backlog: it would measure itself.
    due = std::max(due, Clock::now() - interval);
  }
}

}  // namespace fourfold::bench
