#pragma once

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
  std::uint16_t TypeOf(std::string_view type) const {
    for (std::size_t i = 0; i < action_types.size(); ++i) {
      if (action_types[i] == type) return static_cast<std::uint16_t>(i);
    }
    return kOtherType;
  }
};

}  // namespace fourfold
