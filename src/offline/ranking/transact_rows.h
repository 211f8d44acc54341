#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "offline/ranking/training_rows.h"
#include "offline/ranking/transact_spec.h"

namespace fourfold {

// The requests of a file that teach or validate, in memory. Private to the training of TransAct.
class TransActRows {
 public:
  struct Request {
    std::uint32_t block = 0, number = 0;
  };
  // One request's rows, as spans into a block.
  struct View {
    std::int64_t event_time_ms = 0;
    std::span<const float> request_columns, candidate_columns, labels, weights;
    std::span<const std::uint32_t> items;
    std::span<const std::uint32_t> outcomes;  // empty without heads
    // Of the sequence, newest first.
    std::span<const std::uint32_t> action_items, action_types;
    std::span<const std::int64_t> action_times_ms;
    // Appends the item codes of an action.
    void AppendItemCodes(std::size_t action, std::vector<float>* codes) const {
      for (const TrainingBlock::SequenceColumn& column : code_columns) {
        codes->push_back(column.numbers[step_begin + action]);
      }
    }
    std::span<const TrainingBlock::SequenceColumn> code_columns;  // of all requests of a block
    std::size_t step_begin = 0;                                   // of this one's actions in them
  };

  // `item_codes`: so many of the sequence's last columns.
  static absl::StatusOr<TransActRows> Read(TrainingRowsReader* rows, const TransActSpec& spec,
                                           std::size_t item_codes,
                                           std::optional<std::int64_t> validation_from_ms,
                                           std::optional<std::int64_t> end_ms);

  const std::vector<Request>& training() const { return training_; }
  const std::vector<Request>& validation() const { return validation_; }
  View ViewOf(Request request) const;
  std::size_t RowsOf(std::span<const Request> requests) const;

  const TrainingSchema& schema() const { return schema_; }
  const std::vector<std::string>& items() const { return items_; }
  const std::vector<std::string>& action_types() const { return action_types_; }

 private:
  absl::Status CheckSpec(const TransActSpec& spec) const;
  absl::Status Check(const TrainingBlock& block, const TransActSpec& spec) const;
  // Multiplies the rows' weights by what their users weigh.
  void WeighUsers(const TransActSpec& spec, TrainingBlock* block) const;
  void Note(const TrainingBlock& block, const TransActSpec& spec, std::int64_t validation_from_ms,
            std::int64_t end_ms);

  TrainingSchema schema_;
  std::vector<std::string> items_, action_types_;
  std::size_t sequence_ = 0;
  std::size_t item_codes_ = 0;
  std::vector<TrainingBlock> blocks_;
  std::vector<Request> training_, validation_;
};

}  // namespace fourfold
