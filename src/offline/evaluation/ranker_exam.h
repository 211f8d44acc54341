#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "feature/plan/feature_plan.h"
#include "math/bootstrap.h"
#include "model/trees/tree_ensemble.h"
#include "offline/ranking/row_replay.h"

namespace fourfold {

struct RankerExamRow {
  std::string method;  // "list order" (not ranking at all) or "ranker"
  std::vector<Interval> metrics;
};

struct RankerExam {
  std::uint64_t requests = 0;
  std::uint64_t users = 0;
  std::vector<std::string> metrics;
  std::vector<RankerExamRow> rows;
  std::vector<Interval> difference;  // ranker - list order, paired
};

// Judges a ranker on the requests of the replay from `from_ms` on, with their features as they
// would have been served.
//
// Slates: those with an item of label above 0, which is what is relevant; RR, Success@3 (also
// called HIT@3), nDCG@10 of the order by score, ties by the order shown. Judgements
// (RowOptions::Rows::kActions): the AUC of label above 0 over all rows. Intervals draw whole users;
// a request without a user is one of its own.
absl::StatusOr<RankerExam> JudgeRanker(const RowReplay& replay, const FeaturePlan& plan,
                                       const TreeEnsemble& trees, std::int64_t from_ms,
                                       const BootstrapOptions& bootstrap,
                                       const std::function<void(double done)>& progress);

}  // namespace fourfold
