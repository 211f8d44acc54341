#include "engine/engine_directory.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/status_macros.h"
#include "base/strings.h"
#include "servable/files.h"

namespace fourfold {
namespace {

constexpr int kFormatVersion = 1;

absl::Status CheckFormat(const std::string& path) {
  FOURFOLD_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const nlohmann::json format = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!format.is_object() || !format.contains("format_version") ||
      !format["format_version"].is_number_integer()) {
    return DataLoss(path, ": is not what an engine writes there");
  }
  const auto version = format["format_version"].get<std::int64_t>();
  if (version != kFormatVersion) {
    return FailedPrecondition(path, ": format version ", version,
                              ", but this engine reads version ", kFormatVersion);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EngineDirectory> EngineDirectory::Open(const std::string& path) {
  namespace fs = std::filesystem;
  if (path.empty()) return InvalidArgument("directory: must not be empty");
  EngineDirectory directory(path);
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return FailedPrecondition(path, ": cannot be made: ", error.message());
  const std::string marker = path + "/engine.json";
  if (fs::exists(marker, error)) {
    FOURFOLD_RETURN_IF_ERROR(CheckFormat(marker));
  } else {
    const bool is_empty = fs::is_empty(path, error);
    if (error) return FailedPrecondition(path, ": cannot be read: ", error.message());
    if (!is_empty) {
      return FailedPrecondition(path, ": holds other files and no engine; name an empty directory");
    }
    const nlohmann::json format = {{"format_version", kFormatVersion}, {"engine", "fourfold"}};
    FOURFOLD_RETURN_IF_ERROR(ReplaceFile(marker, format.dump() + "\n"));
  }
  for (const std::string& part : {directory.servables(), directory.temporary()}) {
    fs::create_directories(part, error);
    if (error) return FailedPrecondition(part, ": cannot be made: ", error.message());
  }
  return directory;
}

absl::Status EngineDirectory::EmptyTemporary() const {
  namespace fs = std::filesystem;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(temporary(), error)) {
    fs::remove_all(entry.path(), error);
    if (error) return FailedPrecondition(entry.path().string(), ": cannot be removed");
  }
  return absl::OkStatus();
}

bool EngineDirectory::HasRecipe() const {
  std::error_code error;
  return std::filesystem::exists(recipe(), error);
}

absl::Status EngineDirectory::SaveRecipe(std::string_view text) const {
  const absl::StatusOr<std::string> current = HasRecipe() ? ReadFile(recipe()) : std::string();
  if (current.ok() && *current == text) return absl::OkStatus();
  return ReplaceFile(recipe(), text);
}

}  // namespace fourfold
