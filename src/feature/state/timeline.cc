#include "feature/state/timeline.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace fourfold {
namespace {

bool IsType(std::uint64_t type_mask, std::uint16_t type) { return (type_mask >> type & 1) != 0; }

}  // namespace

std::int64_t ToFixed(double value) {
  if (std::isnan(value)) return 0;
  const double bounded = std::clamp(value, -kFixedMagnitudeMax, kFixedMagnitudeMax);
  return std::llround(std::ldexp(bounded, kFixedBits));
}

double FromFixed(FixedSum fixed, int bits) { return std::ldexp(static_cast<double>(fixed), -bits); }

bool Timeline::Follows(const Run& run, const ActionEntry& entry) {
  if (run.entries.empty()) return true;
  const ActionEntry& last = run.entries.back();
  return IsOlder(last, entry) && last.known_time_ms <= entry.known_time_ms &&
         last.position <= entry.position;
}

void Timeline::Append(Run* run, const ActionEntry& entry, std::span<const double> values) {
  run->entries.push_back(entry);
  run->values.insert(run->values.end(), values.begin(), values.end());
  if (run->entries.size() % kBlock != 0) return;
  const std::size_t begin = run->entries.size() - kBlock;
  for (std::size_t which = 0; which < aggregates_->size(); ++which) {
    FixedSum sum = run->sums.size() < aggregates_->size()
                       ? 0
                       : run->sums[run->sums.size() - aggregates_->size()];
    for (std::size_t i = begin; i < run->entries.size(); ++i) {
      sum += Term((*aggregates_)[which], *run, i);
    }
    run->sums.push_back(sum);
  }
}

void Timeline::Insert(const ActionEntry& entry, std::span<const double> values) {
  ++size_;
  for (Run& run : runs_) {
    if (Follows(run, entry)) return Append(&run, entry, values);
  }
  if (runs_.size() < kRunsMax) return Append(&runs_.emplace_back(), entry, values);
  const auto place =
      std::upper_bound(disordered_.entries.begin(), disordered_.entries.end(), entry, IsOlder);
  const auto index = place - disordered_.entries.begin();
  disordered_.entries.insert(place, entry);
  disordered_.values.insert(
      disordered_.values.begin() + index * static_cast<std::ptrdiff_t>(value_count_),
      values.begin(), values.end());
}

bool Timeline::Contains(const ActionEntry& entry) const {
  const auto stands_in = [&](const Run& run) {
    const auto [first, last] =
        std::equal_range(run.entries.begin(), run.entries.end(), entry, IsOlder);
    return std::any_of(first, last,
                       [&](const ActionEntry& other) { return other.position == entry.position; });
  };
  return stands_in(disordered_) || std::any_of(runs_.begin(), runs_.end(), stands_in);
}

std::size_t Timeline::bytes() const {
  const auto of_run = [](const Run& run) {
    return run.entries.capacity() * sizeof(ActionEntry) + run.values.capacity() * sizeof(double) +
           run.sums.capacity() * sizeof(FixedSum);
  };
  std::size_t sum = sizeof(Timeline) + runs_.capacity() * sizeof(Run) + of_run(disordered_);
  for (const Run& run : runs_) sum += of_run(run);
  return sum;
}

Timeline::Prefix Timeline::PrefixOf(const Run& run, const StateRead& read) {
  const auto end_of = [&](auto&& is_within) {
    return static_cast<std::size_t>(
        std::partition_point(run.entries.begin(), run.entries.end(), is_within) -
        run.entries.begin());
  };
  Prefix prefix;
  prefix.seen = end_of([&](const ActionEntry& entry) { return read.SeesRegularly(entry); });
  prefix.almost_seen = prefix.seen;
  if (read.own_session != 0) {
    // What holds since for ever is in the prefix or, when it is not, almost nothing is.
    prefix.almost_seen = std::max(
        prefix.seen, end_of([&](const ActionEntry& entry) {
          return entry.position < read.position_end &&
                 (read.as_of_ms == INT64_MAX || entry.event_time_ms <= read.as_of_ms + 1) &&
                 (read.known_at_ms == INT64_MAX || entry.known_time_ms <= read.known_at_ms + 1);
        }));
  }
  return prefix;
}

