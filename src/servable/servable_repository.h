#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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
    friend bool operator==(const State&, const State&) = default;
  };
  // Both empty when nothing was ever activated. DataLoss when state.json is not what this wrote.
  absl::StatusOr<State> ReadState() const;
  // Makes `version` the active one (its manifest must be readable); the former one becomes the
  // previous. So SetActive(previous) is the rollback, and doing it again returns. Making the active
  // one active changes nothing. Durable when it returns.
  absl::Status SetActive(const std::string& version);

  struct Listed {
    std::string version;
    std::optional<ServableManifest> manifest;  // absent: unreadable
    std::string problem;                       // why
  };
  // The one published last comes first (Publish); the unreadable ones last. Reads manifests only.
  // Empty when the directory does not exist.
  absl::StatusOr<std::vector<Listed>> List() const;
  // Errors as LoadServable; a servable that lies under another's name is FailedPrecondition.
  absl::StatusOr<std::shared_ptr<const Servable>> Load(const std::string& version) const;
  absl::StatusOr<std::string> Publish(const Servable& servable) const;  // SaveServable; newest now
  // Removes the oldest beyond the `keep` newest, never the active or the previous one, nor one that
  // it cannot read (it may belong to a newer engine); and what interrupted saves left behind.
  absl::Status Prune(std::size_t keep) const;

  const std::string& directory() const { return directory_; }

 private:
  std::string PathOf(const std::string& version) const;
  absl::StatusOr<ServableManifest> ReadManifest(const std::string& version) const;

  std::string directory_;
};

}  // namespace fourfold
