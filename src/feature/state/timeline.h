#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "feature/state/action_table.h"

// The actions of one key (an item, a user, a user's with one item, ...), readable at any read
// point.
namespace fourfold {

// Sums are exact and do not depend on an order: values are rounded to 2^-20 and added as integers.
__extension__ using FixedSum = __int128;
inline constexpr int kFixedBits = 20;
// What is past this counts as this much.
inline constexpr double kFixedMagnitudeMax = 4294967296.0;
std::int64_t ToFixed(double value);  // NaN is 0
double FromFixed(FixedSum fixed, int bits = kFixedBits);

inline bool IsType(std::uint64_t type_mask, std::uint16_t type) {
  return (type_mask >> type & 1) != 0;
}

// What a timeline adds up: the actions of some types, or one of their fields.
struct Aggregate {
  std::uint64_t type_mask = ~std::uint64_t{0};  // bit t: type t counts
  int field = -1;                               // index into the actions' values; -1: count
  friend bool operator==(const Aggregate&, const Aggregate&) = default;
};

// An action's place in a timeline, with what reads ask of nearly every one.
struct TimelineEntry {
  std::int64_t event_time_ms = 0;
  std::int64_t known_time_ms = 0;  // a joined session's is the join's
  Position position = 0;
  ActionIndex action = 0;
  std::uint16_t type = 0;      // ActionEntry::type
  std::uint16_t tie_mark = 0;  // of its tie group's hash: unequal marks, unequal groups
};

// Entries stand in runs. Within a run, event order, known time and position all rise, so what a
// read point sees of it is a prefix, found by binary search, and sums over it are two lookups. An
// entry that no run can take at its end (more disorder than kRunsMax can hold) goes to a last part,
// which reads scan. A log in order has one run, one with a second import of older events two.
//
// TimelineAt reads it. Reads are thread-safe beside each other; Insert needs the timeline for
// itself.
class Timeline {
 public:
  // Both must outlive the timeline.
  Timeline(const ActionTable* actions, const std::vector<Aggregate>* aggregates)
      : actions_(actions), aggregates_(aggregates) {}
  Timeline(const Timeline& other);
  Timeline(Timeline&&) = default;
  Timeline& operator=(const Timeline&) = delete;
  Timeline& operator=(Timeline&&) = default;

  // An action of the table, known from `known_time_ms` on. Returns by how much bytes() grew.
  std::size_t Insert(ActionIndex action, std::int64_t known_time_ms);

  // Has the processor fetch what Insert will touch.
  void Prefetch() const {
    if (!first_.empty()) __builtin_prefetch(&first_.back() + 1, 1);
  }

  // The same of what a read of now looks at first.
  void PrefetchNewest() const {
    if (!first_.empty()) __builtin_prefetch(&first_.back());
    if (more_ != nullptr) __builtin_prefetch(more_.get());
  }

  std::size_t size() const;
  std::size_t bytes() const;

 private:
  friend class TimelineAt;
  static constexpr std::size_t kRunsMax = 6;
  static constexpr std::size_t kBlock = 8;

  // Most timelines hold an entry or two, a few hold most entries.
  using Entries = absl::InlinedVector<TimelineEntry, 1>;
  using Sums = std::vector<FixedSum>;  // of each whole block: up to its end, one of each aggregate
  struct Run {
    Entries entries;  // by IsOlder
    Sums sums;
  };
  // What only long timelines, or those in disorder, have.
  struct More {
    Sums first_sums;
    std::vector<Run> runs;  // after the first
    Entries disordered;     // by IsOlder; known times and positions as they come
  };
  bool IsOlder(const TimelineEntry& a, const TimelineEntry& b) const;
  bool Follows(const Entries& entries, const TimelineEntry& entry) const;
  FixedSum Term(const Aggregate& aggregate, const TimelineEntry& entry) const;
  static std::size_t BytesOf(const Entries& entries);
  void InsertLate(const TimelineEntry& entry);
  More& more();
  void AddBlock(const Entries& entries, Sums* sums) const;

  const ActionTable* actions_;
  const std::vector<Aggregate>* aggregates_;
  Entries first_;
  std::unique_ptr<More> more_;
};

// What a read point sees of a timeline; of no timeline, nothing. Both must outlive it, and the
// timeline must not grow meanwhile. Thread-safe.
class TimelineAt {
 public:
  TimelineAt() = default;
  TimelineAt(const Timeline* timeline, const StateRead* read);

  // Of the whole timeline, seen or not.
  std::size_t size() const { return timeline_ == nullptr ? 0 : timeline_->size(); }

