#pragma once

#include "online/pipeline/stage.h"
#include "online/retrieval/bound_servable.h"

namespace fourfold {

// The whole catalogue, for as long as the sink wants more: by all-time popularity, then the rest by
// StableHash of the id, an order that no restart and no insertion changes.
class FillRetriever final : public Retriever {
 public:
  FillRetriever();
  absl::Status Retrieve(const Query& query, RetrievalScratch* scratch,
                        CandidateSink* sink) const override;
};

}  // namespace fourfold
