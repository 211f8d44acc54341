#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"
#include "feature/event_store.h"
#include "feature/state/interner.h"
#include "feature/state/owned_state.h"
#include "feature/state/packed_actions.h"
#include "storage/spill_file.h"

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

inline bool IsFacts(EntityPart part) {
  return part == EntityPart::kItemFacts || part == EntityPart::kUserFacts;
}

// Actions in the order in which they came, as bytes that only grow: the first of them may lie in
// a file, the rest is in memory.
struct PackedBytes {
  std::shared_ptr<const storage::SpillFile::Place> place;  // null: all are in memory
  std::string tail;

  std::size_t size() const { return placed() + tail.size(); }
  std::size_t placed() const { return place == nullptr ? 0 : place->size(); }
};

// Parts of entities that follow the log, whole up to its end, in the order of their last use.
// Actions stand packed, and beside that as they are read, where they were read lately (hot). Not
// thread-safe.
class EntityTable {
 public:
  struct Entry {
    EntityPart part = EntityPart::kItemActions;
    std::string id;
    // What the log said before is still being read; what it says meanwhile is here.
    bool is_loading = false;
    std::uint64_t generation = 0;  // no other entry has the same
    std::shared_ptr<FactTimeline> facts;
    PackedBytes packed;
    ActionPacker packer;
    std::shared_ptr<OwnedState> hot;

   private:
    friend class EntityTable;
    std::size_t bytes = 0;  // without those of `hot`
    std::size_t hot_bytes = 0;
    std::list<Entry>::iterator place;
    std::list<Entry*>::iterator place_in_hot;    // where hot
    std::list<Entry*>::iterator place_in_queue;  // where queued
    bool is_queued = false;
  };

  // Both must outlive it. `can_spill`: tails that have grown long are queued.
  EntityTable(const StateSchema* schema, Interner* interner, bool can_spill)
      : schema_(schema), interner_(interner), can_spill_(can_spill) {}

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_ + hot_bytes_; }
  std::size_t hot_bytes() const { return hot_bytes_; }

  // Null where it is not there.
  Entry* Find(EntityPart part, std::string_view id);
  // What is used goes last.
  void Use(Entry* entry);
  // One that is not there yet, with nothing in it.
  Entry* Add(EntityPart part, std::string_view id);
  void Remove(Entry* entry);

  // From now on, until one of its entries is removed, nothing is known of who has no entry.
  void SetWhole(EntityPart part) { is_whole_[static_cast<std::size_t>(part)] = true; }
  bool IsWhole(EntityPart part) const { return is_whole_[static_cast<std::size_t>(part)]; }

  // To be told of what was changed in an entry other than by the following.
  void Changed(Entry* entry);
  // The entry's actions, as they are read.
  void MakeHot(Entry* entry, std::shared_ptr<OwnedState> hot);
  void Append(Entry* entry, const ActionEntry& action, std::span<const double> values);
  // The first bytes now lie in the file, unless more of them do already.
  void Spilled(Entry* entry, std::shared_ptr<const storage::SpillFile::Place> place);

  // Of those used longest ago: one that is hot, which it then is no more; one that has a long tail,
  // asked for once; one that is not being loaded. Null where there is none.
  std::shared_ptr<OwnedState> CoolOne();
  Entry* NextToSpill();
  Entry* Oldest();

  // An event comes to what it belongs to.
  void Follow(const LoggedEvent& logged);

 private:
  using Entries = std::list<Entry>;
  using Index = absl::flat_hash_map<std::string_view, Entry*, StringHash, std::equal_to<>>;

  // The entry that an event comes to; null where there need be none.
  Entry* ToFollow(EntityPart part, std::string_view id);
  Index& IndexOf(EntityPart part) { return index_[static_cast<std::size_t>(part)]; }
  void AddFacts(EntityPart part, const std::string& id, const LoggedEvent& logged);
  void SetHotBytes(Entry* entry, std::size_t bytes);
  void Queue(Entry* entry);

  const StateSchema* schema_;
  Interner* interner_;
  const bool can_spill_;
  Entries entries_;             // the last used first
  std::list<Entry*> hot_;       // the same
  std::list<Entry*> to_spill_;  // the first to do so last
  bool is_whole_[kEntityParts] = {};
  Index index_[kEntityParts];  // by the ids in the entries
  std::size_t bytes_ = 0;
  std::size_t hot_bytes_ = 0;
  std::uint64_t generations_ = 0;
  std::vector<double> values_;  // of the action being added
};

}  // namespace fourfold
