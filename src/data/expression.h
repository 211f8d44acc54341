#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "fourfold/event.h"

// One small boolean language over named fields, used for filters (`price < 5 and not (kind ==
// "postage")`), for import conditions (`starts_with(InvoiceNo, "C")`) and labels (`rating >= 4`).
//
//   expression := or;  or := and ("or" and)*;  and := not ("and" not)*;  not := "not" not | primary
//   primary    := "(" expression ")" | operand [comparison] | function | "true" | "false"
//   comparison := ("==" | "!=" | "<" | "<=" | ">" | ">=") operand | ["not"] "in" list
//   operand    := name | string | number | "true" | "false" | "null"
//   list       := "[" operand ("," operand)* "]"
//   function   := starts_with(x, "p") | ends_with(x, "s") | contains(x, "t") | matches(x, "re2")
//               | exists(name)
//   name       := letters, digits, _ and . ; `any name` in back-ticks. Strings: "..." or '...' with
//               \ as escape. Keywords in lower case.
//
// The first argument of a function names a field, the second is a string. Escapes: \\ \" \' \n \t
// \r. A name alone holds when the field is true.
//
// Missing fields and null: every comparison and function on one is false except == null, and
// != with a value, which is true. Numbers compare as numbers; a string that is a number compares
// with a number as one (CSV columns). Ordered comparison of strings is by bytes, of booleans and
// lists false. A list field: ==, in, contains and the functions hold when they hold for any of its
// elements. != is always the opposite of ==, and not in of in.
// Limits: 4,096 bytes of text, 64 levels of nesting, 256 nodes, 1,024 list elements.
namespace fourfold {

class Expression {
 public:
  // Null for an absent field.
  using FieldLookup = absl::FunctionRef<const FieldValue*(std::string_view name)>;

  // InvalidArgument with the column (1-based) and what was expected there.
  static absl::StatusOr<Expression> Parse(std::string_view text);

  // Const and thread-safe; without allocation (but for what RE2 caches).
  bool Evaluate(const FieldLookup& lookup) const;
  // The same over columns bound before: values[i] is that of field_names()[i], or null.
  bool EvaluateValues(absl::Span<const FieldValue* const> values) const;
  const std::vector<std::string>& field_names() const;  // each once, in order of first use
  const std::string& text() const;

 private:
  struct Program;
  explicit Expression(std::shared_ptr<const Program> program);
  std::shared_ptr<const Program> program_;  // immutable: copies of the expression share it
};

}  // namespace fourfold
