#include "feature/state/entity_state.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "feature/event_store_codec.h"

namespace fourfold {

void FactTimeline::Insert(const LoggedEvent& logged, const std::vector<std::string>& wanted) {
  Version version;
  version.said.event_time_ms = logged.event.event_time_ms;
  version.said.known_time_ms = logged.known_time_ms;
  version.said.position = logged.position;
  version.said.event_digest = DigestOf(logged.event.id);
  version.said.session = HashOfId(logged.event.session);
  version.deleted = logged.event.deleted;
  for (const Field& field : logged.event.fields) {
    if (std::find(wanted.begin(), wanted.end(), field.name) != wanted.end()) {
      version.fields.push_back(field);
    }
  }
  const auto place =
      std::upper_bound(versions_.begin(), versions_.end(), version,
                       [](const Version& a, const Version& b) { return IsOlder(a.said, b.said); });
  versions_.insert(place, std::move(version));
}

const FieldValue* FactTimeline::Find(std::string_view field, const StateRead& read) const {
  for (auto version = versions_.rbegin(); version != versions_.rend(); ++version) {
    if (!read.Sees(version->said)) continue;
    if (version->deleted) return nullptr;
    for (const Field& said : version->fields) {
      if (said.name != field) continue;
      return std::holds_alternative<std::monostate>(said.value) ? nullptr : &said.value;
    }
  }
  return nullptr;
}

std::size_t FactTimeline::bytes() const {
  std::size_t sum = versions_.capacity() * sizeof(Version);
  for (const Version& version : versions_) sum += version.fields.size() * (sizeof(Field) + 32);
  return sum;
}

EntityState::EntityState(const StateSchema* schema, StateEntity entity)
    : schema_(schema), entity_(entity) {
  for (std::size_t family = 0; family < schema->families.size(); ++family) {
    if (schema->families[family].entity == entity) splits_.push_back({family, {}});
  }
}

namespace {

// The key that an entry has in a family; false where it has none.
bool KeyIn(const TimelineFamily& family, const ActionEntry& entry, std::span<const double> values,
           std::uint64_t* key) {
  switch (family.split) {
    case TimelineFamily::Split::kNone:
      *key = 0;
      return true;
    case TimelineFamily::Split::kItem:
      *key = entry.item;
      return entry.item != 0;
    case TimelineFamily::Split::kField:
      const double value = values[static_cast<std::size_t>(family.field)];
      *key = KeyOfValue(value);
      return !std::isnan(value);
  }
  return false;
}

}  // namespace

void EntityState::Insert(const ActionEntry& entry, std::span<const double> values) {
  for (Split& split : splits_) {
    const TimelineFamily& family = schema_->families[split.family];
    std::uint64_t key = 0;
    if (!KeyIn(family, entry, values, &key)) continue;
    split.timelines.try_emplace(key, values.size(), &family.aggregates)
        .first->second.Insert(entry, values);
  }
}

bool EntityState::Contains(const ActionEntry& entry) const {
  for (const Split& split : splits_) {
    for (const auto& [key, timeline] : split.timelines) {
      if (timeline.Contains(entry)) return true;
    }
  }
  return false;
}

void EntityState::InsertFacts(const LoggedEvent& logged) {
  facts_.Insert(logged,
                entity_ == StateEntity::kItem ? schema_->item_fields : schema_->user_fields);
}

const Timeline* EntityState::Find(std::size_t family, std::uint64_t key) const {
  for (const Split& split : splits_) {
    if (split.family != family) continue;
    const auto found = split.timelines.find(key);
    return found == split.timelines.end() ? nullptr : &found->second;
  }
  return nullptr;
}

std::size_t EntityState::bytes() const {
  std::size_t sum = sizeof(EntityState) + facts_.bytes();
  for (const Split& split : splits_) {
    sum += sizeof(Split) + split.timelines.capacity() * sizeof(std::uint64_t);
    for (const auto& [key, timeline] : split.timelines) sum += timeline.bytes();
  }
  return sum;
}

ActionEntry EntryOf(const HistoryEntry& line, const StateSchema& schema, Interner* interner) {
  ActionEntry entry;
  entry.event_time_ms = line.event_time_ms;
  entry.known_time_ms = line.known_time_ms;
  entry.position = line.position;
  entry.event_digest = line.event_digest;
  entry.user = HashOfId(line.user);
  entry.session = HashOfId(line.session);
  entry.tie_group = HashOfId(line.tie_group);
  entry.step = line.step;
  entry.item = interner->Intern(line.item);
  entry.type_name = interner->Intern(line.type);
  entry.type = schema.TypeOf(line.type);
  return entry;
}

void ValuesOf(const std::vector<Field>& fields, const StateSchema& schema, Interner* interner,
              std::vector<double>* values) {
  values->assign(schema.action_fields.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < schema.action_fields.size(); ++i) {
    const ActionField& wanted = schema.action_fields[i];
    for (const Field& field : fields) {
      if (field.name != wanted.name) continue;
      const auto* text = std::get_if<std::string>(&field.value);
      const auto* number = std::get_if<double>(&field.value);
      const auto* flag = std::get_if<bool>(&field.value);
      if (wanted.is_text && text != nullptr) (*values)[i] = interner->Intern(*text);
      if (!wanted.is_text && number != nullptr) (*values)[i] = *number;
      if (!wanted.is_text && flag != nullptr) (*values)[i] = *flag ? 1 : 0;
      break;
    }
  }
}

std::uint64_t KeyOfValue(double value) {
  return std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);  // -0 is 0
}

}  // namespace fourfold
