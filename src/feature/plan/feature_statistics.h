#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "feature/plan/feature_plan.h"
#include "fourfold/features.h"

namespace fourfold {

// How the values of a plan's features turn out in a sample of the requests: how many are null, how
// many say what is said of an entity without events, how old the newest event is that they come of.
// Thread-safe and free of locks.
class FeatureStatistics {
 public:
  static constexpr std::uint64_t kEvery = 8;  // the first request of so many is in the sample

  explicit FeatureStatistics(const FeaturePlan& plan);

  // Whether the next request falls to the sample.
  bool Sample() { return requests_.fetch_add(1, std::memory_order_relaxed) % kEvery == 0; }

  // The values that a request had of one feature: of column `output`, or of sequence `output` -
  // columns. `staleness_ms` has an element for each that comes of dated events.
  void Note(std::size_t output, std::span<const float> values, std::optional<float> default_value,
            std::span<const std::int64_t> staleness_ms);

  // In the order of the plan's columns, then of its sequences.
  std::vector<FeatureHealth> Read() const;

 private:
  using Counter = std::atomic<std::uint64_t>;
  struct Counters {
    Counter values = 0;
    Counter nulls = 0;
    Counter defaults = 0;
    Counter staleness_ms = 0;  // added up
    std::array<Counter, FeatureHealth::kStalenessBuckets> staleness{};
  };

  std::vector<std::string> names_;
  std::vector<Counters> counters_;  // one for each name
  Counter requests_ = 0;
};

}  // namespace fourfold
