#include "feature/state/entity_cache.h"

#include <string>
#include <utility>

#include "base/status_macros.h"

namespace fourfold {
namespace {

StateEntity EntityOf(EntityPart part) {
  switch (part) {
    case EntityPart::kItemActions:
    case EntityPart::kItemFacts:
      return StateEntity::kItem;
    case EntityPart::kSessionActions:
      return StateEntity::kSession;
    default:
      return StateEntity::kUser;
  }
}

}  // namespace

absl::StatusOr<EntityTable::Kept> EntityCache::Load(EntityPart part, std::string_view id,
                                                    Position end) {
  misses_.fetch_add(1, std::memory_order_relaxed);
  EntityTable::Kept kept;
  const bool is_item = part == EntityPart::kItemFacts;
  if (!is_item && part != EntityPart::kUserFacts) {
    ReadPoint all;
    all.position_end = end;
    FOURFOLD_ASSIGN_OR_RETURN(
        kept.actions, ReadOwnedState(store_, schema_, EntityOf(part), id, all, interner_.get()));
    return kept;
  }
  kept.facts = std::make_shared<FactTimeline>();
  const auto add = [&](const LoggedEvent& logged) {
    kept.facts->Insert(logged, schema_.FactsOf(EntityOf(part)));
  };
  FOURFOLD_RETURN_IF_ERROR(is_item ? store_.ReadItemEvents(id, end, add)
                                   : store_.ReadUserEvents(id, end, add));
  return kept;
}

absl::Status EntityCache::Loading::Want(EntityPart part, std::string_view id) {
  if (table_.Has(part, id) || cache_.Has(part, id)) return absl::OkStatus();
  FOURFOLD_ASSIGN_OR_RETURN(EntityTable::Kept kept, cache_.Load(part, id, end_));
  table_.Put(part, id, std::move(kept));
  return absl::OkStatus();
}

absl::Status EntityCache::Loading::FollowUpTo(Position end) {
  FOURFOLD_RETURN_IF_ERROR(cache_.store_.ScanLog(end_, end, [&](const LoggedEvent& logged) {
    table_.Follow(logged);
    return true;
  }));
  end_ = end;
  return absl::OkStatus();
}

void EntityCache::Install(Loading* loading) {
  const MutexLock lock(&mutex_);
  table_.PutAll(&loading->table_);
}

absl::StatusOr<EntityTable::Kept> EntityCache::Find(EntityPart part, std::string_view id,
                                                    Position end) {
  reads_.fetch_add(1, std::memory_order_relaxed);
  {
    const MutexLock lock(&mutex_);
    if (const EntityTable::Kept* kept = table_.Use(part, id); kept != nullptr) return *kept;
  }
  FOURFOLD_ASSIGN_OR_RETURN(EntityTable::Kept kept, Load(part, id, end));
  const MutexLock lock(&mutex_);
  table_.Put(part, id, kept);
  return kept;
}

absl::StatusOr<std::shared_ptr<const OwnedState>> EntityCache::Actions(EntityPart part,
                                                                       std::string_view id,
                                                                       Position end) {
  FOURFOLD_ASSIGN_OR_RETURN(EntityTable::Kept kept, Find(part, id, end));
  return std::shared_ptr<const OwnedState>(std::move(kept.actions));
}

absl::StatusOr<std::shared_ptr<const FactTimeline>> EntityCache::Facts(EntityPart part,
                                                                       std::string_view id,
                                                                       Position end) {
  FOURFOLD_ASSIGN_OR_RETURN(EntityTable::Kept kept, Find(part, id, end));
  return std::shared_ptr<const FactTimeline>(std::move(kept.facts));
}

bool EntityCache::Has(EntityPart part, std::string_view id) const {
  const MutexLock lock(&mutex_);
  return table_.Has(part, id);
}

void EntityCache::Follow(const LoggedEvent& logged) {
  const MutexLock lock(&mutex_);
  table_.Follow(logged);
}

void EntityCache::Trim() {
  const MutexLock lock(&mutex_);
  while (table_.bytes() > bytes_max_) table_.DropLast();
}

bool EntityCache::empty() const {
  const MutexLock lock(&mutex_);
  return table_.empty();
}

EntityCache::Stats EntityCache::ReadStats() const {
  const MutexLock lock(&mutex_);
  return {.reads = reads_.load(std::memory_order_relaxed),
          .misses = misses_.load(std::memory_order_relaxed),
          .entities = table_.size(),
          .bytes = table_.bytes()};
}

}  // namespace fourfold
