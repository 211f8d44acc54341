#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "feature/plan/feature_request.h"

namespace fourfold {

// What a ranker's scores were computed from: who asked, from where in time, the candidates with
// what was given with them, the features and sequences that were read, and what each head
// predicted.
struct ServedScores {
  std::string servable;
  FeatureRequest request;
  FeatureTable table;
  std::vector<float> predictions;  // TrainedRanker::Predict's
};

// A share of the requests that a ranker scored, in two files of a directory: served.log and, older,
// served.1.log. When the first has half of the bytes allowed it takes the second's place, so the
// newest requests stay. docs/formats.md has the records. Nothing is synced: a crash of the machine
// may cost the last records, one of the process none. Thread-safe.
class ServedLog {
 public:
  static constexpr std::size_t kBytesMax = 64 << 20;  // of both files

  // `share` of the requests are kept, 0 to 1. The directory is made with the first of them.
  ServedLog(std::string directory, double share, std::size_t bytes_max = kBytesMax)
      : directory_(std::move(directory)), share_(share), bytes_max_(bytes_max) {}
  ~ServedLog();
  ServedLog(const ServedLog&) = delete;
  ServedLog& operator=(const ServedLog&) = delete;

  // To be taken before a request reads what it notes.
  std::uint64_t era() const { return era_.load(); }

  // Keeps the request where it falls to the share: the first is kept, then evenly. What cannot be
  // written is left out; the request it is about goes on. So is what was read before a Clear.
  void Note(std::uint64_t era, std::string_view servable, const FeatureRequest& request,
            const FeatureTable& table, std::span<const float> predictions)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Leaves nothing behind, and nothing of the requests that are under way.
  absl::Status Clear() ABSL_LOCKS_EXCLUDED(mutex_);

  // Every record of a directory, oldest first; none where it does not exist. A record at the end
  // of a file that was not written whole is left out; DataLoss for any other damage.
  static absl::Status Read(const std::string& directory,
                           absl::FunctionRef<absl::Status(const ServedScores&)> visit);

 private:
  // Whether there is a file to append to.
  bool OpenFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Write(std::string_view record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string directory_;
  const double share_;
  const std::size_t bytes_max_;
  std::atomic<std::uint64_t> era_ = 0;  // changes under the mutex
  Mutex mutex_;
  std::uint64_t requests_ ABSL_GUARDED_BY(mutex_) = 0;
  int file_ ABSL_GUARDED_BY(mutex_) = -1;  // -1: none is open
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace fourfold
