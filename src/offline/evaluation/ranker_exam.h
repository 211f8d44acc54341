#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "offline/evaluation/shown_lists.h"
#include "offline/ranking/row_replay.h"
#include "servable/trained_ranker.h"

namespace fourfold {

struct RankerExam {
  std::uint64_t users = 0;
  ShownListResult result;  // of "list order", which is not to rank at all, and "ranker"
  // Of a ranker with heads, by head: what came of it is what counts. "list order", "ranker" (the
  // order by the servable's own value model) and "head" (by its prediction alone). Without a method
  // where nothing of it came of a request.
  struct Head {
    std::string head;
    ShownListResult result;
  };
  std::vector<Head> heads;
};

// Judges a ranker on the requests of the replay from `from_ms` on, with their features as they
// would have been served; the replay's plan declares the ranker's features. A request without a
// user is one of its own. InvalidArgument where there is none to judge.
absl::StatusOr<RankerExam> JudgeRanker(const RowReplay& replay, const TrainedRanker& ranker,
                                       std::int64_t from_ms, const ShownListOptions& options,
                                       const std::function<void(double done)>& progress);

}  // namespace fourfold
