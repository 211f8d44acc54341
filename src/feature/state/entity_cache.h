#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "feature/event_store.h"
#include "feature/state/entity_table.h"
#include "feature/state/logged_state.h"
#include "storage/spill_file.h"

namespace fourfold {

// The state of the entities that were asked for, in memory up to a cap: those asked for lately as
// they are read, others packed, long ones in a file. What is not there is read from the event
// store's histories, once: from then on it follows the log. Nothing that waits for the store or the
// file holds a lock that Follow waits for. Thread-safe.
class EntityCache {
 public:
  struct Stats {
    std::uint64_t reads = 0;
    std::uint64_t misses = 0;    // of them, read from the histories
    std::uint64_t unpacked = 0;  // of them, made of packed actions
    std::size_t entities = 0;
    std::size_t bytes = 0;
    std::uint64_t file_bytes = 0;
  };

  // The schema and the store must outlive it. Follows the log from `end` on. `spill`: null for
  // none, so that what finds no room packed is forgotten.
  EntityCache(const StateSchema* schema, const EventStore* store,
              std::shared_ptr<Interner> interner, std::size_t bytes_max,
              std::shared_ptr<storage::SpillFile> spill, Position end);

  // What one request reads of entities, whole up to an end of the log or further, as long as
  // nothing is followed meanwhile. Keeps it, also past the cap; the ids must outlive it.
  class Pins {
   public:
    // Null where nothing is known of it; unset: it was not pinned.
    std::optional<const OwnedState*> Actions(EntityPart part, std::string_view id) const;
    std::optional<const FactTimeline*> Facts(EntityPart part, std::string_view id) const;
    // State that is this request's alone.
    void Put(EntityPart part, std::string_view id, std::shared_ptr<const OwnedState> actions);

   private:
    friend class EntityCache;
    struct Pinned {
      std::shared_ptr<const OwnedState> actions;
      std::shared_ptr<const FactTimeline> facts;
    };
    absl::flat_hash_map<std::string_view, Pinned> pinned_[kEntityParts];
  };
  using Wanted = std::vector<std::pair<EntityPart, std::string_view>>;
  // Pins what is wanted, whole up to what was followed before the call: from the file or the
  // histories where it is not in memory.
  absl::Status Pin(const Wanted& wanted, Pins* pins) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes over what a state that was told of all before the end knows of items: from now on no
  // history of an item is read, unless some find no room.
  void Adopt(const LoggedState& all) ABSL_LOCKS_EXCLUDED(mutex_);

  // The next event of the log. Waits for nothing but other threads' work in memory.
  void Follow(const LoggedEvent& logged) ABSL_LOCKS_EXCLUDED(mutex_);
  // Every event before `end` was followed, if there was one.
  void FollowedUpTo(Position end) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same where no event can touch anything here; false where one can.
  bool Skip(Position end) ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes it fit under the cap. May write to the file.
  void Trim() ABSL_LOCKS_EXCLUDED(mutex_);

  Stats ReadStats() const ABSL_LOCKS_EXCLUDED(mutex_);
  Interner* interner() const { return interner_.get(); }

 private:
  using Entry = EntityTable::Entry;
  struct Absent;    // an entry that this thread has made and must load
  struct Unpacked;  // a copy of an entry's packed actions

  // Sorts what is wanted: pins what can be at once, and tells what cannot.
  void PinReady(const Wanted& wanted, Pins* pins, std::vector<Absent>* absent,
                std::vector<Unpacked>* packed, Wanted* loading) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Load(const Absent& absent, Pins* pins) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status LoadFacts(const Absent& absent, Pins* pins) ABSL_LOCKS_EXCLUDED(mutex_);
  void Abandon(const Absent& absent) ABSL_LOCKS_EXCLUDED(mutex_);
  // False: the file could not be read, and the entry is gone.
  bool Unpack(Unpacked* packed, Pins* pins) ABSL_LOCKS_EXCLUDED(mutex_);
  void Await(EntityPart part, std::string_view id) ABSL_LOCKS_EXCLUDED(mutex_);
  void Spill(EntityPart part, const std::string& id, std::uint64_t generation,
             const PackedBytes& packed) ABSL_LOCKS_EXCLUDED(mutex_);
  // Lets go of one thing; null where there is nothing.
  std::shared_ptr<const void> DropOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<OwnedState> NewActions(EntityPart part) const;

  const StateSchema& schema_;
  const EventStore& store_;
  const std::shared_ptr<Interner> interner_;
  const std::size_t bytes_max_;
  const std::shared_ptr<storage::SpillFile> spill_;
  std::atomic<bool> spills_;  // until the file fails
  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::uint64_t> misses_ = 0;
  std::atomic<std::uint64_t> unpacked_ = 0;
  mutable Mutex mutex_;
  CondVar loaded_;
  EntityTable table_ ABSL_GUARDED_BY(mutex_);
  Position end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fourfold
