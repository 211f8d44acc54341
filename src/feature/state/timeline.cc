#include "feature/state/timeline.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace fourfold {
namespace {

std::uint16_t TieMark(std::uint64_t tie_group) { return static_cast<std::uint16_t>(tie_group); }

}  // namespace

std::int64_t ToFixed(double value) {
  if (std::isnan(value)) return 0;
  const double bounded = std::clamp(value, -kFixedMagnitudeMax, kFixedMagnitudeMax);
  return std::llround(std::ldexp(bounded, kFixedBits));
}

double FromFixed(FixedSum fixed, int bits) { return std::ldexp(static_cast<double>(fixed), -bits); }

Timeline::Timeline(const Timeline& other)
    : actions_(other.actions_),
      aggregates_(other.aggregates_),
      first_(other.first_),
      more_(other.more_ == nullptr ? nullptr : std::make_unique<More>(*other.more_)) {}

Timeline::More& Timeline::more() {
  if (more_ == nullptr) more_ = std::make_unique<More>();
  return *more_;
}

bool Timeline::IsOlder(const TimelineEntry& a, const TimelineEntry& b) const {
  if (a.event_time_ms != b.event_time_ms) return a.event_time_ms < b.event_time_ms;
  return actions_->EntryOf(a.action).event_digest < actions_->EntryOf(b.action).event_digest;
}

bool Timeline::Follows(const Entries& entries, const TimelineEntry& entry) const {
  if (entries.empty()) return true;
  const TimelineEntry& last = entries.back();
  return last.known_time_ms <= entry.known_time_ms && last.position <= entry.position &&
         IsOlder(last, entry);
}

// After an entry was appended: the sums up to its block's end where it ends one.
void Timeline::AddBlock(const Entries& entries, Sums* sums) const {
  const std::size_t count = aggregates_->size();
  for (std::size_t which = 0; which < count; ++which) {
    FixedSum sum = sums->size() < count ? 0 : (*sums)[sums->size() - count];
    for (std::size_t i = entries.size() - kBlock; i < entries.size(); ++i) {
      sum += Term((*aggregates_)[which], entries[i]);
    }
    sums->push_back(sum);
  }
}

std::size_t Timeline::Insert(ActionIndex action, std::int64_t known_time_ms) {
  const ActionEntry& of = actions_->EntryOf(action);
  const TimelineEntry entry{.event_time_ms = of.event_time_ms,
                            .known_time_ms = known_time_ms,
                            .position = of.position,
                            .action = action,
                            .type = of.type,
                            .tie_mark = TieMark(of.tie_group)};
  if (!Follows(first_, entry)) {
    const std::size_t before = bytes();
    InsertLate(entry);
    return bytes() - before;
  }
  const std::size_t before = BytesOf(first_);
  first_.push_back(entry);
  std::size_t grown = BytesOf(first_) - before;
  if (first_.size() % kBlock == 0 && !aggregates_->empty()) {
    if (more_ == nullptr) grown += sizeof(More);
    Sums& sums = more().first_sums;
    const std::size_t room = sums.capacity();
    AddBlock(first_, &sums);
    grown += (sums.capacity() - room) * sizeof(FixedSum);
  }
  return grown;
}

void Timeline::InsertLate(const TimelineEntry& entry) {
  std::vector<Run>& runs = more().runs;
  auto run = std::find_if(runs.begin(), runs.end(),
                          [&](const Run& other) { return Follows(other.entries, entry); });
  if (run == runs.end() && runs.size() + 1 < kRunsMax) run = runs.insert(run, Run());
  if (run != runs.end()) {
    run->entries.push_back(entry);
    if (run->entries.size() % kBlock == 0) AddBlock(run->entries, &run->sums);
    return;
  }
  Entries& disordered = more_->disordered;
  const auto place = std::upper_bound(
      disordered.begin(), disordered.end(), entry,
      [&](const TimelineEntry& a, const TimelineEntry& b) { return IsOlder(a, b); });
  disordered.insert(place, entry);
}

std::size_t Timeline::size() const {
  std::size_t sum = first_.size();
  if (more_ == nullptr) return sum;
  for (const Run& run : more_->runs) sum += run.entries.size();
  return sum + more_->disordered.size();
}

std::size_t Timeline::BytesOf(const Entries& entries) {
  return entries.capacity() == 1 ? 0 : entries.capacity() * sizeof(TimelineEntry);
}

