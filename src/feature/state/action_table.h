#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
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

  // Gives back the room that was made for more.
  void Shrink();

  const ActionEntry& EntryOf(ActionIndex action) const {
    return chunks_[action / kChunk].entries[action % kChunk];
  }
  std::span<const double> ValuesOf(ActionIndex action) const {
    return {chunks_[action / kChunk].values.data() + action % kChunk * value_count_, value_count_};
  }
  // From the first to the last event time of a tie group's actions.
  struct TimeSpan {
    std::int64_t first_ms = INT64_MAX;
    std::int64_t last_ms = INT64_MIN;
  };
  // Of a group without actions, an empty one.
  TimeSpan SpanOf(std::uint64_t tie_group) const;

  std::size_t size() const {
    return chunks_.empty() ? 0 : (chunks_.size() - 1) * kChunk + chunks_.back().entries.size();
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
  absl::flat_hash_map<std::uint64_t, TimeSpan> tie_groups_;
};

}  // namespace fourfold
