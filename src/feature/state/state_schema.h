#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "feature/state/timeline.h"

// What of the events a plan's features need to be kept.
namespace fourfold {

// Whose events make up a state.
enum class StateEntity : std::uint8_t { kItem, kUser, kSession, kGlobal };
inline constexpr std::size_t kStateEntities = 4;

// How the actions of one entity are split into timelines.
struct TimelineFamily {
  enum class Split : std::uint8_t {
    kNone,   // one timeline
    kItem,   // one for each item acted on
    kField,  // one for each value of a field of the action
  };
  StateEntity entity = StateEntity::kItem;
  Split split = Split::kNone;
  int field = -1;  // kField: index into action_fields
  std::vector<Aggregate> aggregates;
  friend bool operator==(const TimelineFamily&, const TimelineFamily&) = default;
};

// A field of the actions that features read. As a number, or a text's TextIndex; NaN where the
// action has no such field or one of another type.
struct ActionField {
  std::string name;
  bool is_text = false;
  friend bool operator==(const ActionField&, const ActionField&) = default;
};

struct StateSchema {
  std::vector<std::string> action_types;  // type t of an entry; all others are kOtherType
  static constexpr std::uint16_t kOtherType = 63;
  static constexpr std::size_t kActionTypesMax = 63;
  std::vector<ActionField> action_fields;
  std::vector<TimelineFamily> families;
  std::vector<std::string> item_fields;  // facts that features read
  std::vector<std::string> user_fields;

  bool Keeps(StateEntity entity) const {
    for (const TimelineFamily& family : families) {
      if (family.entity == entity) return true;
    }
    return false;
  }
  // The facts about an item or user that features read.
  const std::vector<std::string>& FactsOf(StateEntity entity) const {
    return entity == StateEntity::kItem ? item_fields : user_fields;
  }
  bool KeepsFacts(StateEntity entity) const {
    return (entity == StateEntity::kItem || entity == StateEntity::kUser) &&
           !FactsOf(entity).empty();
  }
  // Whether all of `begin` stands here at the same places, so that what was made to read a state of
  // that can read one of this.
  bool Extends(const StateSchema& begin) const {
    const auto starts_with = [](const auto& all, const auto& first) {
      return first.size() <= all.size() && std::equal(first.begin(), first.end(), all.begin());
    };
    if (families.size() < begin.families.size()) return false;
    for (std::size_t i = 0; i < begin.families.size(); ++i) {
      const TimelineFamily& of = begin.families[i];
      if (families[i].entity != of.entity || families[i].split != of.split ||
          families[i].field != of.field || !starts_with(families[i].aggregates, of.aggregates)) {
        return false;
      }
    }
    return starts_with(action_types, begin.action_types) &&
           starts_with(action_fields, begin.action_fields) &&
           starts_with(item_fields, begin.item_fields) &&
           starts_with(user_fields, begin.user_fields);
  }
  std::uint16_t TypeOf(std::string_view type) const {
    for (std::size_t i = 0; i < action_types.size(); ++i) {
      if (action_types[i] == type) return static_cast<std::uint16_t>(i);
    }
    return kOtherType;
  }
  friend bool operator==(const StateSchema&, const StateSchema&) = default;
  // Of two schemas of which one extends the other the same where they keep the same.
  std::size_t PartCount() const {
    std::size_t count = action_types.size() + action_fields.size() + item_fields.size() +
                        user_fields.size() + families.size();
    for (const TimelineFamily& family : families) count += family.aggregates.size();
    return count;
  }
};

// What of a state the features of a plan read.
struct StateUse {
  std::vector<bool> families;  // by their places in the schema; past the end: not read
  std::array<bool, kStateEntities> actions{};
  std::array<bool, kStateEntities> facts{};

  bool Reads(StateEntity entity) const { return actions[static_cast<std::size_t>(entity)]; }
  bool ReadsFacts(StateEntity entity) const { return facts[static_cast<std::size_t>(entity)]; }
};

}  // namespace fourfold
