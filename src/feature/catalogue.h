#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

// Which items there are, and their fields, as of the engine's clock: what filters and slates read
// at request time. Held in memory (about 200 bytes an item and 48 a field; the limit is
// kItemsMax in data/limits.h).
//
// Facts of the store that lie after the clock (a log served as of the past) wait aside and are
// applied as the clock passes them. An item exists from its first item event until a tombstone;
// with `acted_on` also from its first interaction.
//
// Thread-safe: a reader holds a ReadLock for the length of one request, so that everything it
// reads is of one moment. Updates wait for readers.
class Catalogue {
 public:
  enum class Membership { kDeclared, kActedOn };

  explicit Catalogue(Membership membership) : membership_(membership) {}

  // Reads every item as of the store's clock, and what is to come later. Call once, before use.
  absl::Status Load(const EventStore& store);
  // Applies committed events in log order (from the store's CommitListener).
  void Apply(absl::Span<const LoggedEvent> committed, std::int64_t now_ms);
  // Applies what the clock has passed. Cheap when nothing is due.
  void AdvanceTo(std::int64_t now_ms);
  // The index of an item, made if absent (then it does not exist until an event says so).
  ItemIndex Intern(std::string_view item);
  // For golden requests and tests: puts an item with these fields, as if since for ever.
  void Put(std::string_view item, const std::vector<Field>& fields);

  class ReadLock {
   public:
    explicit ReadLock(const Catalogue& catalogue);
    ~ReadLock();
    ReadLock(const ReadLock&) = delete;
    ReadLock& operator=(const ReadLock&) = delete;

    std::size_t size() const;                     // indexes are 0 .. size() - 1
    ItemIndex Find(std::string_view item) const;  // kNoItem when never heard of
    bool Exists(ItemIndex item) const;
    std::string_view Id(ItemIndex item) const;
    // Null when the item has no such field now. Valid while the lock is held.
    const FieldValue* FieldOf(ItemIndex item, std::string_view name) const;
    std::vector<Field> FieldsOf(ItemIndex item) const;  // sorted by name

   private:
    const Catalogue& catalogue_;
  };

 private:
  struct Row;
  struct Pending;
  Membership membership_;
  mutable SharedMutex mutex_;
};

}  // namespace fourfold
