#include "feature/state/entity_cache.h"

#include <algorithm>
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

struct EntityCache::Absent {
  EntityPart part = EntityPart::kItemActions;
  std::string_view id;
  Position end = 0;  // from here on the entry follows the log
};

struct EntityCache::Unpacked {
  EntityPart part = EntityPart::kItemActions;
  std::string_view id;
  std::uint64_t generation = 0;
  PackedBytes packed;
};

EntityCache::EntityCache(const StateSchema* schema, const EventStore* store,
                         std::shared_ptr<Interner> interner, std::size_t bytes_max,
                         std::shared_ptr<storage::SpillFile> spill, Position end)
    : schema_(*schema),
      store_(*store),
      interner_(std::move(interner)),
      bytes_max_(bytes_max),
      spill_(std::move(spill)),
      spills_(spill_ != nullptr),
      table_(schema, interner_.get(), spill_ != nullptr),
      end_(end) {}

std::optional<const OwnedState*> EntityCache::Pins::Actions(EntityPart part,
                                                            std::string_view id) const {
  const auto& pinned = pinned_[static_cast<std::size_t>(part)];
  const auto found = pinned.find(id);
  if (found == pinned.end()) return std::nullopt;
  return found->second.actions.get();
}

std::optional<const FactTimeline*> EntityCache::Pins::Facts(EntityPart part,
                                                            std::string_view id) const {
  const auto& pinned = pinned_[static_cast<std::size_t>(part)];
  const auto found = pinned.find(id);
  if (found == pinned.end()) return std::nullopt;
  return found->second.facts.get();
}

void EntityCache::Pins::Put(EntityPart part, std::string_view id,
                            std::shared_ptr<const OwnedState> actions) {
  pinned_[static_cast<std::size_t>(part)][id] = {std::move(actions), nullptr};
}

std::shared_ptr<OwnedState> EntityCache::NewActions(EntityPart part) const {
  return std::make_shared<OwnedState>(&schema_, EntityOf(part));
}

absl::Status EntityCache::Pin(const Wanted& wanted, Pins* pins) {
  Wanted left = wanted;
  while (!left.empty()) {
    std::vector<Absent> absent;
    std::vector<Unpacked> packed;
    Wanted again;
    PinReady(left, pins, &absent, &packed, &again);
    // First what others may be waiting for; only then is anybody waited for.
    for (std::size_t i = 0; i < absent.size(); ++i) {
      absl::Status status = Load(absent[i], pins);
      if (status.ok()) continue;
      for (; i < absent.size(); ++i) Abandon(absent[i]);
      return status;
    }
    const std::size_t others = again.size();
    for (Unpacked& one : packed) {
      if (!Unpack(&one, pins)) again.emplace_back(one.part, one.id);
    }
    for (std::size_t i = 0; i < others; ++i) Await(again[i].first, again[i].second);
    left = std::move(again);
  }
  return absl::OkStatus();
}

void EntityCache::PinReady(const Wanted& wanted, Pins* pins, std::vector<Absent>* absent,
                           std::vector<Unpacked>* packed, Wanted* loading) {
  for (const auto& [part, id] : wanted) {
    const auto [place, is_new] =
        pins->pinned_[static_cast<std::size_t>(part)].try_emplace(id, Pins::Pinned());
    Pins::Pinned& pinned = place->second;
    if (!is_new && (pinned.actions != nullptr || pinned.facts != nullptr)) continue;
    if (is_new) reads_.fetch_add(1, std::memory_order_relaxed);
    const MutexLock lock(&mutex_);
    Entry* entry = table_.Find(part, id);
    if (entry == nullptr) {
      if (table_.IsWhole(part)) continue;
      entry = table_.Add(part, id);
      entry->is_loading = true;
      absent->push_back({part, id, end_});
      continue;
    }
    table_.Use(entry);
    if (entry->is_loading) {
      loading->emplace_back(part, id);
    } else if (entry->facts != nullptr) {
      pinned.facts = entry->facts;
    } else if (entry->hot != nullptr) {
      pinned.actions = entry->hot;
    } else {
      packed->push_back({part, id, entry->generation, entry->packed});
    }
  }
}

