#include "feature/plan/feature_statistics.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fourfold {
namespace {

// A total that only grows: nobody orders anything by it.
void Add(std::atomic<std::uint64_t>* counter, std::uint64_t more) {
  if (more > 0) counter->fetch_add(more, std::memory_order_relaxed);
}

std::vector<std::string> NamesOf(const FeaturePlan& plan) {
  std::vector<std::string> names;
  for (const FeaturePlan::Output& output : plan.columns()) names.push_back(output.name);
  for (const FeaturePlan::Output& output : plan.sequences()) names.push_back(output.name);
  return names;
}

}  // namespace

FeatureStatistics::FeatureStatistics(const FeaturePlan& plan)
    : names_(NamesOf(plan)), counters_(names_.size()) {}

void FeatureStatistics::Note(std::size_t output, std::span<const float> values,
                             std::optional<float> default_value,
                             std::span<const std::int64_t> staleness_ms) {
  Counters& counters = counters_[output];
  std::uint64_t nulls = 0;
  std::uint64_t defaults = 0;
  for (const float value : values) {
    nulls += std::isnan(value) ? 1 : 0;
    defaults += default_value.has_value() && value == *default_value ? 1 : 0;
  }
  Add(&counters.values, values.size());
  Add(&counters.nulls, nulls);
  Add(&counters.defaults, defaults);

  std::uint64_t sum_ms = 0;
  std::array<std::uint64_t, FeatureHealth::kStalenessBuckets> counts{};
  for (const std::int64_t age_ms : staleness_ms) {
    const auto past_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, age_ms));
    sum_ms += past_ms;
    const auto bound = std::lower_bound(FeatureHealth::kStalenessBoundsSeconds.begin(),
                                        FeatureHealth::kStalenessBoundsSeconds.end(),
                                        static_cast<double>(past_ms) * 1e-3);
    ++counts[static_cast<std::size_t>(bound - FeatureHealth::kStalenessBoundsSeconds.begin())];
  }
  Add(&counters.staleness_ms, sum_ms);
  for (std::size_t i = 0; i < counts.size(); ++i) Add(&counters.staleness[i], counts[i]);
}

std::vector<FeatureHealth> FeatureStatistics::Read() const {
  std::vector<FeatureHealth> all;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const Counters& counters = counters_[i];
    FeatureHealth& health = all.emplace_back();
    health.name = names_[i];
    health.values = counters.values.load(std::memory_order_relaxed);
    health.nulls = counters.nulls.load(std::memory_order_relaxed);
    health.defaults = counters.defaults.load(std::memory_order_relaxed);
    health.staleness_seconds =
        static_cast<double>(counters.staleness_ms.load(std::memory_order_relaxed)) * 1e-3;
    for (std::size_t bucket = 0; bucket < counters.staleness.size(); ++bucket) {
      health.staleness[bucket] = counters.staleness[bucket].load(std::memory_order_relaxed);
    }
  }
  return all;
}

}  // namespace fourfold
