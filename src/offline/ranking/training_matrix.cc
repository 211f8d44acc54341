#include "offline/ranking/training_matrix.h"

#include <algorithm>
#include <cmath>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold {

std::size_t TrainingMatrix::columns() const {
  return rows_.schema().request_features.size() + rows_.schema().candidate_features.size();
}

std::vector<std::string> TrainingMatrix::column_names() const {
  std::vector<std::string> names = rows_.schema().request_features;
  const std::vector<std::string>& candidate = rows_.schema().candidate_features;
  names.insert(names.end(), candidate.begin(), candidate.end());
  return names;
}

bool TrainingMatrix::IsWanted(const TrainingBlock& block, std::size_t request) const {
  const std::int64_t time_ms = block.event_time_ms[request];
  if (time_ms < part_.from_ms || time_ms >= part_.to_ms) return false;
  if (!part_.differing_labels_only) return true;
  const auto begin = block.label.begin() + static_cast<std::ptrdiff_t>(block.row_begin(request));
  const auto end = block.label.begin() + block.row_end[request];
  return std::any_of(begin, end, [&](float label) { return label != *begin; });
}

absl::Status TrainingMatrix::NextBatch(std::vector<float>* batch) {
  const std::size_t request_columns = rows_.schema().request_features.size();
  const std::size_t candidate_columns = rows_.schema().candidate_features.size();
  batch->clear();
  while (batch->empty()) {
    FOURFOLD_ASSIGN_OR_RETURN(const bool more, rows_.Next(&block_));
    if (!more) return absl::OkStatus();
    for (std::size_t request = 0; request < block_.requests(); ++request) {
      if (!IsWanted(block_, request)) continue;
      const float* const shared = block_.request_features.data() + request * request_columns;
      for (std::size_t row = block_.row_begin(request); row < block_.row_end[request]; ++row) {
        const float* const own = block_.candidate_features.data() + row * candidate_columns;
        batch->insert(batch->end(), shared, shared + request_columns);
        batch->insert(batch->end(), own, own + candidate_columns);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status TrainingMatrix::ReadLabels() {
  const auto has_infinity = [](const std::vector<float>& values) {
    return std::any_of(values.begin(), values.end(), [](float x) { return std::isinf(x); });
  };
  FOURFOLD_RETURN_IF_ERROR(Rewind());
  while (true) {
    FOURFOLD_ASSIGN_OR_RETURN(const bool more, rows_.Next(&block_));
    if (!more) return absl::OkStatus();
    if (has_infinity(block_.request_features) || has_infinity(block_.candidate_features)) {
      return InvalidArgument("a feature of a training row is infinite");
    }
    for (std::size_t request = 0; request < block_.requests(); ++request) {
      if (!IsWanted(block_, request)) continue;
      for (std::size_t row = block_.row_begin(request); row < block_.row_end[request]; ++row) {
        labels_.push_back(block_.label[row]);
        weights_.push_back(block_.weight[row]);
      }
      if (labels_.size() > std::numeric_limits<std::uint32_t>::max()) {
        return InvalidArgument("more than 4294967295 training rows");
      }
      request_ends_.push_back(static_cast<std::uint32_t>(labels_.size()));
    }
  }
}

}  // namespace fourfold
