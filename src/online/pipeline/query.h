#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/action.h"
#include "data/expression.h"
#include "feature/catalogue.h"
#include "feature/read_point.h"
#include "online/pipeline/item_marks.h"
#include "servable/servable.h"

namespace fourfold {

class BoundServable;

// What hydrators add to a query: everything that a request reads from the stores,
// and what follows from it for each item.
struct QueryColumns {
  // kHistory: the actions of the user and the session, newest first, and parallel to them the items
  // (kNoItem for one that the catalogue has never heard of).
  std::vector<HistoryEntry> history;
  std::vector<ItemIndex> history_items;
  // kShownSlates: slates shown to them, newest first; only where a seen rule counts impressions.
  std::vector<HistoryEntry> slates;
  // kSeen: actions before those of kHistory that a seen rule counts, newest first.
  std::vector<HistoryEntry> seen_before;
  // kPages: the items of the pages before this one.
  std::vector<std::string> page_items;
  // Per item the bits below: kLists, kPages and kSeen.
  ItemMarks marks;
};

namespace mark {
inline constexpr std::uint32_t kIncluded = 1;     // kLists: named by include_items
inline constexpr std::uint32_t kExcluded = 2;     // kLists: named by exclude_items
inline constexpr std::uint32_t kOnAPage = 4;      // kPages
inline constexpr std::uint32_t kActedOn = 8;      // kSeen: by a seen rule for actions
inline constexpr std::uint32_t kShownOften = 16;  // kSeen: by the rule for impressions
}  // namespace mark

// A request as the stages see it: what was asked, and what hydrators found. Everything that it
// points to outlives the request.
struct Query {
  std::string_view user;
  std::string_view session;
  std::string_view surface;
  std::span<const Field> fields;  // of the request: device, place, ...
  ReadPoint at;
  int limit = 0;
  const Expression* filter = nullptr;          // null: none
  std::span<const std::string> include_items;  // empty: everything may be shown
  std::span<const std::string> exclude_items;
  std::string_view after_request;           // empty: a first page
  bool apply_policy = true;                 // the recipe's filter and its seen rules
  const BoundServable* servable = nullptr;  // never null; may hold no servable
  const BlendSpec* blend = nullptr;         // never null
  std::string_view only_retriever;          // that list alone: no blend, no fill
  bool ranked = true;                       // false: the trained ranker is not asked
  // A retriever hands on `depth` times its usual number of candidates: above 1 when filters left
  // too few.
  int depth = 1;

  const Catalogue::ReadLock* catalogue = nullptr;  // null while hydrators fetch
  const QueryColumns* columns = nullptr;           // never null

  // How much a retriever's list counts; 0: it is not asked.
  double WeightOf(const std::string& retriever) const {
    if (!only_retriever.empty()) return retriever == only_retriever ? 1 : 0;
    const auto weight = blend->weights.find(retriever);
    return weight == blend->weights.end() ? 0 : weight->second;
  }
};

}  // namespace fourfold
