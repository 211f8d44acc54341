#include "online/policy/recipe_filter.h"

#include "base/strings.h"

namespace fourfold {

RecipeFilter::RecipeFilter(const Expression& condition, Catalogue* catalogue)
    : Filter({.name = "recipe_filter",
              .reads = {},
              .writes = {Column::kDropped},
              .on_failure = OnFailure::kFailRequest}),
      text_(condition.text()),
      condition_(catalogue->Watch(condition)) {}

void RecipeFilter::Mark(const Query& query, std::span<const ItemIndex> items,
                        DropMask* drop) const {
  if (!query.apply_policy) return;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!query.catalogue->Holds(condition_, items[i])) drop->Drop(i);
  }
}

std::string RecipeFilter::Reason(const Query&, ItemIndex) const {
  return StrCat("is not: ", text_);
}

}  // namespace fourfold
