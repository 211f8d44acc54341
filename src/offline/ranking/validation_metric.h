#pragma once

#include <cstdint>
#include <span>

#include "offline/ranking/train_trees.h"

namespace fourfold {

// The value of a metric of TreesSpec on margins. request_ends as in TrainingMatrix. Lists are
// ordered by margin, equal ones as they stand. Requests without a positive label have no part in
// kNdcg and kMap. kNdcg is of the first `cutoff` places; 0: of all. kAuc is 0.5 without rows of
// both kinds, counting equal margins as half.
double ValidationMetric(TreesSpec::Metric metric, std::span<const float> margins,
                        std::span<const float> labels, std::span<const std::uint32_t> request_ends,
                        int cutoff = 0);

// Whether a larger value is better.
inline bool IsGain(TreesSpec::Metric metric) { return metric != TreesSpec::Metric::kLogLoss; }

}  // namespace fourfold
