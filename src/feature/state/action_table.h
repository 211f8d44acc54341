#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "feature/state/action_entry.h"

namespace fourfold {

// The number of an action in an ActionTable.
using ActionIndex = std::uint32_t;

// Every action of a state once; the timelines that it stands in point here. Const reads are
// thread-safe beside each other; Add needs the table for itself.
class ActionTable {
 public:
  // `value_count`: how many numbers each action has, the fields that some feature reads.
  explicit ActionTable(std::size_t value_count) : value_count_(value_count) {}

  ActionIndex Add(const ActionEntry& entry, std::span<const double> values);

  const ActionEntry& EntryOf(ActionIndex action) const {
    return chunks_[action / kChunk].entries[action % kChunk];
  }
  std::span<const double> ValuesOf(ActionIndex action) const {
    return {chunks_[action / kChunk].values.data() + action % kChunk * value_count_, value_count_};
  }
  std::size_t bytes() const;

 private:
  static constexpr std::size_t kChunk = 4096;
  struct Chunk {
    std::vector<ActionEntry> entries;
    std::vector<double> values;
  };

  std::size_t value_count_;
  std::vector<Chunk> chunks_;  // all but the last are full
};

}  // namespace fourfold
