#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "feature/event_store.h"
#include "feature/state/entity_table.h"
#include "feature/state/state_source.h"

namespace fourfold {

// The state of the entities that were asked for lately, in memory up to a cap; what is not there is
// read from the event store's histories, where all of it is. What is here is whole up to one end of
// the log: who has it follow the log must keep it from being read meanwhile. Thread-safe otherwise.
class EntityCache {
 public:
  struct Stats {
    std::uint64_t reads = 0;
    std::uint64_t misses = 0;  // of them, or ahead of them, read from the histories
    std::size_t entities = 0;
    std::size_t bytes = 0;
  };

  // The schema and the store must outlive it.
  EntityCache(const StateSchema* schema, const EventStore* store,
              std::shared_ptr<Interner> interner, std::size_t bytes_max)
      : schema_(*schema),
        store_(*store),
        interner_(std::move(interner)),
        bytes_max_(bytes_max),
        table_(schema, interner_.get()) {}

  // What was asked for and is not here, read from the histories as of an end of the log. Belongs to
  // one thread; the cache must outlive it.
  class Loading {
   public:
    Loading(EntityCache* cache, Position end)
        : cache_(*cache), end_(end), table_(&cache->schema_, cache->interner_.get()) {}

    absl::Status Want(EntityPart part, std::string_view id);
    bool empty() const { return table_.empty(); }
    // The log's events up to `end` come to what was read.
    absl::Status FollowUpTo(Position end);

   private:
    friend class EntityCache;
    EntityCache& cache_;
    Position end_;
    EntityTable table_;
  };
  // Takes over what was read and has followed up to the cache's own end.
  void Install(Loading* loading) ABSL_LOCKS_EXCLUDED(mutex_);

  // The part of an entity, from the histories where it is not here; `end` is the cache's own.
  absl::StatusOr<std::shared_ptr<const OwnedState>> Actions(EntityPart part, std::string_view id,
                                                            Position end)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<const FactTimeline>> Facts(EntityPart part, std::string_view id,
                                                            Position end)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void Follow(const LoggedEvent& logged) ABSL_LOCKS_EXCLUDED(mutex_);
  // Lets go of what was not used for longest until the rest fits under the cap.
  void Trim() ABSL_LOCKS_EXCLUDED(mutex_);

  bool empty() const ABSL_LOCKS_EXCLUDED(mutex_);
  Stats ReadStats() const ABSL_LOCKS_EXCLUDED(mutex_);
  Interner* interner() const { return interner_.get(); }

 private:
  bool Has(EntityPart part, std::string_view id) const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<EntityTable::Kept> Load(EntityPart part, std::string_view id, Position end);
  absl::StatusOr<EntityTable::Kept> Find(EntityPart part, std::string_view id, Position end)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const StateSchema& schema_;
  const EventStore& store_;
  const std::shared_ptr<Interner> interner_;
  const std::size_t bytes_max_;
  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::uint64_t> misses_ = 0;
  mutable Mutex mutex_;
  EntityTable table_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fourfold
