#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "data/action.h"
#include "feature/event_store.h"
#include "feature/state/interner.h"
#include "feature/state/state_schema.h"

namespace fourfold {

// The facts about one item or user, readable at any read point.
class FactTimeline {
 public:
  // An item or user event. Only the fields in `wanted` are kept (StateSchema::FactsOf). Returns by
  // how much bytes() grew.
  std::size_t Insert(const LoggedEvent& logged, const std::vector<std::string>& wanted);
  // The value at the read point, as EventStore::ReadItem has it: null where there is none.
  const FieldValue* Find(std::string_view field, const StateRead& read) const;
  // The event time of the newest event seen; none where there is none.
  std::optional<std::int64_t> NewestMs(const StateRead& read) const;
  std::size_t bytes() const;

 private:
  struct Version {
    ActionEntry said;  // its times, position, digest and session
    bool deleted = false;
    std::vector<Field> fields;
  };
  std::vector<Version> versions_;  // by IsOlder
};

// The actions that are kept of one item, user or session, or of all of them (kGlobal). Const reads
// are thread-safe beside each other; Insert needs the state for itself.
class EntityState {
 public:
  // Both must outlive the state.
  EntityState(const StateSchema* schema, StateEntity entity, const ActionTable* actions);

  // An action of the table, known from `known_time_ms` on. Returns by how much bytes() grew.
  std::size_t Insert(ActionIndex action, std::int64_t known_time_ms);
  // Has the processor fetch what Insert will touch.
  void Prefetch(ActionIndex action) const;

  // Timelines of families are null where there is no such key. `key`: the item's TextIndex
  // (Split::kItem) or the field's value (kField), nothing (kNone).
  const Timeline* Find(std::size_t family, std::uint64_t key) const;

  std::size_t bytes() const;

 private:
  struct Family {
    Family(std::size_t in_schema, const ActionTable* actions, const TimelineFamily& of)
        : index(in_schema), whole(actions, &of.aggregates) {}
    std::size_t index;  // in the schema
    Timeline whole;     // Split::kNone
    absl::flat_hash_map<std::uint64_t, Timeline> parts;
  };

  static constexpr std::size_t kPartBytes = sizeof(std::pair<std::uint64_t, Timeline>) + 1;

  const StateSchema* schema_;
  const ActionTable* actions_;
  std::vector<Family> families_;
};

// An entry of a line of a history, or of an event of the log. Texts are interned; `values` gets the
// schema's action fields out of the event's.
ActionEntry EntryOf(const HistoryEntry& line, const StateSchema& schema, Interner* interner);
ActionEntry EntryOf(const LoggedEvent& logged, const StateSchema& schema, Interner* interner);
void ValuesOf(const std::vector<Field>& fields, const StateSchema& schema, Interner* interner,
              std::vector<double>* values);
// The key of a text or a number in a Split::kField family.
std::uint64_t KeyOfValue(double value);

}  // namespace fourfold
