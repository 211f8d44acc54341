#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "offline/dataset/interaction_table.h"

namespace fourfold {

// The rows of a table that one retriever counts, in the table's order: users ascending, each
// user's in time. Columns are parallel.
struct TrainingActions {
  std::size_t items = 0;  // in the table's dictionary
  std::vector<std::uint32_t> user;
  std::vector<std::uint32_t> item;
  std::vector<std::int64_t> event_time_ms;
  std::vector<std::uint32_t> tie_group;
  std::vector<std::size_t> user_begin;  // [users + 1]

  std::size_t rows() const { return item.size(); }
  std::size_t users() const { return user_begin.size() - 1; }
};

// Rows of these types; empty: all. A type that the table does not know selects nothing.
TrainingActions SelectActions(const InteractionTable& table,
                              const std::vector<std::string>& action_types);

// What users did with items, each pair once, at its newest time. Grouped by user, items in the
// order of their newest action.
struct UserItems {
  std::vector<std::size_t> user_begin;  // [users + 1]
  std::vector<std::uint32_t> item;
  std::vector<std::int64_t> newest_ms;

  std::size_t users() const { return user_begin.size() - 1; }
};

UserItems DistinctUserItems(const TrainingActions& actions);

// The places at which each value of `values` stands, ascending: those of value v are
// places[begin[v]] .. places[begin[v + 1] - 1]. Values are below `count`.
struct InvertedIndex {
  std::vector<std::size_t> begin;  // [count + 1]
  std::vector<std::size_t> places;

  std::span<const std::size_t> PlacesOf(std::uint32_t value) const {
    return {places.data() + begin[value], begin[value + 1] - begin[value]};
  }
};

InvertedIndex Invert(std::span<const std::uint32_t> values, std::size_t count);

}  // namespace fourfold
