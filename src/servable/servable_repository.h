#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "servable/servable.h"

namespace fourfold {

// The servables of one engine: <directory>/<version>/ each, and the file <directory>/state.json
// with the active and the previous version, replaced atomically. One process writes.
class ServableRepository {
 public:
  explicit ServableRepository(std::string directory) : directory_(std::move(directory)) {}

  struct State {
    std::string active;    // empty: none yet
    std::string previous;  // where rollback goes; empty: nowhere
  };
  absl::StatusOr<State> ReadState() const;
  // Makes `version` the active one (it must exist); the former one becomes the previous.
  absl::Status SetActive(const std::string& version);

  struct Listed {
    std::string version;
    std::optional<ServableManifest> manifest;  // absent: unreadable
    std::string problem;                       // why
  };
  // Newest first by created_at_ms, then version. Reads manifests only.
  absl::StatusOr<std::vector<Listed>> List() const;
  absl::StatusOr<std::shared_ptr<const Servable>> Load(const std::string& version) const;
  absl::StatusOr<std::string> Publish(const Servable& servable) const;  // SaveServable here
  // Removes the oldest beyond `keep`, never the active or the previous one.
  absl::Status Prune(std::size_t keep) const;

  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
};

}  // namespace fourfold
