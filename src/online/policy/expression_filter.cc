#include "online/policy/expression_filter.h"

#include <memory>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/strings.h"

namespace fourfold {
namespace {

// The fields that an expression names, found in the catalogue once for many items.
class Fields {
 public:
  Fields(const Expression& expression, const Catalogue::ReadLock& catalogue)
      : names_(expression.field_names()), catalogue_(catalogue) {
    for (const std::string& name : names_) indexes_.push_back(catalogue.FindField(name));
  }

  const FieldValue* Of(ItemIndex item, std::string_view name) const {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == name) return catalogue_.FieldOf(item, indexes_[i]);
    }
    return nullptr;
  }

 private:
  const std::vector<std::string>& names_;
  absl::InlinedVector<FieldIndex, 8> indexes_;
  const Catalogue::ReadLock& catalogue_;
};

}  // namespace

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
  const Fields fields(*expression, *query.catalogue);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (drop->IsDropped(i)) continue;
    const ItemIndex item = items[i];
    const auto lookup = [&](std::string_view name) { return fields.Of(item, name); };
    if (!expression->Evaluate(lookup)) drop->Drop(i);
  }
}

std::string ExpressionFilter::Reason(const Query& query, ItemIndex) const {
  return StrCat("is not: ", ExpressionOf(query)->text());
}

}  // namespace fourfold
