#include "feature/catalogue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "data/limits.h"

namespace fourfold {
namespace {

std::uint64_t DigestOrder(std::string_view event_id) {
  const Digest digest = DigestOf(event_id);
  std::uint64_t order = 0;
  for (int i = 0; i < 8; ++i) order = order << 8 | digest[static_cast<std::size_t>(i)];
  return order;
}

// Interning a whole vocabulary lets readers in after this many items.
constexpr std::size_t kInternBatch = 4096;

}  // namespace

class ABSL_SCOPED_LOCKABLE Catalogue::WriteLock {
 public:
  // While this waits for the readers inside, the entrance keeps new ones out.
  explicit WriteLock(Catalogue* catalogue) ABSL_EXCLUSIVE_LOCK_FUNCTION(catalogue->mutex_)
      : catalogue_(catalogue) {
    MutexLock entrance(&catalogue_->entrance_);
    catalogue_->mutex_.Lock();
  }
  ~WriteLock() ABSL_UNLOCK_FUNCTION() { catalogue_->mutex_.Unlock(); }

 private:
  Catalogue* catalogue_;
};

Catalogue::ReadLock::ReadLock(const Catalogue& catalogue) : catalogue_(catalogue) {
  MutexLock entrance(&catalogue_.entrance_);
  catalogue_.mutex_.ReaderLock();
}

Catalogue::ReadLock::~ReadLock() { catalogue_.mutex_.ReaderUnlock(); }

absl::Status Catalogue::Load(const EventStore& store) {
  const std::int64_t now_ms = store.NowMs();
  WriteLock lock(this);
  FOURFOLD_RETURN_IF_ERROR(
      store.ScanItemEvents([&](const LoggedEvent& logged) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        Take(logged, now_ms);
        return ids_.size() <= limits::kItemsMax;
      }));
  if (membership_ == Membership::kActedOn) {
    LoggedEvent action;
    action.event.kind = EventKind::kInteraction;
    FOURFOLD_RETURN_IF_ERROR(store.ScanActedOn(
        now_ms, [&](std::string_view item, std::int64_t seen_ms) ABSL_NO_THREAD_SAFETY_ANALYSIS {
          action.event.item.assign(item);
          action.event.event_time_ms = seen_ms;
          Take(action, now_ms);
          return ids_.size() <= limits::kItemsMax;
        }));
  }
  if (ids_.size() > limits::kItemsMax) {
    return FailedPrecondition("the log names more than ", limits::kItemsMax, " items");
  }
  return absl::OkStatus();
}

// Actions on items already known to exist are most of the traffic: readers need not wait for them.
bool Catalogue::Concerns(const LoggedEvent& logged) const {
  if (logged.event.kind == EventKind::kItem) return true;
  if (logged.event.kind != EventKind::kInteraction || membership_ != Membership::kActedOn) {
    return false;
  }
  ReadLock lock(*this);
  const auto found = index_.find(std::string_view(logged.event.item));
  return found == index_.end() || !rows_[found->second].acted_on;
}

void Catalogue::Apply(absl::Span<const LoggedEvent> committed, std::int64_t now_ms) {
  if (std::none_of(committed.begin(), committed.end(),
                   [this](const LoggedEvent& logged) { return Concerns(logged); })) {
    return;
  }
  WriteLock lock(this);
  for (const LoggedEvent& logged : committed) Take(logged, now_ms);
}

void Catalogue::AdvanceTo(std::int64_t now_ms) {
  if (now_ms < next_due_ms_.load(std::memory_order_acquire)) return;
  WriteLock lock(this);
  ApplyDue(now_ms);
}

ItemIndex Catalogue::Intern(std::string_view item) {
  WriteLock lock(this);
  return InternLocked(item);
}

std::vector<ItemIndex> Catalogue::InternAll(std::span<const std::string> items) {
  std::vector<ItemIndex> indexes;
  indexes.reserve(items.size());
  while (indexes.size() < items.size()) {
    WriteLock lock(this);
    const std::size_t end = std::min(items.size(), indexes.size() + kInternBatch);
    while (indexes.size() < end) indexes.push_back(InternLocked(items[indexes.size()]));
  }
  return indexes;
}

