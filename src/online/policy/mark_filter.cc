#include "online/policy/mark_filter.h"

#include <utility>

namespace fourfold {

MarkFilter::MarkFilter(std::string name, Column column, std::uint32_t bit, std::string reason)
    : Filter({.name = std::move(name),
              .reads = {column},
              .writes = {Column::kDropped},
              .on_failure = OnFailure::kFailRequest}),
      bit_(bit),
      reason_(std::move(reason)) {}

void MarkFilter::Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if ((query.columns->marks.Get(items[i]) & bit_) != 0) drop->Drop(i);
  }
}

std::string MarkFilter::Reason(const Query&, ItemIndex) const { return reason_; }

IncludeFilter::IncludeFilter()
    : Filter({.name = "include_items",
              .reads = {Column::kLists},
              .writes = {Column::kDropped},
              .on_failure = OnFailure::kFailRequest}) {}

void IncludeFilter::Mark(const Query& query, std::span<const ItemIndex> items,
                         DropMask* drop) const {
  if (query.include_items.empty()) return;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if ((query.columns->marks.Get(items[i]) & mark::kIncluded) == 0) drop->Drop(i);
  }
}

std::string IncludeFilter::Reason(const Query&, ItemIndex) const {
  return "is not in the request's include_items";
}

ExistenceFilter::ExistenceFilter()
    : Filter({.name = "existence",
              .reads = {},
              .writes = {Column::kDropped},
              .on_failure = OnFailure::kFailRequest}) {}

void ExistenceFilter::Mark(const Query& query, std::span<const ItemIndex> items,
                           DropMask* drop) const {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!query.catalogue->Exists(items[i])) drop->Drop(i);
  }
}

std::string ExistenceFilter::Reason(const Query&, ItemIndex) const {
  return "is not in the catalogue: never declared, or deleted";
}

}  // namespace fourfold
