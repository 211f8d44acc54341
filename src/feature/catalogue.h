#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "data/expression.h"
#include "feature/event_store.h"
#include "feature/read_point.h"
#include "fourfold/event.h"

namespace fourfold {

// A dense number for an item within this process: an index into the catalogue's columns. Given
// once and never reused; not to be stored.
using ItemIndex = std::uint32_t;
inline constexpr ItemIndex kNoItem = 0xffffffffu;

// A dense number for a field's name, alike.
using FieldIndex = std::uint32_t;
inline constexpr FieldIndex kNoField = 0xffffffffu;

// Names a condition that a catalogue watches.
using ConditionIndex = std::uint32_t;

// Which items there are, and their fields, as of the engine's clock: what filters and slates read
// at request time. Held in memory (about 250 bytes an item and 64 a field; the limit is
// kItemsMax in data/limits.h).
//
// Facts of the store that lie after the clock (a log served as of the past) wait aside and are
// applied as the clock passes them. An item exists from its first item event until a tombstone;
// with kActedOn also from its first interaction, while it has no item event.
//
// Thread-safe: a reader holds a ReadLock for the length of one request, so that everything it
// reads is of one moment. Updates wait for the readers of their moment, and later readers for
// them. A thread that holds a ReadLock must neither take another nor call anything that updates
// the catalogue or writes to the store (whose listener does).
class Catalogue {
 public:
  enum class Membership { kDeclared, kActedOn };

  static constexpr std::size_t kChangesKept = 1 << 16;

  explicit Catalogue(Membership membership) : membership_(membership) {}

  // Reads every item as of the store's clock, and what is to come later. Call once, before use.
  absl::Status Load(const EventStore& store);
  // Applies committed events in log order (from the store's CommitListener).
  void Apply(absl::Span<const LoggedEvent> committed, std::int64_t now_ms);
  // Applies what the clock has passed. Cheap when nothing is due.
  void AdvanceTo(std::int64_t now_ms);
  // The index of an item, made if absent (then it does not exist until an event says so).
  ItemIndex Intern(std::string_view item);
  // The indexes of many, in the same order.
  std::vector<ItemIndex> InternAll(std::span<const std::string> items);
  // For golden requests and tests: puts an item with these fields, as if since for ever.
  void Put(std::string_view item, const std::vector<Field>& fields);

  // From here on keeps for each item whether the condition holds for its fields, so that requests
  // need not evaluate it: a byte an item. The same text again is the same condition.
  ConditionIndex Watch(const Expression& condition);

  class ABSL_SCOPED_LOCKABLE ReadLock {
   public:
    explicit ReadLock(const Catalogue& catalogue) ABSL_SHARED_LOCK_FUNCTION(catalogue.mutex_);
    ~ReadLock() ABSL_UNLOCK_FUNCTION();
    ReadLock(const ReadLock&) = delete;
    ReadLock& operator=(const ReadLock&) = delete;

    std::size_t size() const;                     // indexes are 0 .. size() - 1
    ItemIndex Find(std::string_view item) const;  // kNoItem when never heard of
    bool Exists(ItemIndex item) const;
    bool Holds(ConditionIndex condition, ItemIndex item) const;
    std::string_view Id(ItemIndex item) const;
    // StableHash of the item's id: orders items that nothing else tells apart.
    std::uint64_t OrderHash(ItemIndex item) const;
    // Every item ever heard of, by rising OrderHash, until `visit` returns false.
    void VisitInHashOrder(absl::FunctionRef<bool(ItemIndex item)> visit) const;
    FieldIndex FindField(std::string_view name) const;  // kNoField when no item ever had it
    // Null when the item has no such field now. Valid while the lock is held.
    const FieldValue* FieldOf(ItemIndex item, FieldIndex field) const;
    const FieldValue* FieldOf(ItemIndex item, std::string_view name) const;
    std::vector<Field> FieldsOf(ItemIndex item) const;  // sorted by name
    // How many facts have been applied: who has followed the catalogue up to here has missed none.
    std::uint64_t changes() const;
    // Visits the items of every fact applied after the first `seen`, an item perhaps more than
    // once; every item ever heard of when that is more than kChangesKept facts ago.
    void VisitChangedSince(std::uint64_t seen, absl::FunctionRef<void(ItemIndex item)> visit) const;

   private:
    const Catalogue& catalogue_;
  };

 private:
  // When a fact was said, in the order in which later ones win: event time, then the event's
  // digest. Its first 8 bytes stand for the digest.
  using Version = std::pair<std::int64_t, std::uint64_t>;
  static constexpr Version kNever{std::numeric_limits<std::int64_t>::min(), 0};

  static constexpr std::int64_t kNothingDue = std::numeric_limits<std::int64_t>::max();

  struct VersionedField {
    FieldIndex field = kNoField;
    Version said;
    FieldValue value;
  };
  // Whatever the order in which its events are applied, a row ends up the same.
  struct Row {
    bool declared = false;  // has an item event
    bool acted_on = false;
    bool has_tombstone = false;
    std::int64_t first_action_due_ms = kNothingDue;  // of those that wait aside
    Version newest = kNever;                         // of its item events
    Version tombstone = kNever;                      // of its tombstones
    std::vector<VersionedField> fields;
  };
  // A fact that the clock has not reached.
  struct Pending {
    std::int64_t due_ms = 0;
    ItemIndex item = kNoItem;
    bool interaction = false;
    Version said;
    bool deleted = false;
    std::vector<Field> fields;
    friend bool operator>(const Pending& a, const Pending& b) { return a.due_ms > b.due_ms; }
  };

  struct Watched {
    Expression condition;
    std::vector<std::uint8_t> holds;  // by item
  };

  // Takes the lock for writing so that a stream of readers cannot keep a writer out.
  class WriteLock;

  bool Concerns(const LoggedEvent& logged) const ABSL_LOCKS_EXCLUDED(mutex_);
  ItemIndex InternLocked(std::string_view item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  FieldIndex InternFieldLocked(std::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(const LoggedEvent& logged, std::int64_t now_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ApplyFact(const Pending& fact) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ApplyDue(std::int64_t now_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Evaluate(const Expression& condition, ItemIndex item) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  const FieldValue* FieldOfLocked(ItemIndex item, FieldIndex field) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Membership membership_;
  mutable Mutex entrance_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable SharedMutex mutex_;
  std::deque<std::string> ids_ ABSL_GUARDED_BY(mutex_);  // never moves a string: keys point here
  absl::flat_hash_map<std::string_view, ItemIndex, StringHash, std::equal_to<>> index_
      ABSL_GUARDED_BY(mutex_);
  std::vector<std::uint64_t> order_hash_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::uint8_t> exists_ ABSL_GUARDED_BY(mutex_);
  std::vector<Row> rows_ ABSL_GUARDED_BY(mutex_);
  std::vector<Watched> watched_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<ItemIndex> changed_items_ ABSL_GUARDED_BY(mutex_);  // change n at n % kChangesKept
  absl::btree_set<std::pair<std::uint64_t, ItemIndex>> by_hash_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> field_names_ ABSL_GUARDED_BY(mutex_);
  StringMap<FieldIndex> field_index_ ABSL_GUARDED_BY(mutex_);
  std::priority_queue<Pending, std::vector<Pending>, std::greater<>> pending_
      ABSL_GUARDED_BY(mutex_);
  std::atomic<std::int64_t> next_due_ms_{kNothingDue};
};

}  // namespace fourfold
