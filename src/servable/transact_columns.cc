#include "servable/transact_columns.h"

#include <algorithm>
#include <variant>

namespace fourfold {

std::vector<TransActRankerModel::Column> TransActColumnsOf(const FeaturePlan& plan,
                                                           std::string_view sequence) {
  using Column = TransActRankerModel::Column;
  std::vector<Column> columns;
  for (const bool per_candidate : {false, true}) {
    for (const FeaturePlan::Output& output : plan.columns()) {
      if (output.per_candidate != per_candidate) continue;
      Column column = Column::kNumber;
      if (!output.sequence.empty()) {
        column = output.sequence == sequence ? Column::kItemCode : Column::kUnused;
      } else if (output.kind->is_code()) {
        column = Column::kCategory;
      }
      columns.push_back(column);
    }
  }
  const bool has_others = std::any_of(columns.begin(), columns.end(),
                                      [](Column column) { return column != Column::kNumber; });
  return has_others ? columns : std::vector<Column>();
}

std::vector<std::string> ItemFieldsOf(const FeaturePlan& plan, std::string_view sequence) {
  for (const FeatureDeclaration& declaration : plan.declarations()) {
    if (declaration.name != sequence) continue;
    for (const Field& parameter : declaration.parameters) {
      if (parameter.name != "item_fields") continue;
      const auto* const fields = std::get_if<std::vector<std::string>>(&parameter.value);
      const auto* const field = std::get_if<std::string>(&parameter.value);
      if (fields != nullptr) return *fields;
      if (field != nullptr) return {*field};
    }
  }
  return {};
}

}  // namespace fourfold
