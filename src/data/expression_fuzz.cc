#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "data/expression.h"

// An expression that parses gives the same answer both ways, and not (...) the opposite one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fourfold;
  static const std::vector<FieldValue> kValues = {
      std::monostate(),
      true,
      -2.5,
      std::string("goods"),
      std::string("12"),
      std::vector<std::string>{"a", "tea cup"},
      std::vector<double>{3, 5},
  };
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto expression = Expression::Parse(text);
  if (!expression.ok()) {
    FOURFOLD_CHECK(!expression.status().message().empty());
    return 0;
  }
  const std::vector<std::string>& names = expression->field_names();
  for (std::size_t shift = 0; shift < kValues.size(); ++shift) {
    std::vector<const FieldValue*> values;
    for (std::size_t i = 0; i < names.size(); ++i) {
      values.push_back(&kValues[(i + shift) % kValues.size()]);
    }
    const auto lookup = [&](std::string_view name) -> const FieldValue* {
      const auto at = std::find(names.begin(), names.end(), name) - names.begin();
      return values[static_cast<std::size_t>(at)];
    };
    const bool holds = expression->Evaluate(lookup);
    FOURFOLD_CHECK(holds == expression->EvaluateValues(values));
    const auto opposite = Expression::Parse(StrCat("not (", text, ")"));
    if (opposite.ok()) FOURFOLD_CHECK(opposite->Evaluate(lookup) != holds);
  }
  return 0;
}
