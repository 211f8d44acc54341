#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "data/byte_sink.h"
#include "simulation/world_options.h"

namespace fourfold::simulation {

struct DeliveryCounts {
  std::uint64_t lines = 0;  // written, duplicates among them
  std::uint64_t bytes = 0;  // of these lines
  std::uint64_t late = 0, out_of_order = 0, duplicates = 0;
};

// The way of lines into a log: in the order of their times but for what the options hold back or
// send twice. Holds in memory what is under way. Not thread-safe.
class Delivery {
 public:
  Delivery(const DeliveryOptions& options, std::uint64_t seed, ByteSink* sink);

  // The line that is about to be made is to be appended to this.
  std::string* line() { return &ready_; }
  // What was appended to line() arrives in time, after whatever was due before time_ms.
  absl::Status Deliver(std::int64_t time_ms);
  // The same, but it may come late, out of order, or twice.
  absl::Status DeliverUnreliably(std::int64_t time_ms);
  // All that is still under way, in order.
  absl::Status Finish();

  const DeliveryCounts& counts() const { return counts_; }
  std::size_t under_way() const { return waiting_.size(); }

 private:
  struct Waiting {
    std::int64_t arrives_ms = 0;
    std::uint64_t number = 0;  // settles equal times
    std::string line;
    // For a heap with the first to arrive on top.
    bool operator<(const Waiting& other) const {
      if (arrives_ms != other.arrives_ms) return arrives_ms > other.arrives_ms;
      return number > other.number;
    }
  };

  void Wait(std::int64_t arrives_ms, std::string line);
  absl::Status ReleaseUntil(std::int64_t time_ms);
  absl::Status Write(std::string_view line);

  DeliveryOptions options_;
  std::uint64_t key_;
  ByteSink* sink_;
  std::string ready_;
  std::uint64_t delivered_ = 0;
  std::vector<Waiting> waiting_;  // a heap
  DeliveryCounts counts_;
};

}  // namespace fourfold::simulation
