#pragma once

#include <string_view>

namespace fourfold {

// src/server/openapi.json, which describes the API in OpenAPI 3.1, as it was at build time.
std::string_view OpenApiJson();

}  // namespace fourfold
