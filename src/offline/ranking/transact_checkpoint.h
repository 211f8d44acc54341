#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/transact/transact_ranker_model.h"

namespace fourfold {

// The state of a training between two epochs, in a file that is replaced as a whole. Private to
// the training of TransAct.
class TransActCheckpoint {
 public:
  struct State {
    TransActRankerModel* model = nullptr;
    TransActRankerModel* best = nullptr;  // as `model` before the first epoch is over
    std::vector<std::pair<std::string, std::vector<float>*>> moments;
    std::uint64_t step = 0;
    int epochs_trained = 0, epochs = 0;
    double metric = 0;
  };

  // An empty path: nothing is written or found. `fingerprint` says which training it is.
  TransActCheckpoint(std::string path, std::string fingerprint)
      : path_(std::move(path)), fingerprint_(std::move(fingerprint)) {}

  absl::Status Write(const State& state) const;
  // False, and nothing changed, without a file of this training; `best` becomes whole. DataLoss,
  // and nothing changed, where the file is damaged.
  absl::StatusOr<bool> Read(State* state) const;
  void Remove() const;

 private:
  const std::string path_;
  const std::string fingerprint_;
};

}  // namespace fourfold
