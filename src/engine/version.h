#pragma once

#include <string_view>

namespace fourfold {

// "0.1.0": the version of the project.
std::string_view EngineVersion();

}  // namespace fourfold
