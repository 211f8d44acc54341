#include "servable/servable_repository.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/status_macros.h"
#include "base/strings.h"
#include "servable/files.h"
#include "servable/json_fields.h"

namespace fourfold {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kStateFile[] = "state.json";
constexpr int kStateFormatVersion = 1;

template <typename Archive, typename State>
void VisitState(Archive& archive, State& state) {
  archive.Field("active", state.active);
  archive.Field("previous", state.previous);
}

// A version is a name within the directory, never a way out of it.
bool IsVersion(std::string_view version) {
  return version.size() == 32 && std::all_of(version.begin(), version.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string TemporaryPrefix() { return StrCat(".tmp-", getpid(), "-"); }

}  // namespace

std::string ServableRepository::PathOf(const std::string& version) const {
  return fs::path(directory_) / version;
}

absl::StatusOr<ServableRepository::State> ServableRepository::ReadState() const {
  const std::string path = PathOf(kStateFile);
  const auto text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return State{};
  if (!text.ok()) return text.status();
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  JsonReader reader(json, path);
  int format_version = 0;
  reader.Field("format_version", format_version);
  if (reader.status().ok() && format_version != kStateFormatVersion) {
    return FailedPrecondition(path, ": format version ", format_version, "; this engine reads ",
                              kStateFormatVersion);
  }
  State state;
  VisitState(reader, state);
  FOURFOLD_RETURN_IF_ERROR(reader.status());
  for (const std::string& version : {state.active, state.previous}) {
    if (!version.empty() && !IsVersion(version)) {
      return DataLoss(path, ": \"", version, "\" is not a version");
    }
  }
  return state;
}

absl::Status ServableRepository::SetActive(const std::string& version) {
  FOURFOLD_RETURN_IF_ERROR(ReadManifest(version).status());
  FOURFOLD_ASSIGN_OR_RETURN(State state, ReadState());
  if (state.active == version) return absl::OkStatus();
  state.previous = std::exchange(state.active, version);
  JsonWriter writer;
  writer.Field("format_version", kStateFormatVersion);
  VisitState(writer, state);
  return ReplaceFile(PathOf(kStateFile), writer.Take().dump(2) + "\n");
}

absl::StatusOr<ServableManifest> ServableRepository::ReadManifest(
    const std::string& version) const {
  if (!IsVersion(version)) return NotFound("no servable \"", version, "\" in ", directory_);
  FOURFOLD_ASSIGN_OR_RETURN(ServableManifest manifest, LoadManifest(PathOf(version)));
  if (manifest.version != version) {
    return FailedPrecondition(PathOf(version), ": manifest.json: this is servable ",
                              manifest.version);
  }
  return manifest;
}

absl::StatusOr<std::vector<ServableRepository::Listed>> ServableRepository::List() const {
  std::vector<Listed> listed;
  if (!fs::exists(directory_)) return listed;
  std::error_code error;
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!IsVersion(name) || !entry->is_directory()) continue;
    auto manifest = ReadManifest(name);
    Listed& servable = listed.emplace_back();
    servable.version = name;
    if (manifest.ok()) {
      servable.manifest = *std::move(manifest);
    } else {
      servable.problem = MessageOf(manifest.status());
    }
  }
  if (error) return Internal("cannot list ", directory_, ": ", error.message());
  std::map<std::string, fs::file_time_type> published;
  for (const Listed& servable : listed) {
    published[servable.version] = fs::last_write_time(PathOf(servable.version), error);
  }
  std::sort(listed.begin(), listed.end(), [&](const Listed& a, const Listed& b) {
    return std::tuple(!a.manifest, published[b.version], std::string_view(a.version)) <
           std::tuple(!b.manifest, published[a.version], std::string_view(b.version));
  });
  return listed;
}

absl::StatusOr<std::shared_ptr<const Servable>> ServableRepository::Load(
    const std::string& version) const {
  FOURFOLD_RETURN_IF_ERROR(ReadManifest(version).status());
  return LoadServable(PathOf(version));
}

absl::StatusOr<std::string> ServableRepository::Publish(const Servable& servable) const {
  FOURFOLD_ASSIGN_OR_RETURN(std::string version, SaveServable(servable, directory_));
  // The order of publication is that of the directories' times: an engine's clock may stand in the
  // log's past, and the machine's goes back, or stands still between two.
  std::error_code error;
  fs::file_time_type others = fs::file_time_type::min();
  for (fs::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!IsVersion(name) || name == version) continue;
    std::error_code ignored;
    others = std::max(others, fs::last_write_time(entry->path(), ignored));
  }
  const fs::file_time_type own = fs::last_write_time(PathOf(version), error);
  if (!error && own <= others) {
    fs::last_write_time(PathOf(version), others + std::chrono::milliseconds(1), error);
  }
  if (error) return Internal("cannot date ", PathOf(version), ": ", error.message());
  return version;
}

absl::Status ServableRepository::Prune(std::size_t keep) const {
  FOURFOLD_ASSIGN_OR_RETURN(const State state, ReadState());
  FOURFOLD_ASSIGN_OR_RETURN(const std::vector<Listed> listed, List());
  std::error_code error;
  for (std::size_t i = keep; i < listed.size() && listed[i].manifest; ++i) {
    const std::string& version = listed[i].version;
    if (version == state.active || version == state.previous) continue;
    fs::remove_all(PathOf(version), error);
    if (error) return Internal("cannot remove ", PathOf(version), ": ", error.message());
  }
  if (!fs::exists(directory_)) return absl::OkStatus();
  for (const fs::directory_entry& entry : fs::directory_iterator(directory_, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(".tmp-") && !name.starts_with(TemporaryPrefix())) {
      fs::remove_all(entry.path(), error);
    }
  }
  return absl::OkStatus();
}

}  // namespace fourfold
