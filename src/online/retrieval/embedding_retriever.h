#pragma once

#include "online/pipeline/stage.h"
#include "online/retrieval/bound_servable.h"

namespace fourfold {

// What goes with the items that the user acted on last, by the cosine of item embeddings (kEges):
// - search map: as ItemToItemRetriever, over the servable's map of nearest items.
// - search actions: alike, with the items found near each action's through the servable's graph.
// - search mean: what is found near the mean of the actions' vectors, weighted as above.
// True to the catalogue: an item that the servable does not know, or knows with other side fields
// (live_embeddings.h), is compared exactly. It counts for an action when it is nearer than the last
// of a full row of neighbours: as if it had been there when the servable was made.
// With search map, an action on such an item has no row: it is compared with all items, for the
// newest kComparedActionsMax such actions, since that takes time in proportion to the catalogue.
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
