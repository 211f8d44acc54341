#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "feature/state/action_entry.h"

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

// What a timeline adds up: the actions of some types, or one of their fields.
struct Aggregate {
  std::uint64_t type_mask = ~std::uint64_t{0};  // bit t: type t counts
  int field = -1;                               // index into the entries' values; -1: count
  friend bool operator==(const Aggregate&, const Aggregate&) = default;
};

// Entries stand in runs. Within a run, event order, known time and position all rise, so what a
// read point sees of it is a prefix, found by binary search, and sums over it are two lookups. An
// entry that no run can take at its end (more disorder than kRunsMax can hold) goes to a last part,
// which reads scan. A log in order has one run, one with a second import of older events two.
//
// Reads are const and thread-safe beside each other; Insert needs the timeline for itself.
class Timeline {
 public:
  // `values` of each entry are `value_count` numbers: the action's fields that some feature reads.
  // `aggregates` must outlive the timeline.
  Timeline(std::size_t value_count, const std::vector<Aggregate>* aggregates)
      : value_count_(value_count), aggregates_(aggregates) {}

  void Insert(const ActionEntry& entry, std::span<const double> values);
  // The entry stands here already.
  bool Contains(const ActionEntry& entry) const;

  std::size_t size() const { return size_; }
  std::size_t bytes() const;

  // Of the entries seen with event time >= from_ms: aggregate `which`, in units of 2^-kFixedBits
  // for a field, whole for a count.
  FixedSum Sum(std::size_t which, std::int64_t from_ms, const StateRead& read) const;

  using Visitor = absl::FunctionRef<bool(const ActionEntry& entry, std::span<const double> values)>;
  // Entries seen with event time >= from_ms, newest first, until the visitor returns false.
  void VisitNewest(std::int64_t from_ms, const StateRead& read, Visitor visit) const;
  // The same in no particular order.
  void Visit(std::int64_t from_ms, const StateRead& read, Visitor visit) const;

  // The oldest entry seen of these types, or null.
  const ActionEntry* Oldest(std::uint64_t type_mask, const StateRead& read) const;

 private:
  static constexpr std::size_t kRunsMax = 6;
  static constexpr std::size_t kBlock = 32;

  struct Run {
    std::vector<ActionEntry> entries;  // by IsOlder
    std::vector<double> values;
    std::vector<FixedSum> sums;  // of each whole block: up to its end, one of each aggregate
  };
  // Entries [seen, almost_seen) are seen only as earlier steps of the reader's session.
  struct Prefix {
    std::size_t seen = 0;
    std::size_t almost_seen = 0;
  };

  static bool Follows(const Run& run, const ActionEntry& entry);
  static Prefix PrefixOf(const Run& run, const StateRead& read);
  static std::size_t FirstFrom(const Run& run, std::int64_t from_ms);
  std::span<const double> ValuesOf(const Run& run, std::size_t index) const {
    return {run.values.data() + index * value_count_, value_count_};
  }
  FixedSum Term(const Aggregate& aggregate, const Run& run, std::size_t index) const;
  FixedSum PrefixSum(const Run& run, std::size_t which, std::size_t end) const;
  void Append(Run* run, const ActionEntry& entry, std::span<const double> values);

  std::size_t value_count_;
  const std::vector<Aggregate>* aggregates_;
  std::size_t size_ = 0;
  std::vector<Run> runs_;
  Run disordered_;  // by IsOlder; known times and positions as they come
};

}  // namespace fourfold