  const ActionEntry& ActionOf(const TimelineEntry& entry) const {
    return timeline_->actions_->EntryOf(entry.action);
  }
  std::span<const double> ValuesOf(const TimelineEntry& entry) const {
    return timeline_->actions_->ValuesOf(entry.action);
  }

  // Of the entries seen with event time >= from_ms: aggregate `which`, in units of 2^-kFixedBits
  // for a field, whole for a count.
  FixedSum Sum(std::size_t which, std::int64_t from_ms) const;

  using Visitor = absl::FunctionRef<bool(const TimelineEntry& entry)>;
  // Entries of these types seen with event time >= from_ms, newest first, until the visitor returns
  // false.
  void VisitNewest(std::uint64_t type_mask, std::int64_t from_ms, Visitor visit) const;
  // All of them in no particular order: visit(const TimelineEntry&).
  template <typename EntryVisitor>
  void VisitAll(std::uint64_t type_mask, std::int64_t from_ms, EntryVisitor visit) const;

  // The newest of those entries, or null; the oldest of all times.
  const TimelineEntry* Newest(std::uint64_t type_mask, std::int64_t from_ms) const;
  const TimelineEntry* Oldest(std::uint64_t type_mask) const;

 private:
  using EntrySpan = std::span<const TimelineEntry>;
  // Entries [seen, almost_seen) are seen only as earlier steps of the reader's session.
  struct Prefix {
    std::size_t seen = 0;
    std::size_t almost_seen = 0;
  };

  bool Sees(const TimelineEntry& entry) const;
  Prefix PrefixOf(EntrySpan entries) const;
  // The first with event time >= from_ms, sought from the end: most windows reach little back.
  static std::size_t FirstFrom(EntrySpan entries, std::int64_t from_ms);
  FixedSum PrefixSum(EntrySpan entries, const Timeline::Sums* sums, std::size_t which,
                     std::size_t end) const;
  // Of entries [begin, end), seen or not.
  FixedSum RangeSum(EntrySpan entries, const Timeline::Sums* sums, std::size_t which,
                    std::size_t begin, std::size_t end) const;
  // Of [begin, end), all seen but for the hidden tie group, which stands close together in time.
  FixedSum PrefixSeenSum(EntrySpan entries, const Timeline::Sums* sums, std::size_t which,
                         std::size_t begin, std::size_t end) const;
  // Of those seen, one by one.
  FixedSum SeenSum(EntrySpan entries, std::size_t which) const;
  // Each run with its sums and what is seen of it, until the visitor returns false.
  template <typename RunVisitor>
  void VisitRuns(RunVisitor visit) const;
  // What stands in no run.
  EntrySpan Disordered() const;

  const Timeline* timeline_ = nullptr;
  const StateRead* read_ = nullptr;
  Prefix first_;                  // of the first run
  ActionTable::TimeSpan hidden_;  // within it stand all entries of the hidden tie group
};

template <typename RunVisitor>
void TimelineAt::VisitRuns(RunVisitor visit) const {
  if (timeline_ == nullptr) return;
  const Timeline::More* more = timeline_->more_.get();
  if (!visit(EntrySpan(timeline_->first_), more == nullptr ? nullptr : &more->first_sums, first_)) {
    return;
  }
  if (more == nullptr) return;
  for (const Timeline::Run& run : more->runs) {
    if (!visit(EntrySpan(run.entries), &run.sums, PrefixOf(run.entries))) return;
  }
}

template <typename EntryVisitor>
void TimelineAt::VisitAll(std::uint64_t type_mask, std::int64_t from_ms, EntryVisitor visit) const {
  const auto visit_seen = [&](EntrySpan entries) {
    for (const TimelineEntry& entry : entries) {
      if (IsType(type_mask, entry.type) && Sees(entry)) visit(entry);
    }
  };
  VisitRuns([&](EntrySpan entries, const Timeline::Sums*, const Prefix& prefix) {
    const EntrySpan almost_seen = entries.first(prefix.almost_seen);
    const std::size_t begin = FirstFrom(almost_seen, from_ms);
    const bool all_seen = hidden_.first_ms > hidden_.last_ms && begin < prefix.seen;
    const std::size_t plain_end = all_seen ? prefix.seen : begin;
    for (const TimelineEntry& entry : entries.subspan(begin, plain_end - begin)) {
      if (IsType(type_mask, entry.type)) visit(entry);
    }
    visit_seen(almost_seen.subspan(plain_end));
    return true;
  });
  const EntrySpan disordered = Disordered();
  visit_seen(disordered.subspan(FirstFrom(disordered, from_ms)));
}

}  // namespace fourfold
