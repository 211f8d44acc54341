#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "feature/plan/feature_plan.h"
#include "offline/ranking/row_replay.h"
#include "offline/ranking/training_rows.h"

namespace fourfold {

// The shape of a plan's rows. Features of the same name and order as RowFeatureNames.
TrainingSchema TrainingSchemaOf(const FeaturePlan& plan);

// Writes every request of the replay, whose plan this is, with its features and labels.
absl::StatusOr<TrainingRowCounts> WriteTrainingRows(
    const RowReplay& replay, const FeaturePlan& plan, const std::string& path,
    const std::function<void(double done)>& progress);

}  // namespace fourfold
