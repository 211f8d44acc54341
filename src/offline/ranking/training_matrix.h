#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "offline/ranking/training_rows.h"

namespace fourfold {

// The rows of a part of a file as a matrix, batch by batch: request features and then candidate
// features. Private to train_trees.cc. Not thread-safe.
class TrainingMatrix {
 public:
  struct Part {
    std::int64_t from_ms = std::numeric_limits<std::int64_t>::min();
    std::int64_t to_ms = std::numeric_limits<std::int64_t>::max();  // not included
    bool differing_labels_only = false;  // leave out requests whose rows have all the same label
  };
  TrainingMatrix(TrainingRowsReader* rows, Part part) : rows_(*rows), part_(part) {}

  // Reads the file once and keeps what is below. InvalidArgument for a value that is infinite.
  absl::Status ReadLabels();
  const std::vector<float>& labels() const { return labels_; }
  const std::vector<float>& weights() const { return weights_; }
  // The rows of request i are [request_end[i - 1] or 0, request_end[i]).
  const std::vector<std::uint32_t>& request_ends() const { return request_ends_; }

  std::size_t columns() const;
  std::vector<std::string> column_names() const;

  // Again from the first batch.
  absl::Status Rewind() { return rows_.Rewind(); }
  // The next batch, [rows x columns()] row-major; empty at the end.
  absl::Status NextBatch(std::vector<float>* batch);

 private:
  bool IsWanted(const TrainingBlock& block, std::size_t request) const;

  TrainingRowsReader& rows_;
  const Part part_;
  TrainingBlock block_;
  std::vector<float> labels_;
  std::vector<float> weights_;
  std::vector<std::uint32_t> request_ends_;
};

}  // namespace fourfold
