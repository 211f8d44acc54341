#include "offline/dataset/side_fields.h"

#include <algorithm>
#include <set>

#include "base/status_macros.h"
#include "base/strings.h"
#include "servable/side_values.h"

namespace fourfold {

SideField MakeSideField(std::string name, const std::vector<std::vector<std::string>>& values) {
  SideField field;
  field.name = std::move(name);
  std::set<std::string> dictionary;
  for (const auto& of_item : values) dictionary.insert(of_item.begin(), of_item.end());
  field.values.assign(dictionary.begin(), dictionary.end());
  field.begin = {0};
  for (const auto& of_item : values) {
    std::set<std::uint32_t> numbers;
    for (const std::string& value : of_item) {
      const auto found = std::lower_bound(field.values.begin(), field.values.end(), value);
      numbers.insert(static_cast<std::uint32_t>(found - field.values.begin()));
    }
    field.value.insert(field.value.end(), numbers.begin(), numbers.end());
    field.begin.push_back(field.value.size());
  }
  return field;
}

absl::StatusOr<std::vector<SideField>> ReadSideFields(const EventStore& store,
                                                      const std::vector<std::string>& items,
                                                      const std::vector<std::string>& names,
                                                      const ReadPoint& at) {
  std::vector<std::vector<std::vector<std::string>>> values(names.size());
  for (auto& of_field : values) of_field.resize(items.size());
  for (std::size_t item = 0; item < items.size() && !names.empty(); ++item) {
    FOURFOLD_ASSIGN_OR_RETURN(const EntityAsOf entity, store.ReadItem(items[item], at));
    if (!entity.exists) continue;
    for (const FieldAsOf& field : entity.fields) {
      const auto found = std::find(names.begin(), names.end(), field.name);
      if (found == names.end()) continue;
      values[static_cast<std::size_t>(found - names.begin())][item] = SideValuesOf(field.value);
    }
  }
  std::vector<SideField> fields;
  for (std::size_t i = 0; i < names.size(); ++i) {
    fields.push_back(MakeSideField(names[i], values[i]));
  }
  return fields;
}

}  // namespace fourfold
