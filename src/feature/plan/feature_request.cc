#include "feature/plan/feature_request.h"

#include <algorithm>

namespace fourfold {

std::vector<Field> RequestFieldsOf(const Event& slate) {
  std::vector<Field> fields = slate.fields;
  if (slate.query_text.empty()) return fields;
  std::erase_if(fields, [](const Field& field) { return field.name == kQueryField; });
  fields.push_back({std::string(kQueryField), slate.query_text});
  return fields;
}

}  // namespace fourfold
