#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "offline/dataset/interaction_table.h"
#include "servable/servable.h"

namespace fourfold {

struct TrainRetrieversOptions {
  std::vector<RetrieverSpec> retrievers;
  std::int64_t as_of_ms = 0;  // windows and decays end here: the engine's clock, never the wall
  int threads = 0;            // 0: one per processor. The result is the same for any number (kEase:
                              // but for the last digits).
  std::function<void(std::string_view retriever, double done)> progress;  // done 0..1
};

// Fits every retriever on the table; fills vocabulary, popularity, popularity_tables, item_to_item
// and manifest.retrievers of a new servable (nothing else).
absl::StatusOr<Servable> TrainRetrievers(const InteractionTable& table,
                                         const TrainRetrieversOptions& options);

}  // namespace fourfold