absl::Status EntityCache::Load(const Absent& absent, Pins* pins) {
  misses_.fetch_add(1, std::memory_order_relaxed);
  if (IsFacts(absent.part)) return LoadFacts(absent, pins);
  ReadPoint all;
  all.position_end = absent.end;
  FOURFOLD_ASSIGN_OR_RETURN(
      const std::shared_ptr<OwnedState> actions,
      ReadOwnedState(store_, schema_, EntityOf(absent.part), absent.id, all, interner_.get()));
  ActionPacker packer;
  std::string bytes;
  for (ActionIndex i = 0; i < actions->actions.size(); ++i) {
    packer.Append(actions->actions.EntryOf(i), actions->actions.ValuesOf(i), &bytes);
  }
  {
    const MutexLock lock(&mutex_);
    Entry* const entry = table_.Find(absent.part, absent.id);
    const std::string newer = std::exchange(entry->packed.tail, std::move(bytes));
    entry->packer = packer;
    entry->is_loading = false;
    table_.MakeHot(entry, actions);
    ActionUnpacker(schema_.action_fields.size())
        .Read(newer, [&](const ActionEntry& action, std::span<const double> values)
                         ABSL_NO_THREAD_SAFETY_ANALYSIS { table_.Append(entry, action, values); });
    table_.Changed(entry);
  }
  loaded_.SignalAll();
  pins->Put(absent.part, absent.id, actions);
  return absl::OkStatus();
}

absl::Status EntityCache::LoadFacts(const Absent& absent, Pins* pins) {
  std::vector<LoggedEvent> events;
  const auto add = [&](const LoggedEvent& logged) { events.push_back(logged); };
  FOURFOLD_RETURN_IF_ERROR(absent.part == EntityPart::kItemFacts
                               ? store_.ReadItemEvents(absent.id, absent.end, add)
                               : store_.ReadUserEvents(absent.id, absent.end, add));
  std::shared_ptr<const FactTimeline> facts;
  {
    const MutexLock lock(&mutex_);
    Entry* const entry = table_.Find(absent.part, absent.id);
    for (const LoggedEvent& logged : events) {
      entry->facts->Insert(logged, schema_.FactsOf(EntityOf(absent.part)));
    }
    entry->is_loading = false;
    table_.Changed(entry);
    facts = entry->facts;
  }
  loaded_.SignalAll();
  pins->pinned_[static_cast<std::size_t>(absent.part)][absent.id].facts = std::move(facts);
  return absl::OkStatus();
}

void EntityCache::Abandon(const Absent& absent) {
  {
    const MutexLock lock(&mutex_);
    Entry* const entry = table_.Find(absent.part, absent.id);
    if (entry != nullptr && entry->is_loading) table_.Remove(entry);
  }
  loaded_.SignalAll();
}

bool EntityCache::Unpack(Unpacked* packed, Pins* pins) {
  const std::shared_ptr<OwnedState> actions = NewActions(packed->part);
  ActionUnpacker unpacker(schema_.action_fields.size());
  const auto add = [&](const ActionEntry& action, std::span<const double> values) {
    actions->Add(action, values);
  };
  const std::size_t size = packed->packed.size();
  if (packed->packed.place != nullptr) {
    std::string placed;
    if (!spill_->Read(*packed->packed.place, &placed).ok()) {
      spills_ = false;
      const MutexLock lock(&mutex_);
      Entry* const entry = table_.Find(packed->part, packed->id);
      if (entry != nullptr && entry->generation == packed->generation) table_.Remove(entry);
      return false;
    }
    unpacker.Read(placed, add);
  }
  unpacker.Read(packed->packed.tail, add);
  actions->actions.Shrink();
  unpacked_.fetch_add(1, std::memory_order_relaxed);
  pins->Put(packed->part, packed->id, actions);

  const MutexLock lock(&mutex_);
  Entry* const entry = table_.Find(packed->part, packed->id);
  if (entry == nullptr || entry->generation != packed->generation || entry->hot != nullptr) {
    return true;
  }
  // What came meanwhile comes to it, unless that is in the file already: then it is no more than
  // this request's.
  if (entry->packed.placed() > size) return true;
  unpacker.Read(std::string_view(entry->packed.tail).substr(size - entry->packed.placed()), add);
  table_.MakeHot(entry, actions);
  return true;
}

void EntityCache::Await(EntityPart part, std::string_view id) {
  const MutexLock lock(&mutex_);
  for (;;) {
    const Entry* const entry = table_.Find(part, id);
    if (entry == nullptr || !entry->is_loading) return;
    loaded_.Wait(&mutex_);
  }
}

