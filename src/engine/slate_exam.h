#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/exam.h"
#include "engine/learning.h"
#include "offline/evaluation/evaluator.h"

namespace fourfold {

// Judges methods by the slates of a simulated log that were shown from the cut on and got an action
// that counts: each orders the items of a slate, as of just before it, and the order's nDCG@10 with
// the actions that it really got stands between that of popularity (0) and that of the true
// probabilities (1). Items that a ranker does not rank go last, by popularity; items that the
// catalogue no longer holds are nobody's to rank. Places do not count: the truth orders by what
// the user would do with an item that is looked at.
//
// The split must be one in time. InvalidArgument for a truth file that is not of this log, and
// where there is no such slate.
absl::StatusOr<SlateReport> JudgeSlates(const Learning& learning,
                                        const EvaluationRecipe& evaluation, const Exam& exam,
                                        const Examinee& examinee,
                                        const std::vector<EvaluationMethod>& methods,
                                        const BlendSpec& blend, const std::string& truth_path,
                                        int resamples);

}  // namespace fourfold