std::size_t Timeline::bytes() const {
  std::size_t sum = sizeof(Timeline) + BytesOf(first_);
  if (more_ == nullptr) return sum;
  sum += sizeof(More) + more_->first_sums.capacity() * sizeof(FixedSum) +
         more_->runs.capacity() * sizeof(Run) + BytesOf(more_->disordered);
  for (const Run& run : more_->runs) {
    sum += BytesOf(run.entries) + run.sums.capacity() * sizeof(FixedSum);
  }
  return sum;
}

FixedSum Timeline::Term(const Aggregate& aggregate, const TimelineEntry& entry) const {
  if (!IsType(aggregate.type_mask, entry.type)) return 0;
  if (aggregate.field < 0) return 1;
  return ToFixed(actions_->ValuesOf(entry.action)[static_cast<std::size_t>(aggregate.field)]);
}

TimelineAt::TimelineAt(const Timeline* timeline, const StateRead* read)
    : timeline_(timeline), read_(read) {
  if (timeline == nullptr) return;
  first_ = PrefixOf(timeline->first_);
  if (read->hidden_tie_group != 0) hidden_ = timeline->actions_->SpanOf(read->hidden_tie_group);
}

TimelineAt::EntrySpan TimelineAt::Disordered() const {
  if (timeline_ == nullptr || timeline_->more_ == nullptr) return {};
  return timeline_->more_->disordered;
}

TimelineAt::Prefix TimelineAt::PrefixOf(EntrySpan entries) const {
  // A read of now sees all.
  if (entries.empty() || read_->SeesRegularly(entries.back())) {
    return {entries.size(), entries.size()};
  }
  const auto end_of = [&](auto&& is_within) {
    return static_cast<std::size_t>(
        std::partition_point(entries.begin(), entries.end(), is_within) - entries.begin());
  };
  Prefix prefix;
  prefix.seen = end_of([&](const TimelineEntry& entry) { return read_->SeesRegularly(entry); });
  prefix.almost_seen = prefix.seen;
  if (read_->own_session != 0) {
    // What holds since for ever is in the prefix or, when it is not, almost nothing is.
    prefix.almost_seen = std::max(
        prefix.seen, end_of([&](const TimelineEntry& entry) {
          return entry.position < read_->position_end &&
                 (read_->as_of_ms == INT64_MAX || entry.event_time_ms <= read_->as_of_ms + 1) &&
                 (read_->known_at_ms == INT64_MAX || entry.known_time_ms <= read_->known_at_ms + 1);
        }));
  }
  return prefix;
}

std::size_t TimelineAt::FirstFrom(EntrySpan entries, std::int64_t from_ms) {
  if (from_ms == INT64_MIN) return 0;
  const auto is_before = [&](const TimelineEntry& entry) { return entry.event_time_ms < from_ms; };
  // What is sought lies in [size - reach, size - reach / 2].
  const std::size_t size = entries.size();
  std::size_t reach = 1;
  while (reach <= size && !is_before(entries[size - reach])) reach *= 2;
  const auto first = entries.begin() + static_cast<std::ptrdiff_t>(size - std::min(reach, size));
  const auto last = entries.begin() + static_cast<std::ptrdiff_t>(size - reach / 2);
  return static_cast<std::size_t>(std::partition_point(first, last, is_before) - entries.begin());
}

bool TimelineAt::Sees(const TimelineEntry& entry) const {
  const bool may_be_hidden =
      read_->hidden_tie_group != 0 && entry.tie_mark == TieMark(read_->hidden_tie_group);
  if (!may_be_hidden) {
    if (read_->SeesRegularly(entry)) return true;
    if (read_->own_session == 0) return false;
  }
  return read_->Sees(entry, ActionOf(entry));
}

FixedSum TimelineAt::PrefixSum(EntrySpan entries, const Timeline::Sums* sums, std::size_t which,
                               std::size_t end) const {
  const std::vector<Aggregate>& aggregates = *timeline_->aggregates_;
  const std::size_t blocks = end / Timeline::kBlock;
  FixedSum sum = blocks == 0 ? 0 : (*sums)[(blocks - 1) * aggregates.size() + which];
  for (std::size_t i = blocks * Timeline::kBlock; i < end; ++i) {
    sum += timeline_->Term(aggregates[which], entries[i]);
  }
  return sum;
}

