#pragma once

#include <string>
#include <vector>

#include "fourfold/event.h"

namespace fourfold {

// The values that an item has by a field when the field is side information, as texts: a text or a
// list of texts as it is, a truth value as "true" or "false", a number or each number of a list in
// its shortest form. Null has none.
std::vector<std::string> SideValuesOf(const FieldValue& value);

}  // namespace fourfold
