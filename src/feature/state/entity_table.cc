#include "feature/state/entity_table.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace fourfold {
namespace {

constexpr std::size_t kEntryBytes = 336;  // an entry's node and its place in the index
// A tail is worth a file once it is this long, and long beside what lies there: each time all of it
// is written anew.
constexpr std::size_t kTailMin = 512;
constexpr std::size_t kTailShare = 8;

bool HasLongTail(const PackedBytes& packed) {
  return packed.tail.size() >= std::max(kTailMin, packed.placed() / kTailShare);
}

}  // namespace

EntityTable::Entry* EntityTable::Find(EntityPart part, std::string_view id) {
  const Index& index = IndexOf(part);
  const auto found = index.find(id);
  return found == index.end() ? nullptr : found->second;
}

void EntityTable::Use(Entry* entry) {
  entries_.splice(entries_.begin(), entries_, entry->place);
  if (entry->hot != nullptr) hot_.splice(hot_.begin(), hot_, entry->place_in_hot);
}

EntityTable::Entry* EntityTable::Add(EntityPart part, std::string_view id) {
  Entry& entry = entries_.emplace_front();
  entry.place = entries_.begin();
  entry.part = part;
  entry.id = id;
  entry.generation = ++generations_;
  if (IsFacts(part)) entry.facts = std::make_shared<FactTimeline>();
  IndexOf(part).emplace(entry.id, &entry);
  Changed(&entry);
  return &entry;
}

void EntityTable::Remove(Entry* entry) {
  bytes_ -= entry->bytes;
  SetHotBytes(entry, 0);
  if (entry->hot != nullptr) hot_.erase(entry->place_in_hot);
  if (entry->is_queued) to_spill_.erase(entry->place_in_queue);
  if (!entry->is_loading) is_whole_[static_cast<std::size_t>(entry->part)] = false;
  IndexOf(entry->part).erase(entry->id);
  entries_.erase(entry->place);
}

void EntityTable::Changed(Entry* entry) {
  bytes_ -= entry->bytes;
  entry->bytes = kEntryBytes + entry->id.capacity() + entry->packed.tail.capacity() +
                 (entry->facts == nullptr ? 0 : sizeof(FactTimeline) + entry->facts->bytes());
  bytes_ += entry->bytes;
  Queue(entry);
}

void EntityTable::Queue(Entry* entry) {
  if (!can_spill_ || !HasLongTail(entry->packed) || entry->is_queued || entry->is_loading) return;
  entry->place_in_queue = to_spill_.insert(to_spill_.begin(), entry);
  entry->is_queued = true;
}

void EntityTable::SetHotBytes(Entry* entry, std::size_t bytes) {
  hot_bytes_ += bytes - entry->hot_bytes;
  entry->hot_bytes = bytes;
}

void EntityTable::MakeHot(Entry* entry, std::shared_ptr<OwnedState> hot) {
  if (entry->hot == nullptr) entry->place_in_hot = hot_.insert(hot_.begin(), entry);
  entry->hot = std::move(hot);
  SetHotBytes(entry, entry->hot->bytes());
}

void EntityTable::Append(Entry* entry, const ActionEntry& action, std::span<const double> values) {
  const std::size_t before = entry->packed.tail.capacity();
  entry->packer.Append(action, values, &entry->packed.tail);
  entry->bytes += entry->packed.tail.capacity() - before;
  bytes_ += entry->packed.tail.capacity() - before;
  Queue(entry);
  if (entry->hot == nullptr) return;
  entry->hot->Add(action, values);
  SetHotBytes(entry, entry->hot->bytes());
}

void EntityTable::Spilled(Entry* entry, std::shared_ptr<const storage::SpillFile::Place> place) {
  PackedBytes& packed = entry->packed;
  // Another thread, which had more of it, was sooner.
  if (place->size() <= packed.placed()) return;
  const std::size_t moved = place->size() - packed.placed();
  // Assigning a short string would keep the room of the long one.
  std::string(packed.tail, moved).swap(packed.tail);
  packed.place = std::move(place);
  Changed(entry);
}

std::shared_ptr<OwnedState> EntityTable::CoolOne() {
  if (hot_.empty()) return nullptr;
  Entry* const entry = hot_.back();
  hot_.pop_back();
  SetHotBytes(entry, 0);
  return std::exchange(entry->hot, nullptr);
}

EntityTable::Entry* EntityTable::NextToSpill() {
  while (!to_spill_.empty()) {
    Entry* const entry = to_spill_.back();
    to_spill_.pop_back();
    entry->is_queued = false;
    // Its tail may have gone to the file since it was queued.
    if (HasLongTail(entry->packed)) return entry;
  }
  return nullptr;
}

EntityTable::Entry* EntityTable::Oldest() {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (!entry->is_loading) return &*entry;
  }
  return nullptr;
}

EntityTable::Entry* EntityTable::ToFollow(EntityPart part, std::string_view id) {
  Entry* const entry = Find(part, id);
  return entry == nullptr && IsWhole(part) ? Add(part, id) : entry;
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
    Entry* const entry = ToFollow(part, id);
    if (entry == nullptr) continue;
    if (!action.has_value()) {
      action = EntryOf(logged, *schema_, interner_);
      ValuesOf(event.fields, *schema_, interner_, &values_);
    }
    Append(entry, *action, values_);
  }
}

void EntityTable::AddFacts(EntityPart part, const std::string& id, const LoggedEvent& logged) {
  Entry* const entry = ToFollow(part, id);
  if (entry == nullptr) return;
  const std::size_t grown = entry->facts->Insert(
      logged, part == EntityPart::kItemFacts ? schema_->item_fields : schema_->user_fields);
  entry->bytes += grown;
  bytes_ += grown;
}

}  // namespace fourfold
