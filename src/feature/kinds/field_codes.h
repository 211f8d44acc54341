#pragma once

#include <span>
#include <string_view>

#include "fourfold/event.h"

namespace fourfold {

// What stands for a value of a field where there is room for a number alone, for a ranker that has
// a vector for each: a whole number below 2^24, by the hash of the field's name and the value as a
// text, so that seldom two have the same.
inline constexpr int kFieldCodeBits = 24;

// The codes of a field's values, rising, each once: of a text or of each text of a list, of a
// number (in its shortest form) or of each of a list, of a truth value ("true", "false"). None for
// null. The smallest ones where there are more than `codes` has room for; kNoFeature fills the
// rest.
void FillFieldCodes(std::string_view field, const FieldValue& value, std::span<float> codes);

// The smallest one; kNoFeature for none.
float FieldCodeOf(std::string_view field, const FieldValue* value);
float TextCodeOf(std::string_view field, std::string_view text);  // of one text

}  // namespace fourfold
