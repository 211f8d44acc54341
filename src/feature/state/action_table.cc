#include "feature/state/action_table.h"

#include <algorithm>

#include "base/check.h"

namespace fourfold {

ActionIndex ActionTable::Add(const ActionEntry& entry, std::span<const double> values) {
  if (chunks_.empty() || chunks_.back().entries.size() == kChunk) {
    Chunk& chunk = chunks_.emplace_back();
    // The first grows with what is in it: most tables of one read hold a few actions.
    if (chunks_.size() > 1) {
      chunk.entries.reserve(kChunk);
      chunk.values.reserve(kChunk * value_count_);
    }
  }
  Chunk& chunk = chunks_.back();
  const std::size_t index = (chunks_.size() - 1) * kChunk + chunk.entries.size();
  FOURFOLD_CHECK(index <= UINT32_MAX);
  FOURFOLD_CHECK(values.size() == value_count_);
  chunk.entries.push_back(entry);
  chunk.values.insert(chunk.values.end(), values.begin(), values.end());
  if (entry.tie_group != 0) {
    TimeSpan& span = tie_groups_[entry.tie_group];
    span.first_ms = std::min(span.first_ms, entry.event_time_ms);
    span.last_ms = std::max(span.last_ms, entry.event_time_ms);
  }
  return static_cast<ActionIndex>(index);
}

ActionTable::TimeSpan ActionTable::SpanOf(std::uint64_t tie_group) const {
  const auto found = tie_groups_.find(tie_group);
  return found == tie_groups_.end() ? TimeSpan() : found->second;
}

void ActionTable::Shrink() {
  if (chunks_.empty()) return;
  chunks_.back().entries.shrink_to_fit();
  chunks_.back().values.shrink_to_fit();
}

std::size_t ActionTable::bytes() const {
  const std::size_t sum = sizeof(ActionTable) + chunks_.capacity() * sizeof(Chunk) +
                          tie_groups_.capacity() * (sizeof(*tie_groups_.begin()) + 1);
  if (chunks_.empty()) return sum;
  const auto bytes_of = [](const Chunk& chunk) {
    return chunk.entries.capacity() * sizeof(ActionEntry) +
           chunk.values.capacity() * sizeof(double);
  };
  if (chunks_.size() == 1) return sum + bytes_of(chunks_.front());
  // Those between had their room made at once.
  const std::size_t whole = kChunk * (sizeof(ActionEntry) + value_count_ * sizeof(double));
  return sum + bytes_of(chunks_.front()) + (chunks_.size() - 2) * whole + bytes_of(chunks_.back());
}

}  // namespace fourfold
