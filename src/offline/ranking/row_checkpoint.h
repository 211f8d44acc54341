#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "offline/ranking/training_rows.h"

namespace fourfold {

// Where the writing of training rows goes on that was cut short: stretches of a replay's requests
// whose rows are written, each a file of training rows of its own in one directory. Not
// thread-safe.
class RowCheckpoint {
 public:
  struct Options {
    std::string directory;    // empty: nothing is kept, and nothing found
    std::string fingerprint;  // of all that the rows come of; stretches of others are removed
    std::uint64_t bytes_per_part = 64 << 20;
  };

  // Requests [begin, end) of the replay, and what is counted of them beside their rows.
  struct Part {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t relevant = 0;
    std::uint64_t retrieved = 0;
  };

  explicit RowCheckpoint(Options options) : options_(std::move(options)) {}

  // The stretches that are there whole, one after the other from the first request on; what does
  // not belong to them is removed.
  std::vector<Part> Find() const;
  // Adds the rows of a stretch to those of the writer, whose schema they have: the same calls as
  // made when they were written, so that the same bytes come of them.
  absl::Status Copy(const Part& part, TrainingRowsWriter* writer) const;

  // Null where nothing is kept. It becomes a stretch with Finish.
  absl::StatusOr<std::unique_ptr<TrainingRowsWriter>> Start(std::uint64_t begin,
                                                            const TrainingSchema& schema) const;
  absl::Status Finish(const Part& part, TrainingRowsWriter* writer) const;
  std::uint64_t bytes_per_part() const { return options_.bytes_per_part; }

  // Removes all of them.
  static void Remove(const std::string& directory);

 private:
  std::string Directory() const;
  std::string PathOf(const Part& part) const;

  const Options options_;
};

}  // namespace fourfold