std::size_t Timeline::FirstFrom(const Run& run, std::int64_t from_ms) {
  return static_cast<std::size_t>(std::partition_point(run.entries.begin(), run.entries.end(),
                                                       [&](const ActionEntry& entry) {
                                                         return entry.event_time_ms < from_ms;
                                                       }) -
                                  run.entries.begin());
}

FixedSum Timeline::Term(const Aggregate& aggregate, const Run& run, std::size_t index) const {
  if (!IsType(aggregate.type_mask, run.entries[index].type)) return 0;
  if (aggregate.field < 0) return 1;
  return ToFixed(ValuesOf(run, index)[static_cast<std::size_t>(aggregate.field)]);
}

FixedSum Timeline::PrefixSum(const Run& run, std::size_t which, std::size_t end) const {
  const std::size_t blocks = end / kBlock;
  FixedSum sum = blocks == 0 ? 0 : run.sums[(blocks - 1) * aggregates_->size() + which];
  for (std::size_t i = blocks * kBlock; i < end; ++i) sum += Term((*aggregates_)[which], run, i);
  return sum;
}

FixedSum Timeline::Sum(std::size_t which, std::int64_t from_ms, const StateRead& read) const {
  FixedSum sum = 0;
  const Aggregate& aggregate = (*aggregates_)[which];
  const auto add_if_seen = [&](const Run& run, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (read.Sees(run.entries[i])) sum += Term(aggregate, run, i);
    }
  };
  for (const Run& run : runs_) {
    const Prefix prefix = PrefixOf(run, read);
    const std::size_t begin = FirstFrom(run, from_ms);
    if (begin < prefix.seen) {
      if (read.hidden_tie_group == 0) {
        sum += PrefixSum(run, which, prefix.seen) - PrefixSum(run, which, begin);
      } else {
        add_if_seen(run, begin, prefix.seen);
      }
    }
    add_if_seen(run, std::max(begin, prefix.seen), prefix.almost_seen);
  }
  add_if_seen(disordered_, FirstFrom(disordered_, from_ms), disordered_.entries.size());
  return sum;
}

void Timeline::Visit(std::int64_t from_ms, const StateRead& read, Visitor visit) const {
  const auto visit_run = [&](const Run& run, std::size_t end) {
    for (std::size_t i = FirstFrom(run, from_ms); i < end; ++i) {
      if (read.Sees(run.entries[i]) && !visit(run.entries[i], ValuesOf(run, i))) return false;
    }
    return true;
  };
  for (const Run& run : runs_) {
    if (!visit_run(run, PrefixOf(run, read).almost_seen)) return;
  }
  visit_run(disordered_, disordered_.entries.size());
}

void Timeline::VisitNewest(std::int64_t from_ms, const StateRead& read, Visitor visit) const {
  struct Head {
    const Run* run = nullptr;
    std::size_t begin = 0;
    std::size_t end = 0;  // the next entry is the one before it
  };
  std::array<Head, kRunsMax + 1> heads;
  std::size_t count = 0;
  const auto add = [&](const Run& run, std::size_t end) {
    const std::size_t begin = FirstFrom(run, from_ms);
    if (begin < end) heads[count++] = {&run, begin, end};
  };
  for (const Run& run : runs_) add(run, PrefixOf(run, read).almost_seen);
  add(disordered_, disordered_.entries.size());
  while (count > 0) {
    std::size_t newest = 0;
    for (std::size_t i = 1; i < count; ++i) {
      const ActionEntry& best = heads[newest].run->entries[heads[newest].end - 1];
      if (IsOlder(best, heads[i].run->entries[heads[i].end - 1])) newest = i;
    }
    Head& head = heads[newest];
    const std::size_t index = --head.end;
    const ActionEntry& entry = head.run->entries[index];
    if (read.Sees(entry) && !visit(entry, ValuesOf(*head.run, index))) return;
    if (head.begin == head.end) head = heads[--count];
  }
}

const ActionEntry* Timeline::Oldest(std::uint64_t type_mask, const StateRead& read) const {
  const ActionEntry* oldest = nullptr;
  const auto look_at = [&](const Run& run) {
    for (const ActionEntry& entry : run.entries) {
      if (oldest != nullptr && !IsOlder(entry, *oldest)) return;
      if (!IsType(type_mask, entry.type) || !read.Sees(entry)) continue;
      oldest = &entry;
      return;
    }
  };
  for (const Run& run : runs_) look_at(run);
  look_at(disordered_);
  return oldest;
}

}  // namespace fourfold
