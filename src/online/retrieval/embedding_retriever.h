#pragma once

#include "online/pipeline/stage.h"
#include "online/retrieval/bound_servable.h"

namespace fourfold {

// What goes with the items that the user acted on last, by item embeddings (kEges). As
// ItemToItemRetriever, over the servable's map of nearest items, and true to the catalogue:
// - An item that the servable does not know, or knows with other side fields (live_embeddings.h),
//   counts for an action on i when its cosine with i is above the last of i's full row: as if it
//   had been there when the map was made.
// - An action on such an item counts with its nearest items, found by comparing it with all; for
//   the newest kComparedActionsMax of such actions, since that takes time in proportion to the
//   catalogue.
class EmbeddingRetriever final : public Retriever {
 public:
  static constexpr int kComparedActionsMax = 4;

  explicit EmbeddingRetriever(RetrieverSpec spec);
  absl::Status Retrieve(const Query& query, RetrievalScratch* scratch,
                        CandidateSink* sink) const override;

 private:
  class Search;

  const RetrieverSpec spec_;
};

}  // namespace fourfold
