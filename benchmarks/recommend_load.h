#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/loopback_http.h"

namespace fourfold::bench {

// One kind of request, sent at fixed intervals whatever the server does.
struct LoadStream {
  std::string name;
  double rate_per_second = 0;         // 0: none
  std::vector<std::string> requests;  // whole, taken in turn
  int connections = 16;               // kept open; past it a due request waits for a free one
};

struct LoadOptions {
  Endpoint endpoint;
  double warm_up_seconds = 2;  // sent, not counted
  double seconds = 20;
};

// Latencies count from the moment a request was due, not from when it could be sent, so that a
// server that stalls is charged for everything that had to wait (no coordinated omission).
struct StreamResult {
  std::string name;
  std::uint64_t answered = 0;  // with 200
  std::uint64_t errors = 0;    // other statuses, and answers that never came
  int first_error_status = 0;
  double rate_per_second = 0;  // of what was answered
  double p50_ms = 0, p95_ms = 0, p99_ms = 0, p999_ms = 0, max_ms = 0;
  double sent_late_p99_ms = 0;  // how far behind its own clock the program was
};

// Drives all streams from the calling thread.
absl::StatusOr<std::vector<StreamResult>> DriveLoad(const LoadOptions& options,
                                                    const std::vector<LoadStream>& streams);

}  // namespace fourfold::bench
