#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"
#include "feature/event_store.h"
#include "feature/state/interner.h"
#include "feature/state/owned_state.h"

namespace fourfold {

// What is kept of an entity apart from the rest of it.
enum class EntityPart : std::uint8_t {
  kItemActions,
  kUserActions,  // their own, without those of joined sessions
  kSessionActions,
  kItemFacts,
  kUserFacts,
};
inline constexpr std::size_t kEntityParts = 5;

// Parts of entities that are whole up to some end of the log, in the order of their last use. Not
// thread-safe.
class EntityTable {
 public:
  struct Kept {  // one of the two
    std::shared_ptr<OwnedState> actions;
    std::shared_ptr<FactTimeline> facts;
  };
  struct Entry {
    EntityPart part = EntityPart::kItemActions;
    std::string id;
    Kept kept;
    std::size_t bytes = 0;
    std::size_t unmeasured = 0;  // of them, what is only estimated
  };

  // Both must outlive it.
  EntityTable(const StateSchema* schema, Interner* interner)
      : schema_(schema), interner_(interner) {}

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

  bool Has(EntityPart part, std::string_view id) const { return IndexOf(part).contains(id); }
  // Null where it is not there; what is there is used.
  const Kept* Use(EntityPart part, std::string_view id);
  // Drops it where another is there.
  void Put(EntityPart part, std::string_view id, Kept kept);
  // What is not there yet moves over.
  void PutAll(EntityTable* other);
  // The one that was not used for longest goes.
  void DropLast();

  // An event comes to what it belongs to.
  void Follow(const LoggedEvent& logged);

 private:
  using Entries = std::list<Entry>;
  using Index =
      absl::flat_hash_map<std::string_view, Entries::iterator, StringHash, std::equal_to<>>;

  const Index& IndexOf(EntityPart part) const { return index_[static_cast<std::size_t>(part)]; }
  Index& IndexOf(EntityPart part) { return index_[static_cast<std::size_t>(part)]; }
  void AddFacts(EntityPart part, const std::string& id, const LoggedEvent& logged);
  void Measure(Entry* entry);
  void Grew(Entry* entry, std::size_t about);

  const StateSchema* schema_;
  Interner* interner_;
  Entries entries_;            // the last used first
  Index index_[kEntityParts];  // by the ids in the entries
  std::size_t bytes_ = 0;
  std::vector<double> values_;  // of the action being added
};

}  // namespace fourfold
