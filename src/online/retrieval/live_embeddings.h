#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/mutex.h"
#include "data/limits.h"
#include "feature/catalogue.h"
#include "feature/event_store.h"
#include "index/item_embeddings.h"

namespace fourfold {

class BoundServable;

// The embeddings of a servable kept true to the catalogue: an item that was put after the servable
// was made has a vector by its side fields, one whose side fields changed has a new vector, and one
// that was deleted has none. What differs from the servable is fresh, and searched exactly. No more
// than `fresh_max` items are: each further one leaves out the one that was put or changed longest
// ago, which then has the vector that the servable knows, or none. Thread-safe.
class LiveEmbeddings {
 public:
  // All outlive it. Reads the whole catalogue and, to learn when they were put or changed, the
  // facts of the items that differ from the servable. `store` null: as if in the catalogue's order.
  LiveEmbeddings(const ItemEmbeddings* embeddings, const BoundServable* bound,
                 const Catalogue& catalogue, const EventStore* store,
                 std::size_t fresh_max = limits::kFreshEmbeddingsMax);

  // Items left out, as of the last request.
  std::size_t left_out() const ABSL_LOCKS_EXCLUDED(mutex_);

  // What holds at the moment of the catalogue's lock, for as long as the view lives. Fresh items
  // are numbered from 0 within a view.
  class ABSL_SCOPED_LOCKABLE View {
   public:
    View(const LiveEmbeddings& live, const Catalogue::ReadLock& catalogue)
        ABSL_SHARED_LOCK_FUNCTION(live.mutex_);
    ~View() ABSL_UNLOCK_FUNCTION();
    View(const View&) = delete;
    View& operator=(const View&) = delete;

    std::uint32_t fresh() const;
    ItemIndex FreshItem(std::uint32_t number) const;
    std::span<const float> FreshVector(std::uint32_t number) const;
    // Whether the servable's vector of this item of the vocabulary no longer holds.
    bool IsReplaced(std::uint32_t vocabulary_index) const;
    // Empty for an item without a vector.
    std::span<const float> VectorOf(ItemIndex item) const;

   private:
    const LiveEmbeddings& live_;
  };

 private:
  // When an item was put or changed last: the moment since which a reader sees it, then the place
  // in the log.
  using Age = std::pair<std::int64_t, Position>;
  struct Changed {
    Age age;
    ItemIndex item = 0;
    std::string id;
  };

  // Of the items [begin, end), those that the servable does not know as they are now.
  void CollectChanged(const Catalogue::ReadLock& catalogue, ItemIndex begin, ItemIndex end,
                      std::vector<Changed>* changed) const;
  static void SortByAge(std::vector<Changed>* changed);  // oldest first
  // Whether the servable knows the item, with these values.
  bool IsAsTrained(ItemIndex item, const ItemEmbeddings::SideValues& values) const;
  // For when the catalogue no longer tells which items changed.
  void StartAgain(const Catalogue::ReadLock& catalogue) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CatchUp(const Catalogue::ReadLock& catalogue) const ABSL_LOCKS_EXCLUDED(mutex_);
  void Update(const Catalogue::ReadLock& catalogue, ItemIndex item) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Drop(ItemIndex item) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveOutOldest() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ItemEmbeddings* const embeddings_;
  const BoundServable* const bound_;
  const EventStore* const store_;  // may be null
  const std::size_t fresh_max_;
  mutable SharedMutex mutex_;
  mutable std::atomic<std::uint64_t> seen_{0};  // of the catalogue's changes
  struct Fresh {
    ItemIndex item = 0;
    std::uint64_t age_rank = 0;  // rises with each that is put or changed
  };
  mutable std::vector<Fresh> fresh_items_ ABSL_GUARDED_BY(mutex_);
  mutable std::vector<float> fresh_vectors_ ABSL_GUARDED_BY(mutex_);  // [fresh, dimension]
  mutable absl::flat_hash_map<ItemIndex, std::uint32_t> fresh_numbers_ ABSL_GUARDED_BY(mutex_);
  mutable std::map<std::uint64_t, ItemIndex> by_age_ ABSL_GUARDED_BY(mutex_);
  mutable std::uint64_t next_age_rank_ ABSL_GUARDED_BY(mutex_) = 0;
  mutable absl::flat_hash_set<ItemIndex> left_out_ ABSL_GUARDED_BY(mutex_);
  mutable std::vector<bool> is_replaced_ ABSL_GUARDED_BY(mutex_);  // by vocabulary index
};

}  // namespace fourfold