void Catalogue::Put(std::string_view item, const std::vector<Field>& fields) {
  WriteLock lock(this);
  Pending fact;
  fact.item = InternLocked(item);
  fact.said = {kSinceForEverMs, 0};
  fact.fields = fields;
  ApplyFact(fact);
}

ConditionIndex Catalogue::Watch(const Expression& condition) {
  WriteLock lock(this);
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    if (watched_[i].condition.text() == condition.text()) return static_cast<ConditionIndex>(i);
  }
  Watched& watched = watched_.emplace_back(Watched{condition, {}});
  watched.holds.reserve(rows_.size());
  for (ItemIndex item = 0; item < rows_.size(); ++item) {
    watched.holds.push_back(Evaluate(condition, item));
  }
  return static_cast<ConditionIndex>(watched_.size() - 1);
}

ItemIndex Catalogue::InternLocked(std::string_view item) {
  const auto found = index_.find(item);
  if (found != index_.end()) return found->second;
  const auto index = static_cast<ItemIndex>(ids_.size());
  FOURFOLD_CHECK(index != kNoItem);
  index_.emplace(ids_.emplace_back(item), index);
  order_hash_.push_back(StableHash(item));
  exists_.push_back(0);
  rows_.emplace_back();
  by_hash_.emplace(order_hash_.back(), index);
  for (Watched& watched : watched_) watched.holds.push_back(Evaluate(watched.condition, index));
  return index;
}

FieldIndex Catalogue::InternFieldLocked(std::string_view name) {
  const auto found = field_index_.find(name);
  if (found != field_index_.end()) return found->second;
  const auto index = static_cast<FieldIndex>(field_names_.size());
  field_names_.emplace_back(name);
  field_index_.emplace(name, index);
  return index;
}

void Catalogue::Take(const LoggedEvent& logged, std::int64_t now_ms) {
  const Event& event = logged.event;
  const bool interaction = event.kind == EventKind::kInteraction;
  if (interaction ? membership_ != Membership::kActedOn : event.kind != EventKind::kItem) return;
  const ItemIndex item = InternLocked(event.item);
  if (interaction && rows_[item].acted_on) return;

  Pending fact{.due_ms = std::max(event.event_time_ms, logged.known_time_ms),
               .item = item,
               .interaction = interaction,
               .said = {event.event_time_ms, interaction ? 0 : DigestOrder(event.id)},
               .deleted = event.deleted,
               .fields = interaction ? std::vector<Field>() : event.fields};
  if (fact.due_ms <= now_ms) {
    ApplyFact(fact);
    return;
  }
  if (interaction) {
    if (rows_[item].first_action_due_ms <= fact.due_ms) return;
    rows_[item].first_action_due_ms = fact.due_ms;
  }
  pending_.push(std::move(fact));
  next_due_ms_.store(pending_.top().due_ms, std::memory_order_release);
}

void Catalogue::ApplyDue(std::int64_t now_ms) {
  while (!pending_.empty() && pending_.top().due_ms <= now_ms) {
    ApplyFact(pending_.top());
    pending_.pop();
  }
  next_due_ms_.store(pending_.empty() ? kNothingDue : pending_.top().due_ms,
                     std::memory_order_release);
}

void Catalogue::ApplyFact(const Pending& fact) {
  Row& row = rows_[fact.item];
  if (fact.interaction) {
    row.acted_on = true;
  } else {
    row.declared = true;
    row.newest = std::max(row.newest, fact.said);
    if (fact.deleted && (!row.has_tombstone || fact.said > row.tombstone)) {
      row.has_tombstone = true;
      row.tombstone = fact.said;
      std::erase_if(row.fields, [&](const VersionedField& f) { return f.said <= fact.said; });
    }
  }
  for (const Field& field : fact.fields) {
    if (row.has_tombstone && fact.said <= row.tombstone) break;
    const FieldIndex index = InternFieldLocked(field.name);
    const auto place = std::lower_bound(
        row.fields.begin(), row.fields.end(), index,
        [](const VersionedField& f, FieldIndex wanted) { return f.field < wanted; });
    if (place == row.fields.end() || place->field != index) {
      row.fields.insert(place, {index, fact.said, field.value});
    } else if (place->said <= fact.said) {
      *place = {index, fact.said, field.value};
    }
  }
  const bool deleted = row.has_tombstone && row.newest <= row.tombstone;
  exists_[fact.item] = row.declared ? !deleted : row.acted_on;
  if (changed_items_.size() < kChangesKept) changed_items_.push_back(fact.item);
  changed_items_[changes_++ % kChangesKept] = fact.item;
  for (Watched& watched : watched_) {
    watched.holds[fact.item] = Evaluate(watched.condition, fact.item);
  }
}