FixedSum TimelineAt::RangeSum(EntrySpan entries, const Timeline::Sums* sums, std::size_t which,
                              std::size_t begin, std::size_t end) const {
  if (begin >= end) return 0;
  if (end - begin > Timeline::kBlock) {
    return PrefixSum(entries, sums, which, end) - PrefixSum(entries, sums, which, begin);
  }
  FixedSum sum = 0;
  for (const TimelineEntry& entry : entries.subspan(begin, end - begin)) {
    sum += timeline_->Term((*timeline_->aggregates_)[which], entry);
  }
  return sum;
}

FixedSum TimelineAt::SeenSum(EntrySpan entries, std::size_t which) const {
  FixedSum sum = 0;
  for (const TimelineEntry& entry : entries) {
    if (Sees(entry)) sum += timeline_->Term((*timeline_->aggregates_)[which], entry);
  }
  return sum;
}

FixedSum TimelineAt::PrefixSeenSum(EntrySpan entries, const Timeline::Sums* sums, std::size_t which,
                                   std::size_t begin, std::size_t end) const {
  if (hidden_.first_ms > hidden_.last_ms) return RangeSum(entries, sums, which, begin, end);
  const std::size_t hidden_begin = std::clamp(FirstFrom(entries, hidden_.first_ms), begin, end);
  const std::size_t hidden_end =
      hidden_.last_ms == INT64_MAX
          ? end
          : std::clamp(FirstFrom(entries, hidden_.last_ms + 1), hidden_begin, end);
  return RangeSum(entries, sums, which, begin, hidden_begin) +
         SeenSum(entries.subspan(hidden_begin, hidden_end - hidden_begin), which) +
         RangeSum(entries, sums, which, hidden_end, end);
}

FixedSum TimelineAt::Sum(std::size_t which, std::int64_t from_ms) const {
  FixedSum sum = 0;
  VisitRuns([&](EntrySpan entries, const Timeline::Sums* sums, const Prefix& prefix) {
    const std::size_t begin = FirstFrom(entries.first(prefix.almost_seen), from_ms);
    if (begin < prefix.seen) sum += PrefixSeenSum(entries, sums, which, begin, prefix.seen);
    const std::size_t almost = std::max(begin, prefix.seen);
    if (almost < prefix.almost_seen) {
      sum += SeenSum(entries.subspan(almost, prefix.almost_seen - almost), which);
    }
    return true;
  });
  const EntrySpan disordered = Disordered();
  return sum + SeenSum(disordered.subspan(FirstFrom(disordered, from_ms)), which);
}

void TimelineAt::VisitNewest(std::uint64_t type_mask, std::int64_t from_ms, Visitor visit) const {
  // Of each run what is left, the newest at its end.
  std::array<EntrySpan, Timeline::kRunsMax + 1> left;
  std::size_t count = 0;
  const auto add = [&](EntrySpan entries) {
    const std::size_t begin = FirstFrom(entries, from_ms);
    if (begin < entries.size()) left[count++] = entries.subspan(begin);
  };
  VisitRuns([&](EntrySpan entries, const Timeline::Sums*, const Prefix& prefix) {
    add(entries.first(prefix.almost_seen));
    return true;
  });
  add(Disordered());
  while (count > 0) {
    std::size_t newest = 0;
    for (std::size_t i = 1; i < count; ++i) {
      if (timeline_->IsOlder(left[newest].back(), left[i].back())) newest = i;
    }
    const TimelineEntry& entry = left[newest].back();
    if (IsType(type_mask, entry.type) && Sees(entry) && !visit(entry)) return;
    left[newest] = left[newest].first(left[newest].size() - 1);
    if (left[newest].empty()) left[newest] = left[--count];
  }
}

const TimelineEntry* TimelineAt::Newest(std::uint64_t type_mask, std::int64_t from_ms) const {
  const TimelineEntry* newest = nullptr;
  VisitNewest(type_mask, from_ms, [&](const TimelineEntry& entry) {
    newest = &entry;
    return false;
  });
  return newest;
}

const TimelineEntry* TimelineAt::Oldest(std::uint64_t type_mask) const {
  const TimelineEntry* oldest = nullptr;
  const auto look_at = [&](EntrySpan entries) {
    for (const TimelineEntry& entry : entries) {
      if (oldest != nullptr && !timeline_->IsOlder(entry, *oldest)) return;
      if (!IsType(type_mask, entry.type) || !Sees(entry)) continue;
      oldest = &entry;
      return;
    }
  };
  VisitRuns([&](EntrySpan entries, const Timeline::Sums*, const Prefix& prefix) {
    look_at(entries.first(prefix.almost_seen));
    return true;
  });
  look_at(Disordered());
  return oldest;
}

}  // namespace fourfold
