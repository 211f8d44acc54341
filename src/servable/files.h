#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/digest.h"

// Whole files, with the errors named and the disk told when it matters.
namespace fourfold {

// NotFound when there is no such file. Errors name the path.
absl::StatusOr<std::string> ReadFile(const std::string& path);
absl::StatusOr<Digest> DigestFile(const std::string& path);

// On disk when it returns, but not atomic and not necessarily under its name yet.
absl::Status WriteFileSynced(const std::string& path, std::string_view contents);
// Pushes a file's contents, or the names within a directory, to disk.
absl::Status SyncPath(const std::string& path);
// The file holds either the old or the new contents, whenever the process or the machine stops.
absl::Status ReplaceFile(const std::string& path, std::string_view contents);

}  // namespace fourfold
