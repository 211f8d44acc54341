#pragma once

#include <string>

#include "online/pipeline/stage.h"

namespace fourfold {

// Drops the items for whose fields the recipe's condition is false, where the query applies the
// policy. The catalogue watches it: a look-up an item.
class RecipeFilter final : public Filter {
 public:
  RecipeFilter(const Expression& condition, Catalogue* catalogue);

  void Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const override;
  std::string Reason(const Query& query, ItemIndex item) const override;

 private:
  const std::string text_;
  const ConditionIndex condition_;
};

}  // namespace fourfold
