#include "online/policy/lists_hydrator.h"

namespace fourfold {
namespace {

void MarkAll(std::span<const std::string> items, std::uint32_t bit, const Query& query,
             ItemMarks* marks) {
  for (const std::string& item : items) {
    if (const ItemIndex index = query.catalogue->Find(item); index != kNoItem) {
      marks->Add(index, bit);
    }
  }
}

}  // namespace

ListsHydrator::ListsHydrator()
    : Hydrator({.name = "lists",
                .reads = {},
                .writes = {Column::kLists},
                .on_failure = OnFailure::kFailRequest}) {}

absl::Status ListsHydrator::Resolve(const Query& query, QueryColumns* columns) const {
  MarkAll(query.include_items, mark::kIncluded, query, &columns->marks);
  MarkAll(query.exclude_items, mark::kExcluded, query, &columns->marks);
  return absl::OkStatus();
}

}  // namespace fourfold
