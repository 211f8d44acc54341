#include "feature/state/entity_table.h"

#include <iterator>
#include <utility>

namespace fourfold {
namespace {

constexpr std::size_t kEntryBytes = 192;   // an entry's node and its place in the index
constexpr std::size_t kActionBytes = 160;  // about what one more action takes
constexpr std::size_t kFactBytes = 256;    // and one more event of facts

}  // namespace

const EntityTable::Kept* EntityTable::Use(EntityPart part, std::string_view id) {
  const Index& index = IndexOf(part);
  const auto found = index.find(id);
  if (found == index.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &found->second->kept;
}

void EntityTable::Put(EntityPart part, std::string_view id, Kept kept) {
  if (Has(part, id)) return;
  Entry& entry = entries_.emplace_front();
  entry.part = part;
  entry.id = id;
  entry.kept = std::move(kept);
  IndexOf(part).emplace(entry.id, entries_.begin());
  Measure(&entries_.front());
}

void EntityTable::PutAll(EntityTable* other) {
  // From the last one on, so that the order stays.
  while (!other->entries_.empty()) {
    const auto place = std::prev(other->entries_.end());
    if (Has(place->part, place->id)) {
      other->DropLast();
      continue;
    }
    other->IndexOf(place->part).erase(place->id);
    other->bytes_ -= place->bytes;
    entries_.splice(entries_.begin(), other->entries_, place);
    IndexOf(place->part).emplace(place->id, place);
    bytes_ += place->bytes;
  }
}

void EntityTable::DropLast() {
  const Entry& last = entries_.back();
  bytes_ -= last.bytes;
  IndexOf(last.part).erase(last.id);
  entries_.pop_back();
}

void EntityTable::Measure(Entry* entry) {
  bytes_ -= entry->bytes;
  entry->bytes =
      kEntryBytes + entry->id.capacity() +
      (entry->kept.actions != nullptr ? entry->kept.actions->bytes()
                                      : sizeof(FactTimeline) + entry->kept.facts->bytes());
  entry->unmeasured = 0;
  bytes_ += entry->bytes;
}

void EntityTable::Grew(Entry* entry, std::size_t about) {
  entry->unmeasured += about;
  entry->bytes += about;
  bytes_ += about;
  // To measure takes as long as the entry is large.
  if (entry->unmeasured > entry->bytes / 4) Measure(entry);
}

void EntityTable::Follow(const LoggedEvent& logged) {
  const Event& event = logged.event;
  if (event.kind == EventKind::kItem) AddFacts(EntityPart::kItemFacts, event.item, logged);
  if (event.kind == EventKind::kUser) AddFacts(EntityPart::kUserFacts, event.user, logged);
  if (event.kind != EventKind::kInteraction) return;
  const std::pair<EntityPart, std::string_view> parts[] = {
      {EntityPart::kItemActions, event.item},
      {EntityPart::kUserActions, event.user},
      {EntityPart::kSessionActions, event.session}};
  std::optional<ActionEntry> action;
  for (const auto& [part, id] : parts) {
    const auto found = IndexOf(part).find(id);
    if (found == IndexOf(part).end()) continue;
    if (!action.has_value()) {
      action = EntryOf(logged, *schema_, interner_);
      ValuesOf(event.fields, *schema_, interner_, &values_);
    }
    OwnedState& owned = *found->second->kept.actions;
    owned.state.Insert(owned.actions.Add(*action, values_), action->known_time_ms);
    Grew(&*found->second, kActionBytes);
  }
}

void EntityTable::AddFacts(EntityPart part, const std::string& id, const LoggedEvent& logged) {
  const auto found = IndexOf(part).find(id);
  if (found == IndexOf(part).end()) return;
  found->second->kept.facts->Insert(
      logged, part == EntityPart::kItemFacts ? schema_->item_fields : schema_->user_fields);
  Grew(&*found->second, kFactBytes);
}

}  // namespace fourfold
