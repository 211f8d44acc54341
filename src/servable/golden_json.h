#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "servable/servable.h"

// golden.json: docs/formats.md, "Servable".
namespace fourfold {

// InvalidArgument when a number is not finite or a string is not UTF-8.
absl::StatusOr<std::string> GoldenToJson(const GoldenSet& golden);
// DataLoss for anything that GoldenToJson does not write. An empty list comes back as a list of
// strings.
absl::StatusOr<GoldenSet> GoldenFromJson(std::string_view text);

}  // namespace fourfold
