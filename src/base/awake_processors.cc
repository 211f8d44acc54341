#include "base/awake_processors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "base/strings.h"

namespace fourfold {

absl::StatusOr<AwakeProcessors> AwakeProcessors::Hold(const std::string& device) {
  const auto failed = [&] {
    return absl::ErrnoToStatus(errno, ToAbsl(StrCat("cannot keep the processors awake: ", device)));
  };
  const int file = ::open(device.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return failed();
  AwakeProcessors awake(file);
  // The most microseconds that a wake-up may take, as a number of the machine, not as text.
  const std::int32_t latency_us_max = 0;
  if (::write(file, &latency_us_max, sizeof latency_us_max) != sizeof latency_us_max) {
    return failed();
  }
  return awake;
}

AwakeProcessors::~AwakeProcessors() {
  if (file_ >= 0) ::close(file_);
}

AwakeProcessors::AwakeProcessors(AwakeProcessors&& other) noexcept
    : file_(std::exchange(other.file_, -1)) {}

AwakeProcessors& AwakeProcessors::operator=(AwakeProcessors&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

}  // namespace fourfold
