#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "offline/dataset/interaction_table.h"
#include "offline/dataset/side_fields.h"
#include "offline/retrieval/cancellation.h"
#include "offline/retrieval/training_limits.h"
#include "servable/servable.h"

namespace fourfold {

struct TrainRetrieversOptions {
  std::vector<RetrieverSpec> retrievers;
  std::int64_t as_of_ms = 0;  // windows and decays end here: the engine's clock, never the wall
  int threads = 0;            // 0: one per processor. The result is the same for any number (kEase:
                              // but for the last digits; kEges: with one only).
  // Of the table's items at the read point of the fit: every field that some retriever names.
  std::vector<SideField> side_fields;
  std::function<void(std::string_view retriever, double done)> progress;  // done 0..1
  std::function<void(std::string_view note)> note;                        // may be empty
  // Asked before each retriever, and while one of kind kEase or kEges is fitted.
  CancellationCheck is_cancelled;
  TrainingLimits limits;
};

// Every side field that some retriever names, once.
std::vector<std::string> SideFieldNames(const std::vector<RetrieverSpec>& retrievers);

// Fits every retriever on the table; fills vocabulary, popularity, popularity_tables, item_to_item,
// embeddings and manifest.retrievers of a new servable (nothing else). A map that would be larger
// than the limits is cut to fewer neighbours, which a note and the manifest tell.
absl::StatusOr<Servable> TrainRetrievers(const InteractionTable& table,
                                         const TrainRetrieversOptions& options);

}  // namespace fourfold
