#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "servable/servable.h"

// manifest.json: docs/formats.md, "Servable".
namespace fourfold {

inline constexpr int kServableFormatVersion = 6;

// The version that a manifest's contents have.
absl::StatusOr<std::string> VersionOf(const ServableManifest& manifest);

// InvalidArgument when a number is not finite or a string is not UTF-8.
absl::StatusOr<std::string> ManifestToJson(const ServableManifest& manifest);
// Accepts exactly what ManifestToJson writes, byte for byte, with version and checksum right.
// DataLoss otherwise; FailedPrecondition for another format or format version.
absl::StatusOr<ServableManifest> ManifestFromJson(std::string_view text);

}  // namespace fourfold
