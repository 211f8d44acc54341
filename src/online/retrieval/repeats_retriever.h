#pragma once

#include "online/pipeline/stage.h"
#include "online/retrieval/bound_servable.h"

namespace fourfold {

// The user's own items, where acting again makes sense (buying soap). Over the latest
// `history_actions` actions of its types: score = how many named the item, times
// 2^(-age of the newest of them / history_half_life) where that is set.
class RepeatsRetriever final : public Retriever {
 public:
  explicit RepeatsRetriever(RetrieverSpec spec);
  absl::Status Retrieve(const Query& query, RetrievalScratch* scratch,
                        CandidateSink* sink) const override;

 private:
  const RetrieverSpec spec_;
};

}  // namespace fourfold
