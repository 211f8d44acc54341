#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/transact/transact_ranker_model.h"
#include "offline/ranking/training_rows.h"
#include "offline/ranking/transact_spec.h"

namespace fourfold {

struct TrainTransActOptions {
  // What the file's request and candidate features are (TransActRankerModel::columns). Where there
  // are item codes, the sequence's last columns are the same ones of what was acted on.
  std::vector<TransActRankerModel::Column> columns;
  // Vectors of items that the model takes as they are, of spec.item_dimension and for these
  // columns; null: it learns its own. They must not know what the rows are asked.
  std::shared_ptr<const FrozenItems> frozen;
  // As in TrainTreesOptions.
  std::optional<std::int64_t> validation_from_ms;
  std::optional<std::int64_t> end_ms;
  // Starts from what an earlier model has of the same names and shapes. None with frozen items: it
  // would be of another fit of the retriever, and each lies in a space of its own.
  const TransActRankerModel* warm_start = nullptr;
  // Where a training that is cut short goes on from: a file, written after each epoch and removed
  // at the end. Empty: none. One of other rows, spec or options, or a damaged one, is passed over.
  std::string checkpoint_path;
  struct Progress {
    std::uint64_t step = 0, steps = 0;  // of all epochs
    int epoch = 0;                      // 1: the first
    double loss = 0;                    // mean of the last steps, by row or, listwise, by request
    double rows_per_second = 0;         // of processor time of this thread
    double seconds_left = 0;            // at most: training may stop early
    double metric = 0;                  // of the last epoch that was validated
  };
  std::function<void(const Progress&)> progress;
  // Told where it goes on from, and why it does not. May be empty.
  std::function<void(std::string_view)> note;
  // Asked before each step: true ends the training with Cancelled. May be empty.
  std::function<bool()> is_cancelled;
};

struct TrainedTransAct {
  TransActRankerModel model;  // of the best epoch
  int epochs = 0;             // until the best
  int epochs_trained = 0;
  double metric = 0;  // of the best epoch, on the validation requests
  std::uint64_t training_requests = 0, training_rows = 0;
  std::uint64_t validation_requests = 0, validation_rows = 0;
};

// Trains a TransAct ranker with the heads of the rows, or without any with one head, `label`. Its
// columns are the request features and then the candidate features of the file, by these names;
// its actions those of spec.sequence.
//
// The same file, spec and options give the same bits on one kind of processor. One thread. Memory:
// the rows of the file, the frozen items once, and of each step about 0.7 MB a candidate for the
// published shape and 100 actions, less for shorter histories. InvalidArgument for labels or values
// that do not fit, a spec that cannot be trained, an unknown sequence, too few requests; errors of
// the reader.
absl::StatusOr<TrainedTransAct> TrainTransAct(TrainingRowsReader* rows, const TransActSpec& spec,
                                              const TrainTransActOptions& options);

}  // namespace fourfold
