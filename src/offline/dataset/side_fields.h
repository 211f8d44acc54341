#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "feature/event_store.h"
#include "feature/read_point.h"

namespace fourfold {

// One field of the items as numbers into a dictionary: those of item i are
// value[begin[i]] .. value[begin[i + 1] - 1], rising, each once; none where it has no such field.
struct SideField {
  std::string name;
  std::vector<std::string> values;  // sorted
  std::vector<std::size_t> begin;   // [items + 1]
  std::vector<std::uint32_t> value;

  std::span<const std::uint32_t> ValuesOf(std::uint32_t item) const {
    return {value.data() + begin[item], begin[item + 1] - begin[item]};
  }
};

// What the items had in these fields at the read point; SideValuesOf (servable/side_values.h) says
// what counts as a value.
absl::StatusOr<std::vector<SideField>> ReadSideFields(const EventStore& store,
                                                      const std::vector<std::string>& items,
                                                      const std::vector<std::string>& names,
                                                      const ReadPoint& at);

// From the values of each item, in any order.
SideField MakeSideField(std::string name, const std::vector<std::vector<std::string>>& values);

}  // namespace fourfold
