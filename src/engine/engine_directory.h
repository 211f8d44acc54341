#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fourfold {

// The files of one engine:
//   engine.json     the format version of this layout
//   recipe.yaml     the recipe that it was last opened with
//   events/         the log and the state
//   servables/      what was learned
//   served/         what a share of the ranker's scores was computed from
//   value_model.json  weights of the ranker's heads that somebody changed
//   training.checkpoint  where a training of a network that was cut short goes on
//   training.rows/  training rows of a ranker's training that was cut short
//   temporary/      sorted runs of an import; emptied at open
class EngineDirectory {
 public:
  // Makes the directory if absent. FailedPrecondition: another format version, or a directory that
  // holds something else.
  static absl::StatusOr<EngineDirectory> Open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string events() const { return path_ + "/events"; }
  std::string servables() const { return path_ + "/servables"; }
  std::string served() const { return path_ + "/served"; }
  std::string temporary() const { return path_ + "/temporary"; }
  // Removes what a process that ended in the middle has left there.
  absl::Status EmptyTemporary() const;
  std::string value_model() const { return path_ + "/value_model.json"; }
  // Of a training under way.
  std::string checkpoint() const { return path_ + "/training.checkpoint"; }
  std::string row_checkpoint() const { return path_ + "/training.rows"; }
  std::string recipe() const { return path_ + "/recipe.yaml"; }

  bool HasRecipe() const;
  absl::Status SaveRecipe(std::string_view text) const;

 private:
  explicit EngineDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace fourfold
