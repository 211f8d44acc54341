#pragma once

#include "online/pipeline/stage.h"
#include "online/retrieval/bound_servable.h"

namespace fourfold {

// What goes with the items that the user acted on last: kItemCf and kCovisitation. For the newest
// action on each of the latest `history_actions` distinct items, place p = 0, 1, ... newest first,
//   score(j) = sum over them of history_decay^p * 2^(-age / history_half_life) * similarity(i, j)
// over the neighbours j that the servable keeps for i. The actions are read from the state, so the
// last one counts at once.
class ItemToItemRetriever final : public Retriever {
 public:
  explicit ItemToItemRetriever(RetrieverSpec spec);
  absl::Status Retrieve(const Query& query, RetrievalScratch* scratch,
                        CandidateSink* sink) const override;

 private:
  const RetrieverSpec spec_;
};

}  // namespace fourfold
