#pragma once

#include "online/pipeline/stage.h"
#include "online/retrieval/bound_servable.h"

namespace fourfold {

// The user's own items, where acting again makes sense (buying soap). Over the latest
// `history_actions` actions of its types: score = how many times the item was acted on (the lines
// of one basket are one time), times 2^(-age of the newest / history_half_life) where that is set.
// Ties go by the retriever's own popularity table where the servable has one, then by the tie rule.
class RepeatsRetriever final : public Retriever {
 public:
  explicit RepeatsRetriever(RetrieverSpec spec);
  absl::Status Retrieve(const Query& query, RetrievalScratch* scratch,
                        CandidateSink* sink) const override;

 private:
  const RetrieverSpec spec_;
};

}  // namespace fourfold
