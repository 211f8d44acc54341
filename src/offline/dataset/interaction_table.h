#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/strings.h"
#include "feature/event_store.h"
#include "feature/read_point.h"

namespace fourfold {

// The actions of a log as columns of ids into dictionaries: what every retrieval trainer reads.
// Rows stand grouped by user (dictionary order), each user's in (event time, event id digest)
// order. Anonymous sessions are users of their own, named "session:<id>", unless they became
// somebody's. 26 bytes a row.
struct InteractionTable {
  std::vector<std::string> users;
  std::vector<std::string> items;  // sorted by id: the order does not depend on the log's
  std::vector<std::string> types;
  StringMap<std::uint32_t> item_index;

  std::vector<std::size_t> user_begin;  // [users + 1]: rows of user u are [begin[u], begin[u+1])
  std::vector<std::uint32_t> item;      // per row
  std::vector<std::uint16_t> type;
  std::vector<std::int64_t> event_time_ms;
  // When each row could have been known (HistoryEntry::known_time_ms). Empty: each row at its event
  // time.
  std::vector<std::int64_t> known_time_ms;
  // Rows with the same non-zero number and user are one tie group.
  std::vector<std::uint32_t> tie_group;

  std::size_t rows() const { return item.size(); }
};

struct InteractionTableOptions {
  ReadPoint at;
  std::int64_t since_ms = kSinceForEverMs;  // leave out what happened before
  std::vector<std::string> action_types;    // empty: all
  bool declared_items_only = false;         // leave out actions on items without an item event
};

absl::StatusOr<InteractionTable> ReadInteractions(const EventStore& store,
                                                  const InteractionTableOptions& options);

}  // namespace fourfold
