#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "data/expression_program.h"

namespace fourfold::expression {

// Compiles `text` by the grammar and limits of data/expression.h into an empty program.
// InvalidArgument: "column 9: expected ...".
absl::Status ParseInto(std::string_view text, Program* program);

}  // namespace fourfold::expression