bool Catalogue::Evaluate(const Expression& condition, ItemIndex item) const {
  return condition.Evaluate(
      [&](std::string_view name) ABSL_NO_THREAD_SAFETY_ANALYSIS -> const FieldValue* {
        const auto field = field_index_.find(name);
        return field == field_index_.end() ? nullptr : FieldOfLocked(item, field->second);
      });
}

const FieldValue* Catalogue::FieldOfLocked(ItemIndex item, FieldIndex field) const {
  for (const VersionedField& versioned : rows_[item].fields) {
    if (versioned.field == field) {
      return std::holds_alternative<std::monostate>(versioned.value) ? nullptr : &versioned.value;
    }
  }
  return nullptr;
}

// The compiler cannot see that the members below run under the lock that the object itself holds.
std::size_t Catalogue::ReadLock::size() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return catalogue_.ids_.size();
}

ItemIndex Catalogue::ReadLock::Find(std::string_view item) const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const auto found = catalogue_.index_.find(item);
  return found == catalogue_.index_.end() ? kNoItem : found->second;
}

bool Catalogue::ReadLock::Exists(ItemIndex item) const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return catalogue_.exists_[item] != 0;
}

bool Catalogue::ReadLock::Holds(ConditionIndex condition,
                                ItemIndex item) const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return catalogue_.watched_[condition].holds[item] != 0;
}

std::string_view Catalogue::ReadLock::Id(ItemIndex item) const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return catalogue_.ids_[item];
}

std::uint64_t Catalogue::ReadLock::OrderHash(ItemIndex item) const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return catalogue_.order_hash_[item];
}

void Catalogue::ReadLock::VisitInHashOrder(absl::FunctionRef<bool(ItemIndex item)> visit) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (const auto& [hash, item] : catalogue_.by_hash_) {
    if (!visit(item)) return;
  }
}

FieldIndex Catalogue::ReadLock::FindField(std::string_view name) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const auto found = catalogue_.field_index_.find(name);
  return found == catalogue_.field_index_.end() ? kNoField : found->second;
}

const FieldValue* Catalogue::ReadLock::FieldOf(ItemIndex item, FieldIndex field) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return catalogue_.FieldOfLocked(item, field);
}

const FieldValue* Catalogue::ReadLock::FieldOf(ItemIndex item, std::string_view name) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return catalogue_.FieldOfLocked(item, FindField(name));
}

std::uint64_t Catalogue::ReadLock::changes() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  return catalogue_.changes_;
}

void Catalogue::ReadLock::VisitChangedSince(std::uint64_t seen,
                                            absl::FunctionRef<void(ItemIndex item)> visit) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (catalogue_.changes_ - seen > kChangesKept) {
    for (ItemIndex item = 0; item < size(); ++item) visit(item);
    return;
  }
  for (; seen < catalogue_.changes_; ++seen) {
    visit(catalogue_.changed_items_[seen % kChangesKept]);
  }
}

std::vector<Field> Catalogue::ReadLock::FieldsOf(ItemIndex item) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  std::vector<Field> fields;
  for (const VersionedField& versioned : catalogue_.rows_[item].fields) {
    if (std::holds_alternative<std::monostate>(versioned.value)) continue;
    fields.push_back({catalogue_.field_names_[versioned.field], versioned.value});
  }
  std::sort(fields.begin(), fields.end(),
            [](const Field& a, const Field& b) { return a.name < b.name; });
  return fields;
}

}  // namespace fourfold
