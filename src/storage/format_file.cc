#include "storage/format_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/status_macros.h"
#include "base/strings.h"

namespace fourfold::storage {
namespace {

namespace fs = std::filesystem;

absl::Status SystemError(const std::string& path, int error) {
  return absl::UnavailableError(StrCat(path, ": ", std::strerror(error)));
}

std::string FormatText(const StoreOptions& options) {
  return StrCat(options.format_name, "\nversion ", options.format_version, "\n");
}

absl::Status SyncPath(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return SystemError(path, errno);
  const int result = fsync(file);
  const int error = errno;
  close(file);
  return result == 0 ? absl::OkStatus() : SystemError(path, error);
}

// Whole or not at all, also when the machine stops.
absl::Status WriteFormat(const std::string& directory, const StoreOptions& options) {
  const std::string unfinished = directory + "/FORMAT.unfinished";
  std::ofstream file(unfinished, std::ios::binary | std::ios::trunc);
  file << FormatText(options);
  file.close();
  if (!file) return absl::UnavailableError(StrCat(unfinished, ": cannot be written"));
  FOURFOLD_RETURN_IF_ERROR(SyncPath(unfinished));
  std::error_code error;
  fs::rename(unfinished, directory + "/FORMAT", error);
  if (error) return SystemError(directory + "/FORMAT", error.value());
  return SyncPath(directory);
}

absl::Status Make(const std::string& directory, const StoreOptions& options) {
  if (!options.create_if_missing) return FailedPrecondition(directory, ": there is no store");
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return SystemError(directory, error.value());
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().filename() == "FORMAT.unfinished") continue;
    return FailedPrecondition(directory, ": holds ", entry.path().filename().string(),
                              " but no FORMAT file, so it is not a store");
  }
  if (error) return SystemError(directory, error.value());
  return WriteFormat(directory, options);
}

}  // namespace

absl::Status CheckFormat(const std::string& directory, const StoreOptions& options) {
  const std::string path = directory + "/FORMAT";
  std::ifstream file(path, std::ios::binary);
  if (!file) return Make(directory, options);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (text == FormatText(options)) return absl::OkStatus();

  const std::size_t line_end = text.find('\n');
  constexpr std::string_view kVersion = "version ";
  if (line_end == std::string::npos || text.compare(line_end + 1, kVersion.size(), kVersion) != 0) {
    return DataLoss(path, ": is not readable as a format");
  }
  const std::string name = text.substr(0, line_end);
  if (name != options.format_name) {
    return FailedPrecondition(directory, ": holds \"", name, "\", not \"", options.format_name,
                              "\"");
  }
  std::string version = text.substr(line_end + 1 + kVersion.size());
  if (!version.empty() && version.back() == '\n') version.pop_back();
  return FailedPrecondition(directory, ": has format version ", version, " of ", name,
                            "; this program reads version ", options.format_version);
}

absl::Status CheckDatabaseFiles(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path) || fs::exists(path + "/CURRENT")) return absl::OkStatus();
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".sst" || extension == ".log") {
      return DataLoss(path, ": holds ", entry.path().filename().string(),
                      " but the file CURRENT is missing");
    }
  }
  if (error) return SystemError(path, error.value());
  return absl::OkStatus();
}

}  // namespace fourfold::storage
