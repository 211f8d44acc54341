#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/world_recipe.h"

// Any text is a world or an error; nothing is thrown.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)fourfold::ParseWorldRecipe({reinterpret_cast<const char*>(data), size}, "fuzzed");
  return 0;
}
