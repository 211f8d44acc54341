#pragma once

#include <string_view>

namespace fourfold {

inline constexpr std::string_view kEngineVersion = "0.1.0";

}  // namespace fourfold
