#include "feature/state/entity_state.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "feature/event_store_codec.h"

namespace fourfold {
namespace {

constexpr std::size_t kFieldBytes = sizeof(Field) + 32;  // with about what its texts take

}  // namespace

std::size_t FactTimeline::Insert(const LoggedEvent& logged,
                                 const std::vector<std::string>& wanted) {
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
  const std::size_t room = versions_.capacity();
  const std::size_t fields = version.fields.size();
  versions_.insert(place, std::move(version));
  return (versions_.capacity() - room) * sizeof(Version) + fields * kFieldBytes;
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

std::optional<std::int64_t> FactTimeline::NewestMs(const StateRead& read) const {
  for (auto version = versions_.rbegin(); version != versions_.rend(); ++version) {
    if (read.Sees(version->said)) return version->said.event_time_ms;
  }
  return std::nullopt;
}

std::size_t FactTimeline::bytes() const {
  std::size_t sum = versions_.capacity() * sizeof(Version);
  for (const Version& version : versions_) sum += version.fields.size() * kFieldBytes;
  return sum;
}

EntityState::EntityState(const StateSchema* schema, StateEntity entity, const ActionTable* actions)
    : schema_(schema), actions_(actions) {
  for (std::size_t index = 0; index < schema->families.size(); ++index) {
    const TimelineFamily& family = schema->families[index];
    if (family.entity != entity) continue;
    families_.emplace_back(index, actions, family);
  }
}

namespace {

// The key that an action has in a family with a split; false where it has none.
bool KeyIn(const TimelineFamily& family, const ActionTable& actions, ActionIndex action,
           std::uint64_t* key) {
  if (family.split == TimelineFamily::Split::kItem) {
    *key = actions.EntryOf(action).item;
    return *key != 0;
  }
  const double value = actions.ValuesOf(action)[static_cast<std::size_t>(family.field)];
  *key = KeyOfValue(value);
  return value > 0;  // a text; 0 is the empty one, for which no request asks
}

}  // namespace

void EntityState::Prefetch(ActionIndex action) const {
  for (const Family& family : families_) {
    const TimelineFamily& of = schema_->families[family.index];
    std::uint64_t key = 0;
    if (of.split == TimelineFamily::Split::kNone) {
      family.whole.Prefetch();
    } else if (KeyIn(of, *actions_, action, &key)) {
      family.parts.prefetch(key);
    }
  }
}

std::size_t EntityState::Insert(ActionIndex action, std::int64_t known_time_ms) {
  std::size_t grown = 0;
  for (Family& family : families_) {
    const TimelineFamily& of = schema_->families[family.index];
    if (of.split == TimelineFamily::Split::kNone) {
      grown += family.whole.Insert(action, known_time_ms);
      continue;
    }
    std::uint64_t key = 0;
    if (!KeyIn(of, *actions_, action, &key)) continue;
    const std::size_t room = family.parts.capacity();
    Timeline& part = family.parts.try_emplace(key, actions_, &of.aggregates).first->second;
    grown += part.Insert(action, known_time_ms) + (family.parts.capacity() - room) * kPartBytes;
  }
  return grown;
}

const Timeline* EntityState::Find(std::size_t family, std::uint64_t key) const {
  for (const Family& kept : families_) {
    if (kept.index != family) continue;
    if (schema_->families[family].split == TimelineFamily::Split::kNone) return &kept.whole;
    const auto found = kept.parts.find(key);
    return found == kept.parts.end() ? nullptr : &found->second;
  }
  return nullptr;
}

std::size_t EntityState::bytes() const {
  std::size_t sum = sizeof(EntityState);
  for (const Family& family : families_) {
    sum += sizeof(Family) + family.whole.bytes() - sizeof(Timeline) +
           family.parts.capacity() * kPartBytes;
    for (const auto& [key, timeline] : family.parts) sum += timeline.bytes() - sizeof(Timeline);
  }
  return sum;
}

ActionEntry EntryOf(const HistoryEntry& line, const StateSchema& schema, Interner* interner) {
  return {.event_time_ms = line.event_time_ms,
          .known_time_ms = line.known_time_ms,
          .position = line.position,
          .event_digest = line.event_digest,
          .user = HashOfId(line.user),
          .session = HashOfId(line.session),
          .tie_group = HashOfId(line.tie_group),
          .step = line.step,
          .item = interner->Intern(line.item),
          .type_name = interner->Intern(line.type),
          .type = schema.TypeOf(line.type)};
}

ActionEntry EntryOf(const LoggedEvent& logged, const StateSchema& schema, Interner* interner) {
  const Event& event = logged.event;
  return {.event_time_ms = event.event_time_ms,
          .known_time_ms = logged.known_time_ms,
          .position = logged.position,
          .event_digest = DigestOf(event.id),
          .user = HashOfId(event.user),
          .session = HashOfId(event.session),
          .tie_group = HashOfId(event.tie_group),
          .step = event.step,
          .item = interner->Intern(event.item),
          .type_name = interner->Intern(event.type),
          .type = schema.TypeOf(event.type)};
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