void EntityCache::Adopt(const LoggedState& all) {
  const MutexLock lock(&mutex_);
  if (schema_.Keeps(StateEntity::kItem)) {
    table_.SetWhole(EntityPart::kItemActions);
    all.VisitActions([&](const ActionEntry& action, std::span<const double> values)
                         ABSL_NO_THREAD_SAFETY_ANALYSIS {
                           constexpr EntityPart kPart = EntityPart::kItemActions;
                           const std::string_view id = interner_->TextOf(action.item);
                           Entry* entry = table_.Find(kPart, id);
                           if (entry == nullptr) entry = table_.Add(kPart, id);
                           table_.Append(entry, action, values);
                         });
  }
  if (schema_.KeepsFacts(StateEntity::kItem)) {
    table_.SetWhole(EntityPart::kItemFacts);
    all.VisitFacts(StateEntity::kItem, [&](std::string_view id, const FactTimeline& facts)
                                           ABSL_NO_THREAD_SAFETY_ANALYSIS {
                                             Entry* const entry =
                                                 table_.Add(EntityPart::kItemFacts, id);
                                             *entry->facts = facts;
                                             table_.Changed(entry);
                                           });
  }
}

void EntityCache::Follow(const LoggedEvent& logged) {
  // Freed when nobody waits for the lock any more.
  std::vector<std::shared_ptr<const void>> dropped;
  const MutexLock lock(&mutex_);
  table_.Follow(logged);
  end_ = logged.position + 1;
  // Where nobody asks, nobody trims.
  if (table_.bytes() <= bytes_max_ + bytes_max_ / 4) return;
  while (table_.bytes() > bytes_max_) {
    dropped.push_back(DropOne());
    if (dropped.back() == nullptr) return;
  }
}

void EntityCache::FollowedUpTo(Position end) {
  const MutexLock lock(&mutex_);
  end_ = std::max(end_, end);
}

bool EntityCache::Skip(Position end) {
  const MutexLock lock(&mutex_);
  const bool is_whole =
      table_.IsWhole(EntityPart::kItemActions) || table_.IsWhole(EntityPart::kItemFacts);
  if (is_whole || !table_.empty()) return false;
  end_ = std::max(end_, end);
  return true;
}

std::shared_ptr<const void> EntityCache::DropOne() {
  if (std::shared_ptr<const void> cooled = table_.CoolOne(); cooled != nullptr) return cooled;
  Entry* const oldest = table_.Oldest();
  if (oldest == nullptr) return nullptr;
  auto dropped = std::make_shared<std::pair<PackedBytes, std::shared_ptr<FactTimeline>>>(
      std::move(oldest->packed), std::move(oldest->facts));
  table_.Remove(oldest);
  return dropped;
}

void EntityCache::Trim() {
  for (;;) {
    std::shared_ptr<const void> dropped;
    Unpacked spilled;
    std::string id;
    {
      const MutexLock lock(&mutex_);
      if (table_.bytes() <= bytes_max_) return;
      // Half of the room is for what is read as it is.
      const bool is_packed_large = table_.bytes() - table_.hot_bytes() > bytes_max_ / 2;
      Entry* const entry = is_packed_large && spills_ ? table_.NextToSpill() : nullptr;
      if (entry == nullptr) {
        dropped = DropOne();
        if (dropped == nullptr) return;
        continue;
      }
      id = entry->id;
      spilled = {entry->part, id, entry->generation, entry->packed};
    }
    Spill(spilled.part, id, spilled.generation, spilled.packed);
  }
}

void EntityCache::Spill(EntityPart part, const std::string& id, std::uint64_t generation,
                        const PackedBytes& packed) {
  std::string bytes;
  bytes.reserve(packed.size());
  const absl::Status read =
      packed.place == nullptr ? absl::OkStatus() : spill_->Read(*packed.place, &bytes);
  bytes += packed.tail;
  auto place = read.ok() ? spill_->Write(bytes) : read;
  if (!place.ok()) {
    spills_ = false;
    return;
  }
  const MutexLock lock(&mutex_);
  Entry* const entry = table_.Find(part, id);
  if (entry != nullptr && entry->generation == generation) {
    table_.Spilled(entry, *std::move(place));
  }
}

EntityCache::Stats EntityCache::ReadStats() const {
  const MutexLock lock(&mutex_);
  return {.reads = reads_.load(std::memory_order_relaxed),
          .misses = misses_.load(std::memory_order_relaxed),
          .unpacked = unpacked_.load(std::memory_order_relaxed),
          .entities = table_.size(),
          .bytes = table_.bytes(),
          .file_bytes = spill_ == nullptr ? 0 : spill_->bytes()};
}

}  // namespace fourfold
