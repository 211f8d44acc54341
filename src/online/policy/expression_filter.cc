#include "online/policy/expression_filter.h"

#include <memory>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/strings.h"

namespace fourfold {

ExpressionFilter::ExpressionFilter(std::string name, bool of_recipe, const Expression* expression)
    : Filter({.name = std::move(name),
              .reads = {},
              .writes = {Column::kDropped},
              .on_failure = OnFailure::kFailRequest}),
      of_recipe_(of_recipe),
      expression_(expression) {}

std::unique_ptr<Filter> ExpressionFilter::OfRecipe(const Expression* expression) {
  return std::unique_ptr<Filter>(new ExpressionFilter("recipe_filter", true, expression));
}

std::unique_ptr<Filter> ExpressionFilter::OfRequest() {
  return std::unique_ptr<Filter>(new ExpressionFilter("request_filter", false, nullptr));
}

const Expression* ExpressionFilter::ExpressionOf(const Query& query) const {
  if (!of_recipe_) return query.filter;
  return query.apply_policy ? expression_ : nullptr;
}

void ExpressionFilter::Mark(const Query& query, std::span<const ItemIndex> items,
                            DropMask* drop) const {
  const Expression* const expression = ExpressionOf(query);
  if (expression == nullptr) return;
  const Catalogue::ReadLock& catalogue = *query.catalogue;
  absl::InlinedVector<FieldIndex, 8> fields;
  for (const std::string& name : expression->field_names()) {
    fields.push_back(catalogue.FindField(name));
  }
  absl::InlinedVector<const FieldValue*, 8> values(fields.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (drop->IsDropped(i)) continue;
    for (std::size_t f = 0; f < fields.size(); ++f) {
      values[f] = catalogue.FieldOf(items[i], fields[f]);
    }
    if (!expression->EvaluateValues(values)) drop->Drop(i);
  }
}

std::string ExpressionFilter::Reason(const Query& query, ItemIndex) const {
  return StrCat("is not: ", ExpressionOf(query)->text());
}

}  // namespace fourfold
