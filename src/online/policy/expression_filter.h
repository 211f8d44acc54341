#pragma once

#include <memory>
#include <string>

#include "online/pipeline/stage.h"

namespace fourfold {

// Drops the items for whose fields an expression is false: the recipe's own ("recipe_filter"; only
// where the query applies the policy) or that of the request ("request_filter").
class ExpressionFilter final : public Filter {
 public:
  static std::unique_ptr<Filter> OfRecipe(const Expression* expression);  // null: drops nothing
  static std::unique_ptr<Filter> OfRequest();

  void Mark(const Query& query, std::span<const ItemIndex> items, DropMask* drop) const override;
  std::string Reason(const Query& query, ItemIndex item) const override;

 private:
  ExpressionFilter(std::string name, bool of_recipe, const Expression* expression);
  const Expression* ExpressionOf(const Query& query) const;

  const bool of_recipe_;
  const Expression* expression_;
};

}  // namespace fourfold
