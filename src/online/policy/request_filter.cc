#include "online/policy/request_filter.h"

#include "absl/container/inlined_vector.h"
#include "base/strings.h"

namespace fourfold {

RequestFilter::RequestFilter()
    : Filter({.name = "request_filter",
              .reads = {},
              .writes = {Column::kDropped},
              .on_failure = OnFailure::kFailRequest}) {}

void RequestFilter::Mark(const Query& query, std::span<const ItemIndex> items,
                         DropMask* drop) const {
  const Expression* const expression = query.filter;
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

std::string RequestFilter::Reason(const Query& query, ItemIndex) const {
  return StrCat("is not: ", query.filter->text());
}

}  // namespace fourfold
