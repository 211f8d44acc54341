#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "feature/plan/feature_plan.h"
#include "offline/ranking/row_checkpoint.h"
#include "offline/ranking/row_replay.h"
#include "offline/ranking/training_rows.h"

namespace fourfold {

// The shape of a plan's rows. Features of the same name and order as RowFeatureNames.
TrainingSchema TrainingSchemaOf(const FeaturePlan& plan);

struct WrittenRows {
  TrainingRowCounts counts;
  // Of candidates that retrieval found (RowOptions::Rows::kRetrieved): how many items had a label
  // above 0, and how many of them were found.
  std::uint64_t relevant = 0;
  std::uint64_t retrieved = 0;
  // Requests of the replay whose rows a writing that was cut short had left in its checkpoint.
  std::uint64_t resumed = 0;
};

// Writes every request of the replay, whose plan this is, with its features and labels; one without
// candidates teaches nothing and is left out. Cancelled once is_cancelled, which may be empty as
// progress may, says so. Goes on from the checkpoint of the same rows, with the same bytes as when
// nothing is cut short, and leaves it whole.
absl::StatusOr<WrittenRows> WriteTrainingRows(const RowReplay& replay, const FeaturePlan& plan,
                                              const std::string& path,
                                              const std::function<void(double done)>& progress,
                                              const std::function<bool()>& is_cancelled = {},
                                              const RowCheckpoint::Options& checkpoint = {});

}  // namespace fourfold
