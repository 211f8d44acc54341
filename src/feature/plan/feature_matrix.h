#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "feature/plan/feature_plan.h"
#include "feature/plan/feature_request.h"

namespace fourfold {

// The columns of a plan as a model sees them: those that are the same for all candidates of a
// request come first, those of the candidate after them.
inline std::vector<std::string> RowFeatureNames(const FeaturePlan& plan) {
  std::vector<std::string> names;
  for (const bool per_candidate : {false, true}) {
    for (const FeaturePlan::Output& output : plan.columns()) {
      if (output.per_candidate == per_candidate) names.push_back(output.name);
    }
  }
  return names;
}

// Appends the columns that are (not) per candidate, row-major.
inline void AppendColumns(const FeaturePlan& plan, const FeatureTable& table, bool per_candidate,
                          std::size_t candidate, std::vector<float>* row) {
  for (std::size_t f = 0; f < plan.columns().size(); ++f) {
    if (plan.columns()[f].per_candidate != per_candidate) continue;
    row->push_back(table.columns[f][per_candidate ? candidate : 0]);
  }
}

// [candidates x columns], row-major.
inline void FillRows(const FeaturePlan& plan, const FeatureTable& table, std::size_t candidates,
                     std::vector<float>* rows) {
  rows->clear();
  rows->reserve(candidates * plan.columns().size());
  for (std::size_t c = 0; c < candidates; ++c) {
    AppendColumns(plan, table, /*per_candidate=*/false, 0, rows);
    AppendColumns(plan, table, /*per_candidate=*/true, c, rows);
  }
}

}  // namespace fourfold
