#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/recipe.h"

// Any text is a recipe or an error; nothing is thrown. The first line may hold an override.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)fourfold::ParseRecipe(text, "fuzzed");
  const std::size_t line_end = text.find('\n');
  const std::size_t equals = text.substr(0, line_end).find('=');
  if (equals == std::string_view::npos || line_end == std::string_view::npos) return 0;
  const fourfold::Environment overrides = {
      {"FOURFOLD_" + std::string(text.substr(0, equals)),
       std::string(text.substr(equals + 1, line_end - equals - 1))}};
  (void)fourfold::ParseRecipe(text.substr(line_end + 1), "fuzzed", overrides);
  return 0;
}
